//! What the two element types compute differently: convolutions, and with them all matrix products.

use ndarray::{ArrayView2, ArrayView3, ArrayView4, ArrayViewMut4};

use crate::accumulation::Accumulation;
use crate::convolution::fused_activation::Epilogue;
use crate::convolution::packed_weights::PackedWeights;
use crate::memory::scratch::Scratch;
use crate::simd::level::SimdLevel;
use crate::window::Window;

/// The operands of [`convolution_forward`](crate::convolution_forward).
pub struct ConvolutionForward<'a, T> {
    pub(crate) x: ArrayView4<'a, T>,
    pub(crate) weight: ArrayView4<'a, T>,
    pub(crate) window: Window,
    pub(crate) y: ArrayViewMut4<'a, T>,
    pub(crate) scratch: &'a mut Scratch<T>,
}

/// The operands of [`convolution_backward_input`](crate::convolution_backward_input).
pub struct ConvolutionBackwardInput<'a, T> {
    pub(crate) dy: ArrayView4<'a, T>,
    pub(crate) weight: ArrayView4<'a, T>,
    pub(crate) window: Window,
    pub(crate) accumulation: Accumulation,
    pub(crate) dx: ArrayViewMut4<'a, T>,
    pub(crate) scratch: &'a mut Scratch<T>,
}

/// The operands of [`convolution_backward_weight`](crate::convolution_backward_weight).
pub struct ConvolutionBackwardWeight<'a, T> {
    pub(crate) x: ArrayView4<'a, T>,
    pub(crate) dy: ArrayView4<'a, T>,
    pub(crate) window: Window,
    pub(crate) dweight: ArrayViewMut4<'a, T>,
    pub(crate) scratch: &'a mut Scratch<T>,
}

/// The operands of a depthwise convolution, with or without an epilogue.
pub struct DepthwiseForward<'a, T> {
    pub(crate) x: ArrayView4<'a, T>,
    pub(crate) weight: ArrayView3<'a, T>,
    pub(crate) window: Window,
    pub(crate) epilogue: Option<&'a Epilogue<T>>,
    pub(crate) y: ArrayViewMut4<'a, T>,
}

/// The operands of convolutions of one input with packed weights.
pub struct PackedForward<'a, T> {
    pub(crate) x: ArrayView4<'a, T>,
    pub(crate) weights: &'a PackedWeights<T>,
    pub(crate) window: Window,
    pub(crate) outputs: Vec<PackedOutput<'a, T>>,
}

/// One output of convolutions with packed weights.
pub struct PackedOutput<'a, T> {
    pub(crate) epilogue: &'a Epilogue<T>,
    /// Added before the activation.
    pub(crate) residual: Option<ArrayView4<'a, T>>,
    pub(crate) y: ArrayViewMut4<'a, T>,
}

/// The operands of a 1x1 convolution followed by a depthwise convolution.
pub struct SeparableForward<'a, T> {
    pub(crate) x: ArrayView4<'a, T>,
    pub(crate) pointwise: &'a PackedWeights<T>,
    pub(crate) pointwise_epilogue: &'a Epilogue<T>,
    pub(crate) depthwise: ArrayView3<'a, T>,
    /// Of the depthwise convolution: 3x3 at stride 1 or 2.
    pub(crate) window: Window,
    pub(crate) epilogue: &'a Epilogue<T>,
    pub(crate) pool: SeparablePool,
    pub(crate) y: ArrayViewMut4<'a, T>,
}

/// The pooling after a separable convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeparablePool {
    /// No pooling.
    None,
    /// 2x2 max pooling at stride 2. The depthwise convolution has stride 1.
    Max,
}

/// The operands of products of rows with packed rows.
pub struct RowProducts<'a, T> {
    /// `[m, dimension]`, not empty, with contiguous rows.
    pub(crate) x: ArrayView2<'a, T>,
    /// `[n / 16][dimension][16]`.
    pub(crate) panels: &'a [T],
    /// `[m, n]`.
    pub(crate) products: &'a mut [T],
}

/// The convolution kernels of an element type. Callers have checked all shapes and strides.
pub trait Kernels: Sized {
    /// Computes `y`.
    fn convolution_forward(level: SimdLevel, operands: ConvolutionForward<'_, Self>);

    /// Writes or adds to `dx`.
    fn convolution_backward_input(level: SimdLevel, operands: ConvolutionBackwardInput<'_, Self>);

    /// Adds to `dweight`.
    fn convolution_backward_weight(level: SimdLevel, operands: ConvolutionBackwardWeight<'_, Self>);

    /// Computes `y`.
    fn depthwise_forward(level: SimdLevel, operands: DepthwiseForward<'_, Self>);

    /// Packs weights for [`packed_forward`](Self::packed_forward), optimized for images of this
    /// height and width.
    fn pack(weight: ArrayView4<'_, Self>, window: Window, images: [usize; 2]) -> PackedWeights<Self>;

    /// Computes all outputs.
    fn packed_forward(level: SimdLevel, operands: PackedForward<'_, Self>);

    /// Computes `y`.
    fn separable_forward(level: SimdLevel, operands: SeparableForward<'_, Self>);

    /// Computes `products`.
    fn row_products(level: SimdLevel, operands: RowProducts<'_, Self>);
}
