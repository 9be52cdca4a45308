//! Convolutions for inference: weights packed once, bias and activation fused.

use ndarray::{Array3, ArrayView1, ArrayView3, ArrayView4, ArrayViewMut4};

use crate::convolution::check::{
    assert_contiguous_channels, assert_convolution, assert_depthwise, assert_kernel, assert_standard_layout,
};
use crate::convolution::fused_activation::{Epilogue, FusedActivation};
use crate::convolution::kernels::{DepthwiseForward, PackedForward, PackedOutput};
use crate::convolution::packed_weights::PackedWeights;
use crate::image::check::assert_same_shape;
use crate::scalar::Scalar;
use crate::simd::level::simd_level;
use crate::window::Window;

/// A convolution with bias and activation, whose weights are packed once.
///
/// ```text
/// y = activation(convolution(x, weight) + bias)
/// ```
///
/// Equivalent to [`convolution_forward`](crate::convolution_forward),
/// [`bias_forward`](crate::bias_forward) and the activation's forward function in sequence, in one
/// pass over the output.
///
/// A fully connected layer is a 1x1 convolution of images of one pixel.
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
    pub(super) weight: PackedWeights<T>,
    pub(super) inputs: usize,
    window: Window,
    pub(super) branches: Vec<Branch<T>>,
}

/// One of several convolutions of the same images that are computed together.
#[derive(Clone, Debug)]
pub(super) struct Branch<T> {
    outputs: usize,
    pub(super) epilogue: Epilogue<T>,
}

impl<T: Scalar> PackedConvolution<T> {
    /// Packs the weights of a convolution, optimized for images of this height and width (other
    /// sizes work too). 3x3 kernels at stride 1 use a Winograd transform where that is faster, with
    /// somewhat larger rounding errors.
    ///
    /// # Shapes
    /// `weight [kernel height, kernel width, inputs, outputs]` in standard layout,
    /// `bias [outputs]`.
    ///
    /// # Panics
    /// If the shapes disagree, or the number of slopes is neither one nor the number of outputs.
    #[track_caller]
    pub fn new(
        weight: ArrayView4<'_, T>,
        bias: ArrayView1<'_, T>,
        activation: FusedActivation<T>,
        window: Window,
        images: [usize; 2],
    ) -> Self {
        let (_, _, inputs, outputs) = weight.dim();
        assert_kernel(weight.shape(), window);
        assert_standard_layout(&weight);
        let epilogue = Epilogue::new(bias, activation, outputs);
        let branches = vec![Branch { outputs, epilogue }];
        Self { weight: T::pack(weight, window, images), inputs, window, branches }
    }

    /// Whether another convolution can be joined with this one: the window and the number of inputs
    /// are equal, and neither uses a Winograd transform.
    #[must_use]
    pub fn can_join(&self, other: &Self) -> bool {
        self.window == other.window && self.inputs == other.inputs && self.weight.can_join(&other.weight)
    }

    /// The number of outputs, if this is a single 1x1 convolution at stride 1 without padding.
    pub(super) fn single_pointwise_output(&self) -> Option<usize> {
        match &self.branches[..] {
            [branch] if self.window == Window::square(1, 1, 0) => Some(branch.outputs),
            _ => None,
        }
    }

