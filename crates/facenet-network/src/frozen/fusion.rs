//! Folds batch normalization into weights, and fuses biases, activations and residual sums into
//! convolutions and fully connected layers.

use std::iter::Peekable;
use std::slice::Iter;

use facenet_tensor::{FusedActivation, PackedConvolution, PackedDepthwise, Scalar, Window};
use ndarray::{Array, Array1, ArrayView1, Axis, Dimension, Ix1, Ix2, Ix3, Ix4, Zip};

use crate::frozen::operation::FrozenOperation;
use crate::network::Network;
use crate::plan::operation::{ChannelSlice, Operation};

/// Freezes an operation together with the operations that are fused into it, which are taken from
/// `rest`.
pub(super) fn freeze<T: Scalar>(
    network: &Network<T>,
    operation: &Operation,
    rest: &mut Peekable<Iter<'_, Operation>>,
) -> FrozenOperation<T> {
    match operation {
        Operation::Convolution { x, y, weight, window } => {
            let [height, width, _] = network.plan().slots[x.slot];
            let mut layer = FusedLayer::<T, Ix4>::new(network, *weight, y, rest);
            let residual = layer.fuse_residual(network, x, rest);
            let FusedLayer { weight, bias, activation, y } = layer;
            let kernel = PackedConvolution::new(weight.view(), bias.view(), activation, *window, [height, width]);
            FrozenOperation::Convolution { x: x.clone(), y, residual, kernel }
        }
        Operation::Linear { x, y, weight } => {
            let FusedLayer { weight, bias, activation, y } = FusedLayer::<T, Ix2>::new(network, *weight, y, rest);
            let weight = weight.insert_axis(Axis(0)).insert_axis(Axis(0));
            let window = Window::square(1, 1, 0);
            let kernel = PackedConvolution::new(weight.view(), bias.view(), activation, window, [1, 1]);
            FrozenOperation::Linear { x: x.clone(), y, kernel }
        }
        Operation::Depthwise { x, y, weight, window } => {
            let FusedLayer { weight, bias, activation, y } = FusedLayer::<T, Ix3>::new(network, *weight, y, rest);
            let kernel = PackedDepthwise::new(weight.view(), bias.view(), activation, *window);
            FrozenOperation::Depthwise { x: x.clone(), y, kernel }
        }
        Operation::ChannelScale { x, gate, y } => {
            let (residual, sum, scale) = match rest.peek().copied() {
                Some(Operation::ScaledSum { x: residual, branch, y: sum, scale })
                    if branch == y && !is_used_later(rest, y) =>
                {
                    (residual.clone(), sum.clone(), T::from_f64(*scale))
                }
                _ => return FrozenOperation::WithoutParameters(operation.clone()),
            };
            rest.next();
            FrozenOperation::GatedSum { x: x.clone(), gate: gate.clone(), scale, residual, y: sum }
        }
        Operation::PRelu { x, y, slope } => {
            let slope = network.parameters.view(*slope).to_owned();
            FrozenOperation::PRelu { x: x.clone(), y: y.clone(), slope }
        }
        Operation::Dropout { x, y, .. } => FrozenOperation::WithoutParameters(Operation::copy(x.clone(), y.clone())),
        other => FrozenOperation::WithoutParameters(other.clone()),
    }
}

/// Whether an operation after the next one reads or writes the slot of a slice.
fn is_used_later(rest: &Peekable<Iter<'_, Operation>>, slice: &ChannelSlice) -> bool {
    rest.clone().skip(1).any(|operation| operation.slices().iter().any(|other| other.slot == slice.slot))
}

