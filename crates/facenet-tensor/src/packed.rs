//! Products for inference: weights packed once, bias and activation applied before a result is written.

use ndarray::{Array3, ArrayView1, ArrayView3, ArrayView4, ArrayViewMut4};

use crate::convolution::{LANES, PackedOutput, PackedWeights};
use crate::pixels::same_shape;
use crate::prelu::{prelu, slopes};
use crate::relu::relu;
use crate::sigmoid::sigmoid;
use crate::sums::add_assign;
use crate::{Scalar, Window, convolution, depthwise, level};

/// What is applied to each output of a product, its bias added, before it is written.
#[derive(Clone, Debug, PartialEq)]
pub enum FusedActivation<T> {
    /// Nothing.
    None,
    /// As [`relu_forward`](crate::relu_forward).
    Relu,
    /// As [`sigmoid_forward`](crate::sigmoid_forward).
    Sigmoid,
    /// As [`prelu_forward`](crate::prelu_forward), with one slope, or one per channel.
    PRelu(Vec<T>),
}

/// A convolution with bias and activation, its weights packed once.
///
/// ```text
/// y = activation(convolution(x, weight) + bias)
/// ```
///
/// It computes the numbers that [`convolution_forward`](crate::convolution_forward), [`bias_forward`](crate::bias_forward)
/// and the activation's forward function compute one after the other, and writes each once.
///
/// A fully connected layer is a convolution of images of one pixel with a 1x1 kernel.
///
/// ```
/// use facenet_tensor::{FusedActivation, PackedConvolution, Window};
/// use ndarray::{Array4, array};
///
/// let weight = Array4::<f32>::from_elem((1, 1, 3, 2), 0.5);
/// let layer = PackedConvolution::new(
///     weight.view(),
///     array![0.25, -9.0].view(),
///     FusedActivation::Relu,
///     Window::square(1, 1, 0),
///     [1, 1],
/// );
/// let mut y = Array4::zeros((4, 1, 1, 2));
/// layer.forward(Array4::ones((4, 1, 1, 3)).view(), y.view_mut());
/// assert_eq!([y[[3, 0, 0, 0]], y[[3, 0, 0, 1]]], [1.75, 0.0]);
/// ```
#[derive(Clone, Debug)]
pub struct PackedConvolution<T> {
    weight: PackedWeights<T>,
    inputs: usize,
    window: Window,
    parts: Vec<Part<T>>,
}

/// One of several convolutions that are computed together.
#[derive(Clone, Debug)]
struct Part<T> {
    outputs: usize,
    epilogue: Epilogue<T>,
}

impl<T: Scalar> PackedConvolution<T> {
    /// Packs the weights of a convolution, as is best for images of this height and width; others are convolved as well. (3x3
    /// kernels at stride 1 are computed in tiles where that is faster, with somewhat larger rounding errors.)
    ///
    /// # Shapes
    /// `weight [kernel height, kernel width, inputs, outputs]` in standard layout, `bias [outputs]`.
    ///
    /// # Panics
    /// If the shapes disagree, or there is neither one slope nor one per output.
    #[track_caller]
    pub fn new(
        weight: ArrayView4<'_, T>,
        bias: ArrayView1<'_, T>,
        activation: FusedActivation<T>,
        window: Window,
        images: [usize; 2],
    ) -> Self {
        let (kernel_height, kernel_width, inputs, outputs) = weight.dim();
        assert_eq!(
            [kernel_height, kernel_width],
            window.kernel,
            "weight {:?} and kernel of {window:?}",
            weight.shape()
        );
        assert!(weight.is_standard_layout(), "weight {:?} is not in standard layout", weight.shape());
        let epilogue = Epilogue::new(bias, activation, outputs);
        let parts = vec![Part { outputs, epilogue }];
        Self { weight: T::pack(weight, window, images), inputs, window, parts }
    }

    /// Whether another convolution can be computed with this one: window and number of inputs are the same, and neither is computed
    /// in tiles.
    #[must_use]
    pub fn can_join(&self, other: &Self) -> bool {
        self.window == other.window && self.inputs == other.inputs && self.weight.can_join(&other.weight)
    }

    /// Joins convolutions of the same images, so that these are read once: their outputs come as from each alone.
    /// [`PackedConvolution::forward_joined`] computes them.
    ///
    /// # Panics
    /// If there are none, or they can't be joined.
    #[track_caller]
    #[must_use]
    pub fn join(convolutions: &[&Self]) -> Self {
        let first = convolutions.first().expect("convolutions to join");
        assert!(convolutions.iter().all(|other| first.can_join(other)), "these convolutions can't be joined");
        let weights: Vec<&PackedWeights<T>> = convolutions.iter().map(|convolution| &convolution.weight).collect();
        Self {
            weight: PackedWeights::join(&weights),
            inputs: first.inputs,
            window: first.window,
            parts: convolutions.iter().flat_map(|convolution| convolution.parts.iter().cloned()).collect(),
        }
    }

