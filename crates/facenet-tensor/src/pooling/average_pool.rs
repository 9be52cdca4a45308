//! Average pooling.

use ndarray::{ArrayView4, ArrayViewMut4, Axis};

use crate::elementwise::add_assign;
use crate::image::view::ImageView;
use crate::pooling::windows::{for_each_output, for_each_output_gradient};
use crate::scalar::Scalar;
use crate::window::Window;

/// Averages over each window; padding counts as 0.
///
/// ```text
/// y[n, h, w, c] = 1 / (kernel height * kernel width)
///                 * sum over i, j of x[n, h s + i - p, w s + j - p, c]
/// ```
///
/// # Shapes
/// `x [n, h, w, channels]`, `y [n, output height, output width, channels]`.
///
/// # Panics
/// If the shapes disagree or channels are not contiguous.
#[track_caller]
pub fn average_pool_forward<T: Scalar>(x: ArrayView4<'_, T>, window: Window, y: ArrayViewMut4<'_, T>) {
    let factor = reciprocal_area::<T>(window);
    for_each_output(
        x,
        window,
        y,
        #[inline(always)]
        |x, taps, y| {
            y.fill(T::zero());
            for (row, column) in taps.positions() {
                add_assign(y, x.at(row, column));
            }
            for y in y {
                *y *= factor;
            }
        },
    );
}

/// Adds the gradient at the input to `dx`: all pixels of a window get equal shares.
///
/// ```text
/// dx[n, h s + i - p, w s + j - p, c] += dy[n, h, w, c] / (kernel height * kernel width)
/// ```
///
/// # Shapes
/// `dy [n, output height, output width, channels]`, `dx [n, h, w, channels]`.
///
/// # Panics
/// If the shapes disagree or channels are not contiguous.
#[track_caller]
pub fn average_pool_backward<T: Scalar>(dy: ArrayView4<'_, T>, window: Window, dx: ArrayViewMut4<'_, T>) {
    let factor = reciprocal_area::<T>(window);
    let state = |image| ImageView::new(dy.index_axis(Axis(0), image));
    for_each_output_gradient(
        dy.dim(),
        window,
        dx,
        state,
        #[inline(always)]
        |dy, dx, taps, row, column| {
            let dy = dy.at(row, column);
            for (row, column) in taps.positions() {
                for (dx, dy) in dx.at_mut(row, column).iter_mut().zip(dy) {
                    *dx += *dy * factor;
                }
            }
        },
    );
}

/// One over the number of pixels in the window.
fn reciprocal_area<T: Scalar>(window: Window) -> T {
    T::from_f64((window.kernel[0] * window.kernel[1]) as f64).recip()
}
