//! Bias and activation applied to the sums of a convolution before they are written.

use ndarray::{ArrayView1, NdFloat};

use crate::elementwise::{add_assign, prelu, relu, sigmoid};
use crate::image::check::slope_per_channel;
use crate::simd::lanes::LANES;

/// The activation that a packed convolution applies, after adding the bias, before it writes an
/// output.
#[derive(Clone, Debug, PartialEq)]
pub enum FusedActivation<T> {
    /// No activation.
    None,
    /// Like [`relu_forward`](crate::relu_forward).
    Relu,
    /// Like [`sigmoid_forward`](crate::sigmoid_forward).
    Sigmoid,
    /// Like [`prelu_forward`](crate::prelu_forward), with one slope per channel or a single shared
    /// slope.
    PRelu(Vec<T>),
}

/// Turns the sums of a convolution into outputs: `activation(y + bias)`.
///
/// Bias and slopes have one coefficient per channel, padded with zeros to whole panels of [`LANES`]
/// channels.
#[derive(Clone, Debug)]
pub struct Epilogue<T> {
    pub(crate) bias: Vec<T>,
    pub(crate) activation: FusedActivation<T>,
}

impl<T: NdFloat> Epilogue<T> {
    #[track_caller]
    pub(super) fn new(bias: ArrayView1<'_, T>, activation: FusedActivation<T>, channels: usize) -> Self {
        assert_eq!(bias.len(), channels, "bias {:?} of a product with {channels} channels", bias.shape());
        let pad = |mut values: Vec<T>| {
            values.resize(channels.next_multiple_of(LANES), T::zero());
            values
        };
        let activation = match activation {
            FusedActivation::PRelu(slope) => {
                FusedActivation::PRelu(pad(slope_per_channel(ArrayView1::from(&slope), channels)))
            }
            other => other,
        };
        Self { bias: pad(bias.to_vec()), activation }
    }

    /// Adds the bias to the channels of a pixel and applies the activation.
    #[inline(always)]
    pub(crate) fn apply(&self, y: &mut [T]) {
        add_assign(y, &self.bias);
        self.activate(y);
    }

    /// Applies the activation to the channels of a pixel.
    #[inline(always)]
    pub(crate) fn activate(&self, y: &mut [T]) {
        match &self.activation {
            FusedActivation::None => {}
            FusedActivation::Relu => y.iter_mut().for_each(|y| *y = relu(*y)),
            FusedActivation::Sigmoid => y.iter_mut().for_each(|y| *y = sigmoid(*y)),
            FusedActivation::PRelu(slope) => y.iter_mut().zip(slope).for_each(|(y, slope)| *y = prelu(*y, *slope)),
        }
    }
}
