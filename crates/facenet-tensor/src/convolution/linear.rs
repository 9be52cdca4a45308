//! The matrix product of a fully connected layer.

use ndarray::{ArrayView2, ArrayView4, ArrayViewMut2, ArrayViewMut4, Axis};

use crate::accumulation::Accumulation;
use crate::convolution::standard::{convolution_backward_input, convolution_backward_weight, convolution_forward};
use crate::memory::scratch::Scratch;
use crate::scalar::Scalar;
use crate::window::Window;

/// A matrix product is a 1x1 convolution over one row of pixels.
const POINTWISE: Window = Window::square(1, 1, 0);

/// Multiplies rows by a weight matrix.
///
/// ```text
/// y = x weight
/// ```
///
/// # Shapes
/// `x [n, inputs]`, `weight [inputs, outputs]` in standard layout, `y [n, outputs]`.
///
/// # Panics
/// If the shapes disagree or rows are not contiguous.
#[track_caller]
pub fn linear_forward<T: Scalar>(
    x: ArrayView2<'_, T>,
    weight: ArrayView2<'_, T>,
    y: ArrayViewMut2<'_, T>,
    scratch: &mut Scratch<T>,
) {
    convolution_forward(pixels(x), pixels(weight), POINTWISE, pixels_mut(y), scratch);
}

/// Writes or adds the gradient at the input of a linear map to `dx`.
///
/// ```text
/// dx (+)= dy weight^T
/// ```
///
/// # Shapes
/// Same as [`linear_forward`].
///
/// # Panics
/// If the shapes disagree or rows are not contiguous.
#[track_caller]
pub fn linear_backward_input<T: Scalar>(
    dy: ArrayView2<'_, T>,
    weight: ArrayView2<'_, T>,
    accumulation: Accumulation,
    dx: ArrayViewMut2<'_, T>,
    scratch: &mut Scratch<T>,
) {
    convolution_backward_input(pixels(dy), pixels(weight), POINTWISE, accumulation, pixels_mut(dx), scratch);
}

/// Adds the gradient at the weights of a linear map to `dweight`.
///
/// ```text
/// dweight += x^T dy
/// ```
///
/// # Shapes
/// Same as [`linear_forward`].
///
/// # Panics
/// If the shapes disagree or rows are not contiguous.
#[track_caller]
pub fn linear_backward_weight<T: Scalar>(
    x: ArrayView2<'_, T>,
    dy: ArrayView2<'_, T>,
    dweight: ArrayViewMut2<'_, T>,
    scratch: &mut Scratch<T>,
) {
    convolution_backward_weight(pixels(x), pixels(dy), POINTWISE, pixels_mut(dweight), scratch);
}

fn pixels<T>(rows: ArrayView2<'_, T>) -> ArrayView4<'_, T> {
    rows.insert_axis(Axis(0)).insert_axis(Axis(0))
}

fn pixels_mut<T>(rows: ArrayViewMut2<'_, T>) -> ArrayViewMut4<'_, T> {
    rows.insert_axis(Axis(0)).insert_axis(Axis(0))
}
