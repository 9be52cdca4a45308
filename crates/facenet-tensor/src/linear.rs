//! The linear map of a fully connected layer.

use ndarray::{ArrayView2, ArrayView4, ArrayViewMut2, ArrayViewMut4, Axis};

use crate::{
    Accumulation, Scalar, Scratch, Window, convolution_backward_input, convolution_backward_weight, convolution_forward,
};

/// A product is a convolution of one row of pixels with a 1x1 kernel.
const ONE: Window = Window::square(1, 1, 0);

/// Multiplies rows by a matrix.
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
    convolution_forward(pixels(x), pixels(weight), ONE, pixels_mut(y), scratch);
}

/// Writes the gradient at the input of a linear map to `dx`, or adds it.
///
/// ```text
/// dx (+)= dy weight^T
/// ```
///
/// # Shapes
/// As [`linear_forward`].
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
    convolution_backward_input(pixels(dy), pixels(weight), ONE, accumulation, pixels_mut(dx), scratch);
}

/// Adds the gradient at the matrix of a linear map to `dweight`.
///
/// ```text
/// dweight += x^T dy
/// ```
///
/// # Shapes
/// As [`linear_forward`].
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
    convolution_backward_weight(pixels(x), pixels(dy), ONE, pixels_mut(dweight), scratch);
}

fn pixels<T>(rows: ArrayView2<'_, T>) -> ArrayView4<'_, T> {
    rows.insert_axis(Axis(0)).insert_axis(Axis(0))
}

fn pixels_mut<T>(rows: ArrayViewMut2<'_, T>) -> ArrayViewMut4<'_, T> {
    rows.insert_axis(Axis(0)).insert_axis(Axis(0))
}
