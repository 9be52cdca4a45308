//! L2 pooling: the Euclidean norm of each window.

use ndarray::{ArrayView4, ArrayViewMut4, Axis};

use crate::image::check::assert_same_shape;
use crate::image::view::ImageView;
use crate::pooling::windows::{for_each_output, for_each_output_gradient};
use crate::scalar::Scalar;
use crate::window::Window;

/// Takes the Euclidean norm of each window; padding counts as 0.
///
/// ```text
/// y[n, h, w, c] = sqrt(sum over i, j of x[n, h s + i - p, w s + j - p, c]^2)
/// ```
///
/// # Shapes
/// `x [n, h, w, channels]`, `y [n, output height, output width, channels]`.
///
/// # Panics
/// If the shapes disagree or channels are not contiguous.
#[track_caller]
pub fn l2_pool_forward<T: Scalar>(x: ArrayView4<'_, T>, window: Window, y: ArrayViewMut4<'_, T>) {
    for_each_output(
        x,
        window,
        y,
        #[inline(always)]
        |x, taps, y| {
            y.fill(T::zero());
            for (row, column) in taps.positions() {
                for (y, x) in y.iter_mut().zip(x.at(row, column)) {
                    *y += *x * *x;
                }
            }
            for y in y {
                *y = y.sqrt();
            }
        },
    );
}

/// Adds the gradient at the input to `dx`. The gradient of a window whose output is 0 is taken as
/// 0.
///
/// ```text
/// dx[n, h s + i - p, w s + j - p, c] += dy[n, h, w, c] * x[n, h s + i - p, w s + j - p, c]
///                                       / y[n, h, w, c]
/// ```
///
/// # Shapes
/// `x` and `dx` are `[n, h, w, channels]`, `y` (the output) and `dy`
/// `[n, output height, output width, channels]`.
///
/// # Panics
/// If the shapes disagree or channels are not contiguous.
#[track_caller]
pub fn l2_pool_backward<T: Scalar>(
    x: ArrayView4<'_, T>,
    y: ArrayView4<'_, T>,
    dy: ArrayView4<'_, T>,
    window: Window,
    dx: ArrayViewMut4<'_, T>,
) {
    assert_same_shape(["x", "dx"], &x.raw_dim(), &dx.raw_dim());
    assert_same_shape(["y", "dy"], &y.raw_dim(), &dy.raw_dim());
    let channels = x.dim().3;
    let state = |image| {
        let x = ImageView::new(x.index_axis(Axis(0), image));
        let y = ImageView::new(y.index_axis(Axis(0), image));
        let dy = ImageView::new(dy.index_axis(Axis(0), image));
        (x, y, dy, vec![T::zero(); channels])
    };
    for_each_output_gradient(
        dy.dim(),
        window,
        dx,
        state,
        #[inline(always)]
        |(x, y, dy, quotient), dx, taps, row, column| {
            for ((quotient, y), dy) in quotient.iter_mut().zip(y.at(row, column)).zip(dy.at(row, column)) {
                *quotient = if *y == T::zero() { T::zero() } else { *dy / *y };
            }
            for (row, column) in taps.positions() {
                let x = x.at(row, column);
                for ((dx, x), quotient) in dx.at_mut(row, column).iter_mut().zip(x).zip(quotient.iter()) {
                    *dx += *x * *quotient;
                }
            }
        },
    );
}