    /// Convolves images, adds the bias and applies the activation.
    ///
    /// # Shapes
    /// `x [n, h, w, inputs]`, `y [n, output height, output width, outputs]`; both may be channel slices.
    ///
    /// # Panics
    /// If the shapes disagree, channels are not contiguous, or convolutions were joined.
    #[track_caller]
    pub fn forward(&self, x: ArrayView4<'_, T>, mut y: ArrayViewMut4<'_, T>) {
        self.run(x, None, vec![y.view_mut()]);
    }

    /// As [`PackedConvolution::forward`], but adds `residual` as well, before the activation.
    ///
    /// ```text
    /// y = activation(convolution(x, weight) + bias + residual)
    /// ```
    ///
    /// # Shapes
    /// `residual` as `y`.
    ///
    /// # Panics
    /// If the shapes disagree, channels are not contiguous, or convolutions were joined.
    #[track_caller]
    pub fn forward_residual(&self, x: ArrayView4<'_, T>, residual: ArrayView4<'_, T>, mut y: ArrayViewMut4<'_, T>) {
        same_shape(["residual", "y"], &residual.raw_dim(), &y.raw_dim());
        convolution::check_channels("residual", &residual);
        self.run(x, Some(residual.view()), vec![y.view_mut()]);
    }

    /// As [`PackedConvolution::forward`] of each of the joined convolutions.
    ///
    /// # Shapes
    /// An output for each, `[n, output height, output width, its outputs]`.
    ///
    /// # Panics
    /// If the shapes disagree or channels are not contiguous.
    #[track_caller]
    pub fn forward_joined(&self, x: ArrayView4<'_, T>, mut outputs: Vec<ArrayViewMut4<'_, T>>) {
        self.run(x, None, outputs.iter_mut().map(|y| y.view_mut()).collect());
    }

    #[track_caller]
    fn run<'a>(
        &'a self,
        x: ArrayView4<'_, T>,
        residual: Option<ArrayView4<'a, T>>,
        outputs: Vec<ArrayViewMut4<'a, T>>,
    ) {
        assert_eq!(outputs.len(), self.parts.len(), "an output for each of the joined convolutions");
        let [height, width] = self.window.kernel;
        for (y, part) in outputs.iter().zip(&self.parts) {
            convolution::check(&x, [height, width, self.inputs, part.outputs], self.window, &y.view());
        }
        let mut outputs: Vec<PackedOutput<'_, T>> = outputs
            .into_iter()
            .zip(&self.parts)
            .map(|(y, part)| PackedOutput { epilogue: &part.epilogue, residual, y })
            .collect();
        T::packed_forward(level(), x, &self.weight, self.window, &mut outputs);
    }
}

/// A depthwise convolution with bias and activation.
///
/// ```text
/// y = activation(depthwise(x, weight) + bias)
/// ```
///
/// It computes the numbers that [`depthwise_forward`](crate::depthwise_forward), [`bias_forward`](crate::bias_forward) and
/// the activation's forward function compute one after the other.
#[derive(Clone, Debug)]
pub struct PackedDepthwise<T> {
    weight: Array3<T>,
    window: Window,
    epilogue: Epilogue<T>,
}

impl<T: Scalar> PackedDepthwise<T> {
    /// Keeps the weights of a depthwise convolution.
    ///
    /// # Shapes
    /// `weight [kernel height, kernel width, channels]`, `bias [channels]`.
    ///
    /// # Panics
    /// If the shapes disagree, or there is neither one slope nor one per channel.
    #[track_caller]
    pub fn new(
        weight: ArrayView3<'_, T>,
        bias: ArrayView1<'_, T>,
        activation: FusedActivation<T>,
        window: Window,
    ) -> Self {
        let (kernel_height, kernel_width, channels) = weight.dim();
        assert_eq!(
            [kernel_height, kernel_width],
            window.kernel,
            "weight {:?} and kernel of {window:?}",
            weight.shape()
        );
        let epilogue = Epilogue::new(bias, activation, channels);
        Self { weight: weight.as_standard_layout().into_owned(), window, epilogue }
    }

    /// Convolves each channel, adds the bias and applies the activation.
    ///
    /// # Shapes
    /// `x [n, h, w, channels]`, `y [n, output height, output width, channels]`; both may be channel slices.
    ///
    /// # Panics
    /// If the shapes disagree or channels are not contiguous.
    #[track_caller]
    pub fn forward(&self, x: ArrayView4<'_, T>, y: ArrayViewMut4<'_, T>) {
        depthwise::check(&x, &self.weight.view(), self.window, &y.view());
        T::depthwise_forward(level(), x, self.weight.view(), self.window, Some(&self.epilogue), y);
    }
}

