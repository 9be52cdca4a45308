//! The rectified linear unit.

use ndarray::{ArrayView4, ArrayViewMut4};

use crate::elementwise::relu;
use crate::image::check::assert_same_shape;
use crate::image::slices::{for_each_slice, for_each_slice_pair};
use crate::scalar::Scalar;

/// Applies ReLU in place.
///
/// ```text
/// y = max(y, 0)
/// ```
///
/// NaN propagates.
///
/// # Shapes
/// `y [n, h, w, channels]`.
///
/// # Panics
/// If channels are not contiguous.
#[track_caller]
pub fn relu_forward<T: Scalar>(y: ArrayViewMut4<'_, T>) {
    for_each_slice(
        y,
        #[inline(always)]
        |y| {
            for y in y {
                *y = relu(*y);
            }
        },
    );
}

/// Turns the gradient at the output into the gradient at the input, in place.
///
/// ```text
/// dy = dy where y > 0, else 0
/// ```
///
/// The derivative at 0 is taken as 0.
///
/// # Shapes
/// `y` (the output) and `dy` are `[n, h, w, channels]`.
///
/// # Panics
/// If the shapes disagree or channels are not contiguous.
#[track_caller]
pub fn relu_backward<T: Scalar>(y: ArrayView4<'_, T>, dy: ArrayViewMut4<'_, T>) {
    assert_same_shape(["y", "dy"], &y.raw_dim(), &dy.raw_dim());
    for_each_slice_pair(
        y,
        dy,
        #[inline(always)]
        |y, dy| {
            for (dy, y) in dy.iter_mut().zip(y) {
                *dy = if *y > T::zero() { *dy } else { T::zero() };
            }
        },
    );
}
