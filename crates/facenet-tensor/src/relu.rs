//! The rectified linear unit.

use ndarray::{ArrayView4, ArrayViewMut4};

use crate::Scalar;
use crate::pixels::{each_pair_of_stretches, each_stretch, same_shape};

/// Replaces negative numbers by 0, in place.
///
/// ```text
/// y = max(y, 0)
/// ```
///
/// A number that is not a number stays one.
///
/// # Shapes
/// `y [n, h, w, channels]`.
///
/// # Panics
/// If channels are not contiguous.
#[track_caller]
pub fn relu_forward<T: Scalar>(y: ArrayViewMut4<'_, T>) {
    each_stretch(
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
/// At 0 the derivative is taken as 0.
///
/// # Shapes
/// `y` (the output) and `dy` are `[n, h, w, channels]`.
///
/// # Panics
/// If the shapes disagree or channels are not contiguous.
#[track_caller]
pub fn relu_backward<T: Scalar>(y: ArrayView4<'_, T>, dy: ArrayViewMut4<'_, T>) {
    same_shape(["y", "dy"], &y.raw_dim(), &dy.raw_dim());
    each_pair_of_stretches(
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

/// `max(y, 0)`, or no number where `y` is none.
#[inline(always)]
pub(crate) fn relu<T: Scalar>(y: T) -> T {
    if y < T::zero() { T::zero() } else { y }
}