/// What is done to the sums of a product before they are written: `activation(y + bias)`.
///
/// Bias and slopes have one number per channel, filled up with zeros to whole panels of weights.
#[derive(Clone, Debug)]
pub struct Epilogue<T> {
    pub(crate) bias: Vec<T>,
    pub(crate) activation: FusedActivation<T>,
}

impl<T: Scalar> Epilogue<T> {
    #[track_caller]
    fn new(bias: ArrayView1<'_, T>, activation: FusedActivation<T>, channels: usize) -> Self {
        assert_eq!(bias.len(), channels, "bias {:?} of a product with {channels} channels", bias.shape());
        let fill_up = |mut values: Vec<T>| {
            values.resize(channels.next_multiple_of(LANES), T::zero());
            values
        };
        let activation = match activation {
            FusedActivation::PRelu(slope) => {
                FusedActivation::PRelu(fill_up(slopes(ArrayView1::from(&slope), channels)))
            }
            other => other,
        };
        Self { bias: fill_up(bias.to_vec()), activation }
    }

    /// Turns the sums of a pixel into its outputs.
    #[inline(always)]
    pub(crate) fn apply(&self, y: &mut [T]) {
        add_assign(y, &self.bias);
        self.activate(y);
    }

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

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array4, Axis};
    use ndarray_rand::RandomExt;
    use ndarray_rand::rand_distr::Uniform;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;
    use crate::Level;
    use crate::scalar::sealed::Kernels;

    #[test]
    fn levels_compute_the_same_bits_where_they_fuse_and_close_numbers_where_not() {
        let mut generator = ChaCha8Rng::seed_from_u64(1);
        let mut random = |shape| Array4::<f32>::random_using(shape, Uniform::new(-1.0, 1.0), &mut generator);
        let window = Window::square(3, 1, 1);
        let numbers = |first| Array1::linspace(first, 1.0, 45);
        // Directly, in tiles of 2x2 and of 4x4 outputs.
        for ([height, width], inputs) in [([9, 7], 12), ([9, 7], 20), ([12, 11], 20)] {
            let (x, weight) = (random((2, height, width, inputs)), random((3, 3, inputs, 45)));
            for activation in [
                FusedActivation::None,
                FusedActivation::Relu,
                FusedActivation::Sigmoid,
                FusedActivation::PRelu(numbers(-0.5).to_vec()),
            ] {
                let epilogue = Epilogue::new(numbers(-1.0).view(), activation, 45);
                let packed = f32::pack(weight.view(), window, [height, width]);
                let run = |level| {
                    let mut y = Array4::zeros((2, height, width, 45));
                    let output = PackedOutput { epilogue: &epilogue, residual: None, y: y.view_mut() };
                    f32::packed_forward(level, x.view(), &packed, window, &mut [output]);
                    y
                };
                let best = run(level());
                if level() >= Level::Avx2 {
                    assert_eq!(run(Level::Avx2).mapv(f32::to_bits), best.mapv(f32::to_bits));
                }
                // Sums of products of numbers in [-1, 1]: a rounding per addition, and one per product where unfused.
                let bound = f32::EPSILON * 2.0 * (9 * inputs) as f32;
                for (portable, best) in run(Level::Portable).iter().zip(&best) {
                    assert!((portable - best).abs() <= bound, "{portable} and {best}");
                }
            }
        }
    }

    #[test]
    fn levels_compute_depthwise_convolutions_alike() {
        let mut generator = ChaCha8Rng::seed_from_u64(2);
        let mut random = |shape| Array4::<f32>::random_using(shape, Uniform::new(-1.0, 1.0), &mut generator);
        let (x, weight) = (random((2, 9, 23, 37)), random((1, 3, 3, 37)));
        let weight = weight.index_axis(Axis(0), 0);
        let epilogue = Epilogue::new(Array1::linspace(-1.0, 1.0, 37).view(), FusedActivation::PRelu(vec![0.25]), 37);
        for (window, columns) in [(Window::square(3, 1, 1), 23), (Window::square(3, 2, 1), 12)] {
            let run = |level| {
                let mut y = Array4::zeros((2, 9_usize.div_ceil(window.stride[0]), columns, 37));
                f32::depthwise_forward(level, x.view(), weight, window, Some(&epilogue), y.view_mut());
                y
            };
            let best = run(level());
            if level() >= Level::Avx2 {
                assert_eq!(run(Level::Avx2).mapv(f32::to_bits), best.mapv(f32::to_bits));
            }
            for (portable, best) in run(Level::Portable).iter().zip(&best) {
                assert!((portable - best).abs() <= f32::EPSILON * 2.0 * 10.0, "{portable} and {best}");
            }
        }
    }
}
