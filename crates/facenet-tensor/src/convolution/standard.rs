//! Convolution: sums of products over a window and over input channels.

use ndarray::{ArrayView4, ArrayViewMut4};

use crate::accumulation::Accumulation;
use crate::convolution::check::{assert_convolution, assert_standard_layout};
use crate::convolution::kernels::{ConvolutionBackwardInput, ConvolutionBackwardWeight, ConvolutionForward};
use crate::memory::scratch::Scratch;
use crate::scalar::Scalar;
use crate::simd::level::simd_level;
use crate::window::Window;

/// Convolves images with a bank of kernels. (A cross-correlation, as usual in neural networks.)
///
/// ```text
/// y[n, h, w, o] = sum over i, j, c of x[n, h s + i - p, w s + j - p, c] * weight[i, j, c, o]
/// ```
///
/// # Shapes
/// `x [n, h, w, inputs]`, `weight [kernel height, kernel width, inputs, outputs]` in standard
/// layout, `y [n, output height, output width, outputs]`; `x` and `y` may be channel slices.
///
/// # Panics
/// If the shapes disagree or channels are not contiguous.
#[track_caller]
pub fn convolution_forward<T: Scalar>(
    x: ArrayView4<'_, T>,
    weight: ArrayView4<'_, T>,
    window: Window,
    y: ArrayViewMut4<'_, T>,
    scratch: &mut Scratch<T>,
) {
    assert_standard_layout(&weight);
    assert_convolution(&x, weight.dim().into(), window, &y.view());
    let [x, weight] = [x.reborrow(), weight.reborrow()];
    T::convolution_forward(simd_level(), ConvolutionForward { x, weight, window, y: y.reborrow(), scratch });
}

/// Writes or adds the gradient at the input of a convolution to `dx`.
///
/// ```text
/// dx[n, h, w, c] (+)= sum over i, j, o where s divides
///                     of dy[n, (h + p - i) / s, (w + p - j) / s, o] * weight[i, j, c, o]
/// ```
///
/// # Shapes
/// Same as [`convolution_forward`].
///
/// # Panics
/// If the shapes disagree or channels are not contiguous.
#[track_caller]
pub fn convolution_backward_input<T: Scalar>(
    dy: ArrayView4<'_, T>,
    weight: ArrayView4<'_, T>,
    window: Window,
    accumulation: Accumulation,
    dx: ArrayViewMut4<'_, T>,
    scratch: &mut Scratch<T>,
) {
    assert_standard_layout(&weight);
    assert_convolution(&dx.view(), weight.dim().into(), window, &dy);
    let [dy, weight] = [dy.reborrow(), weight.reborrow()];
    let operands = ConvolutionBackwardInput { dy, weight, window, accumulation, dx: dx.reborrow(), scratch };
    T::convolution_backward_input(simd_level(), operands);
}

/// Adds the gradient at the weights of a convolution to `dweight`.
///
/// ```text
/// dweight[i, j, c, o] += sum over n, h, w of x[n, h s + i - p, w s + j - p, c] * dy[n, h, w, o]
/// ```
///
/// # Shapes
/// Same as [`convolution_forward`].
///
/// # Panics
/// If the shapes disagree or channels are not contiguous.
#[track_caller]
pub fn convolution_backward_weight<T: Scalar>(
    x: ArrayView4<'_, T>,
    dy: ArrayView4<'_, T>,
    window: Window,
    dweight: ArrayViewMut4<'_, T>,
    scratch: &mut Scratch<T>,
) {
    assert_standard_layout(&dweight.view());
    assert_convolution(&x, dweight.dim().into(), window, &dy);
    let [x, dy] = [x.reborrow(), dy.reborrow()];
    let operands = ConvolutionBackwardWeight { x, dy, window, dweight: dweight.reborrow(), scratch };
    T::convolution_backward_weight(simd_level(), operands);
}
