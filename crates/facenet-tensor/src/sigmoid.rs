//! The logistic function.

use ndarray::{ArrayView4, ArrayViewMut4};

use crate::Scalar;
use crate::pixels::{each_pair_of_stretches, each_stretch, same_shape};

/// Maps each number to (0, 1), in place.
///
/// ```text
/// y = 1 / (1 + exp(-y))
/// ```
///
/// # Shapes
/// `y [n, h, w, channels]`.
///
/// # Panics
/// If channels are not contiguous.
#[track_caller]
pub fn sigmoid_forward<T: Scalar>(y: ArrayViewMut4<'_, T>) {
    each_stretch(
        y,
        #[inline(always)]
        |y| {
            for y in y {
                *y = sigmoid(*y);
            }
        },
    );
}

/// Turns the gradient at the output into the gradient at the input, in place.
///
/// ```text
/// dy = dy * y (1 - y)
/// ```
///
/// # Shapes
/// `y` (the output) and `dy` are `[n, h, w, channels]`.
///
/// # Panics
/// If the shapes disagree or channels are not contiguous.
#[track_caller]
pub fn sigmoid_backward<T: Scalar>(y: ArrayView4<'_, T>, dy: ArrayViewMut4<'_, T>) {
    same_shape(["y", "dy"], &y.raw_dim(), &dy.raw_dim());
    each_pair_of_stretches(
        y,
        dy,
        #[inline(always)]
        |y, dy| {
            for (dy, y) in dy.iter_mut().zip(y) {
                *dy *= *y * (T::one() - *y);
            }
        },
    );
}

/// `1 / (1 + exp(-y))`
#[inline(always)]
pub(crate) fn sigmoid<T: Scalar>(y: T) -> T {
    (T::one() + (-y).exp()).recip()
}