    /// Joins convolutions of the same images, so that these are read once; the outputs are the same
    /// as from each alone. Run the result with [`PackedConvolution::forward_joined`].
    ///
    /// # Panics
    /// If `convolutions` is empty or they can't be joined.
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
            branches: convolutions.iter().flat_map(|convolution| convolution.branches.iter().cloned()).collect(),
        }
    }

    /// Convolves images, adds the bias and applies the activation.
    ///
    /// # Shapes
    /// `x [n, h, w, inputs]`, `y [n, output height, output width, outputs]`; both may be channel
    /// slices.
    ///
    /// # Panics
    /// If the shapes disagree, channels are not contiguous, or this is the result of a join.
    #[track_caller]
    pub fn forward(&self, x: ArrayView4<'_, T>, mut y: ArrayViewMut4<'_, T>) {
        self.run(x.view(), None, vec![y.view_mut()]);
    }

    /// Like [`PackedConvolution::forward`], but adds `residual` before the activation.
    ///
    /// ```text
    /// y = activation(convolution(x, weight) + bias + residual)
    /// ```
    ///
    /// # Shapes
    /// `residual` like `y`.
    ///
    /// # Panics
    /// If the shapes disagree, channels are not contiguous, or this is the result of a join.
    #[track_caller]
    pub fn forward_residual(&self, x: ArrayView4<'_, T>, residual: ArrayView4<'_, T>, mut y: ArrayViewMut4<'_, T>) {
        assert_same_shape(["residual", "y"], &residual.raw_dim(), &y.raw_dim());
        assert_contiguous_channels("residual", &residual);
        self.run(x.view(), Some(residual.view()), vec![y.view_mut()]);
    }

    /// [`PackedConvolution::forward`] for each of the joined convolutions.
    ///
    /// # Shapes
    /// One output per joined convolution, `[n, output height, output width, its outputs]`.
    ///
    /// # Panics
    /// If the shapes disagree or channels are not contiguous.
    #[track_caller]
    pub fn forward_joined(&self, x: ArrayView4<'_, T>, mut outputs: Vec<ArrayViewMut4<'_, T>>) {
        self.run(x.view(), None, outputs.iter_mut().map(|y| y.view_mut()).collect());
    }

    #[track_caller]
    fn run<'a>(
        &'a self,
        x: ArrayView4<'a, T>,
        residual: Option<ArrayView4<'a, T>>,
        outputs: Vec<ArrayViewMut4<'a, T>>,
    ) {
        assert_eq!(outputs.len(), self.branches.len(), "one output per joined convolution");
        let [height, width] = self.window.kernel;
        for (y, branch) in outputs.iter().zip(&self.branches) {
            assert_convolution(&x, [height, width, self.inputs, branch.outputs], self.window, &y.view());
        }
        let outputs = outputs
            .into_iter()
            .zip(&self.branches)
            .map(|(y, branch)| PackedOutput { epilogue: &branch.epilogue, residual, y })
            .collect();
        T::packed_forward(simd_level(), PackedForward { x, weights: &self.weight, window: self.window, outputs });
    }
}

/// A depthwise convolution with bias and activation.
///
/// ```text
/// y = activation(depthwise(x, weight) + bias)
/// ```
///
/// Equivalent to [`depthwise_forward`](crate::depthwise_forward),
/// [`bias_forward`](crate::bias_forward) and the activation's forward function in sequence.
#[derive(Clone, Debug)]
pub struct PackedDepthwise<T> {
    pub(super) weight: Array3<T>,
    pub(super) window: Window,
    pub(super) epilogue: Epilogue<T>,
}

impl<T: Scalar> PackedDepthwise<T> {
    /// Copies the weights of a depthwise convolution.
    ///
    /// # Shapes
    /// `weight [kernel height, kernel width, channels]`, `bias [channels]`.
    ///
    /// # Panics
    /// If the shapes disagree, or the number of slopes is neither one nor the number of channels.
    #[track_caller]
    pub fn new(
        weight: ArrayView3<'_, T>,
        bias: ArrayView1<'_, T>,
        activation: FusedActivation<T>,
        window: Window,
    ) -> Self {
        assert_kernel(weight.shape(), window);
        let epilogue = Epilogue::new(bias, activation, weight.dim().2);
        Self { weight: weight.as_standard_layout().into_owned(), window, epilogue }
    }

    /// Convolves each channel, adds the bias and applies the activation.
    ///
    /// # Shapes
    /// `x [n, h, w, channels]`, `y [n, output height, output width, channels]`; both may be channel
    /// slices.
    ///
    /// # Panics
    /// If the shapes disagree or channels are not contiguous.
    #[track_caller]
    pub fn forward(&self, x: ArrayView4<'_, T>, y: ArrayViewMut4<'_, T>) {
        let Self { weight, window, epilogue } = self;
        assert_depthwise(&x, &weight.view(), *window, &y.view());
        let (x, weight, y) = (x.reborrow(), weight.view(), y.reborrow());
        let operands = DepthwiseForward { x, weight, window: *window, epilogue: Some(epilogue), y };
        T::depthwise_forward(simd_level(), operands);
    }
}