/// Takes the activation of `slice` from the following operations; returns it with its output.
fn fused_activation<T: Scalar>(
    network: &Network<T>,
    slice: ChannelSlice,
    rest: &mut Peekable<Iter<'_, Operation>>,
) -> (FusedActivation<T>, ChannelSlice) {
    let fused = match rest.peek() {
        Some(Operation::Relu { y }) if *y == slice => (FusedActivation::Relu, slice),
        Some(Operation::Sigmoid { y }) if *y == slice => (FusedActivation::Sigmoid, slice),
        Some(Operation::PRelu { x, y, slope }) if *x == slice => {
            (FusedActivation::PRelu(network.parameters.entry(*slope).to_vec()), y.clone())
        }
        _ => return (FusedActivation::None, slice),
    };
    rest.next();
    fused
}

/// Weights, bias, activation and output of an affine layer.
struct FusedLayer<T, D> {
    weight: Array<T, D>,
    bias: Array1<T>,
    activation: FusedActivation<T>,
    y: ChannelSlice,
}

impl<T: Scalar, D: Dimension> FusedLayer<T, D> {
    fn new(network: &Network<T>, weight: usize, y: &ChannelSlice, rest: &mut Peekable<Iter<'_, Operation>>) -> Self {
        let Network { parameters, statistics, .. } = network;
        let mut weight = parameters.view::<D>(weight).to_owned();
        let mut bias = Array1::zeros(y.channels.len());
        let mut activation = FusedActivation::None;
        let mut y = y.clone();
        match rest.peek() {
            Some(Operation::Bias { y: biased, bias: entry }) if *biased == y => {
                bias.assign(&parameters.view::<Ix1>(*entry));
                rest.next();
            }
            Some(Operation::BatchNorm { x, y: normalized, scale, shift, mean, variance, rectified }) if *x == y => {
                let [scale, shift] = [scale, shift].map(|&entry| parameters.view(entry));
                let [mean, variance] = [mean, variance].map(|&entry| statistics.view(entry));
                let factors = factors(scale, variance, network.plan().epsilon);
                for mut row in weight.rows_mut() {
                    Zip::from(&mut row).and(&factors).for_each(|weight, &factor| {
                        *weight = T::from_f64(Scalar::to_f64(*weight) * factor);
                    });
                }
                Zip::from(&mut bias).and(shift).and(mean).and(&factors).for_each(|bias, &shift, &mean, &factor| {
                    *bias = T::from_f64(Scalar::to_f64(shift) - Scalar::to_f64(mean) * factor);
                });
                if *rectified {
                    activation = FusedActivation::Relu;
                }
                y = normalized.clone();
                rest.next();
            }
            _ => {}
        }
        if activation == FusedActivation::None {
            (activation, y) = fused_activation(network, y, rest);
        }
        Self { weight, bias, activation, y }
    }
}

impl<T: Scalar> FusedLayer<T, Ix4> {
    /// Fuses the residual sum that follows, and the activation after it:
    /// `activation(scale * layer(x) + residual)`. Returns the residual input.
    fn fuse_residual(
        &mut self,
        network: &Network<T>,
        x: &ChannelSlice,
        rest: &mut Peekable<Iter<'_, Operation>>,
    ) -> Option<ChannelSlice> {
        let (residual, y, scale) = match rest.peek().copied() {
            Some(Operation::ScaledSum { x: residual, branch, y, scale })
                if *branch == self.y
                    && y.slot != x.slot
                    && self.activation == FusedActivation::None
                    && !is_used_later(rest, branch) =>
            {
                (residual.clone(), y.clone(), T::from_f64(*scale))
            }
            _ => return None,
        };
        rest.next();
        self.weight.mapv_inplace(|weight| weight * scale);
        self.bias.mapv_inplace(|bias| bias * scale);
        (self.activation, self.y) = fused_activation(network, y, rest);
        Some(residual)
    }
}

/// Factor of each channel in batch normalization.
fn factors<T: Scalar>(scale: ArrayView1<'_, T>, variance: ArrayView1<'_, T>, epsilon: f64) -> Array1<f64> {
    let factor = |(&scale, &variance): (&T, &T)| Scalar::to_f64(scale) / (Scalar::to_f64(variance) + epsilon).sqrt();
    scale.iter().zip(variance).map(factor).collect()
}
