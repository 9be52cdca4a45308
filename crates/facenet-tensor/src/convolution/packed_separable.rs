//! A 1x1 convolution and the depthwise convolution of its result as one operation.

use ndarray::{ArrayView4, ArrayViewMut4};

use crate::convolution::check::assert_contiguous_channels;
use crate::convolution::kernels::{SeparableForward, SeparablePool};
use crate::convolution::packed::{PackedConvolution, PackedDepthwise};
use crate::scalar::Scalar;
use crate::simd::level::simd_level;
use crate::window::Window;

/// A 1x1 convolution followed by a depthwise convolution, both with bias and activation.
///
/// ```text
/// y = depthwise(pointwise(x))
/// ```
///
/// Equivalent to [`PackedConvolution::forward`] and [`PackedDepthwise::forward`] in sequence, with
/// the same results, but the images between them, which can be larger than the cache, are never
/// written to memory as a whole.
///
/// ```
/// use facenet_tensor::{FusedActivation, PackedConvolution, PackedDepthwise, PackedSeparable, Window};
/// use ndarray::{Array3, Array4, array};
///
/// let pointwise = PackedConvolution::new(
///     Array4::<f32>::ones((1, 1, 3, 1)).view(),
///     array![1.0].view(),
///     FusedActivation::None,
///     Window::square(1, 1, 0),
///     [4, 4],
/// );
/// let depthwise = PackedDepthwise::new(
///     Array3::ones((3, 3, 1)).view(),
///     array![-20.0].view(),
///     FusedActivation::Relu,
///     Window::square(3, 1, 1),
/// );
/// let separable = PackedSeparable::new(&pointwise, &depthwise).unwrap();
/// let mut y = Array4::zeros((1, 4, 4, 1));
/// separable.forward(Array4::ones((1, 4, 4, 3)).view(), y.view_mut());
/// assert_eq!([y[[0, 0, 0, 0]], y[[0, 0, 1, 0]], y[[0, 1, 1, 0]]], [0.0, 4.0, 16.0]);
/// ```
#[derive(Clone, Debug)]
pub struct PackedSeparable<T> {
    pointwise: PackedConvolution<T>,
    depthwise: PackedDepthwise<T>,
    pool: SeparablePool,
}

impl<T: Scalar> PackedSeparable<T> {
    /// Joins the two convolutions. `None` unless the first is a 1x1 convolution at stride 1 without
    /// padding, and the second has as many channels and a 3x3 kernel at stride 1 or 2.
    #[must_use]
    pub fn new(pointwise: &PackedConvolution<T>, depthwise: &PackedDepthwise<T>) -> Option<Self> {
        let window = depthwise.window;
        let fits = pointwise.single_pointwise_output() == Some(depthwise.weight.dim().2);
        let is_supported = window.kernel == [3; 2] && (window.stride == [1; 2] || window.stride == [2; 2]);
        (fits && is_supported).then(|| Self {
            pointwise: pointwise.clone(),
            depthwise: depthwise.clone(),
            pool: SeparablePool::None,
        })
    }

    /// Joins the max pooling of the result. `None` unless its window is 2x2 at stride 2 without
    /// padding, the depthwise convolution has stride 1, and there is no pooling yet.
    #[must_use]
    pub fn with_max_pool(&self, window: Window) -> Option<Self> {
        let is_supported = window == Window::square(2, 2, 0)
            && self.depthwise.window.stride == [1; 2]
            && self.pool == SeparablePool::None;
        is_supported.then(|| Self { pool: SeparablePool::Max, ..self.clone() })
    }

    /// Computes both convolutions, and the pooling if there is one.
    ///
    /// # Shapes
    /// `x [n, h, w, inputs]`, `y [n, output height, output width, channels]`; both may be channel
    /// slices. With pooling, `y` has half the height and width, rounded down.
    ///
    /// # Panics
    /// If the shapes disagree or channels are not contiguous.
    #[track_caller]
    pub fn forward(&self, x: ArrayView4<'_, T>, y: ArrayViewMut4<'_, T>) {
        let Self { pointwise, depthwise, pool } = self;
        assert_eq!(x.dim().3, pointwise.inputs, "x {:?} and weight of the 1x1 convolution", x.shape());
        assert_contiguous_channels("x", &x);
        let (n, height, width, _) = x.dim();
        let channels = depthwise.weight.dim().2;
        let window = depthwise.window;
        let unpooled = window.output([height, width]);
        let output = match pool {
            SeparablePool::None => unpooled,
            SeparablePool::Max => unpooled.map(|sides| sides.map(|side| side / 2)),
        };
        let expected = output.map(|[height, width]| (n, height, width, channels));
        assert_eq!(expected, Some(y.dim()), "output of x {:?} under {window:?}, {pool:?}, and y", x.shape());
        assert_contiguous_channels("y", &y.view());
        let operands = SeparableForward {
            x: x.reborrow(),
            pointwise: &pointwise.weight,
            pointwise_epilogue: &pointwise.branches[0].epilogue,
            depthwise: depthwise.weight.view(),
            window,
            epilogue: &depthwise.epilogue,
            pool: *pool,
            y: y.reborrow(),
        };
        T::separable_forward(simd_level(), operands);
    }
}
