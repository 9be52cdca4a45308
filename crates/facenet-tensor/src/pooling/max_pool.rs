//! Max pooling.

use ndarray::{ArrayView4, ArrayViewMut4, Axis};

use crate::elementwise::replaces_maximum;
use crate::image::check::assert_same_shape;
use crate::image::view::{ImageView, ImageViewMut};
use crate::pooling::windows::{Taps, for_each_output, for_each_output_gradient};
use crate::scalar::Scalar;
use crate::window::Window;

/// Takes the maximum over each window; padding is ignored.
///
/// ```text
/// y[n, h, w, c] = max over i, j of x[n, h s + i - p, w s + j - p, c]
/// ```
///
/// NaN propagates.
///
/// # Shapes
/// `x [n, h, w, channels]`, `y [n, output height, output width, channels]`.
///
/// # Panics
/// If the shapes disagree, channels are not contiguous, or padding is as large as the kernel.
#[track_caller]
pub fn max_pool_forward<T: Scalar>(x: ArrayView4<'_, T>, window: Window, y: ArrayViewMut4<'_, T>) {
    assert_no_empty_window(window);
    for_each_output(
        x,
        window,
        y,
        #[inline(always)]
        |x, taps, y| {
            let mut c = 0;
            write_maxima::<T, 16>(x, &taps, &mut c, y);
            write_maxima::<T, 8>(x, &taps, &mut c, y);
            write_maxima::<T, 4>(x, &taps, &mut c, y);
            write_maxima::<T, 1>(x, &taps, &mut c, y);
        },
    );
}

/// Adds the gradient at the input to `dx`: the maximum of each window gets all of it; ties go to
/// the first in row-major order.
///
/// ```text
/// dx[n, h s + i - p, w s + j - p, c] += dy[n, h, w, c]
///                                       where (i, j) is the first maximum of the window
/// ```
///
/// # Shapes
/// `x` and `dx` are `[n, h, w, channels]`, `dy [n, output height, output width, channels]`.
///
/// # Panics
/// Same as [`max_pool_forward`].
#[track_caller]
pub fn max_pool_backward<T: Scalar>(
    x: ArrayView4<'_, T>,
    dy: ArrayView4<'_, T>,
    window: Window,
    dx: ArrayViewMut4<'_, T>,
) {
    assert_no_empty_window(window);
    assert_same_shape(["x", "dx"], &x.raw_dim(), &dx.raw_dim());
    let state = |image| {
        let x = ImageView::new(x.index_axis(Axis(0), image));
        let dy = ImageView::new(dy.index_axis(Axis(0), image));
        (x, dy)
    };
    for_each_output_gradient(
        dy.dim(),
        window,
        dx,
        state,
        #[inline(always)]
        |(x, dy), dx, taps, row, column| {
            let dy = dy.at(row, column);
            let mut c = 0;
            scatter_to_maxima::<T, 16>(x, dy, &taps, &mut c, dx);
            scatter_to_maxima::<T, 8>(x, dy, &taps, &mut c, dx);
            scatter_to_maxima::<T, 4>(x, dy, &taps, &mut c, dx);
            scatter_to_maxima::<T, 1>(x, dy, &taps, &mut c, dx);
        },
    );
}

/// The maxima of `N` channels from `c` on, and the index of the tap where each occurs. The index is
/// a `T` so that all lanes have one type, which lets the loop vectorize.
#[inline(always)]
fn maxima<T: Scalar, const N: usize>(x: &ImageView<'_, T>, taps: &Taps, c: usize) -> ([T; N], [T; N]) {
    let mut maximum = [T::neg_infinity(); N];
    let mut winner = [T::zero(); N];
    let mut tap = T::zero();
    for (row, column) in taps.positions() {
        let x = lanes::<T, N>(x.at(row, column), c);
        for lane in 0..N {
            let replace = replaces_maximum(x[lane], maximum[lane]);
            maximum[lane] = if replace { x[lane] } else { maximum[lane] };
            winner[lane] = if replace { tap } else { winner[lane] };
        }
        tap += T::one();
    }
    (maximum, winner)
}

/// Writes the maxima of the channels from `c` on, `N` at a time in registers, while `N` are left.
#[inline(always)]
fn write_maxima<T: Scalar, const N: usize>(x: &ImageView<'_, T>, taps: &Taps, c: &mut usize, y: &mut [T]) {
    while y.len() - *c >= N {
        y[*c..*c + N].copy_from_slice(&maxima::<T, N>(x, taps, *c).0);
        *c += N;
    }
}

/// Adds the gradients of the channels from `c` on to the taps that hold the maxima, chunked like
/// [`write_maxima`].
#[inline(always)]
fn scatter_to_maxima<T: Scalar, const N: usize>(
    x: &ImageView<'_, T>,
    dy: &[T],
    taps: &Taps,
    c: &mut usize,
    dx: &mut ImageViewMut<'_, T>,
) {
    while dy.len() - *c >= N {
        let (_, winner) = maxima::<T, N>(x, taps, *c);
        let dy = lanes::<T, N>(dy, *c);
        let mut tap = T::zero();
        for (row, column) in taps.positions() {
            let dx = &mut dx.at_mut(row, column)[*c..*c + N];
            let mut sum = lanes::<T, N>(dx, 0);
            for lane in 0..N {
                let share = if winner[lane] == tap { dy[lane] } else { T::zero() };
                sum[lane] += share;
            }
            dx.copy_from_slice(&sum);
            tap += T::one();
        }
        *c += N;
    }
}

/// `N` channels of a pixel from `c` on.
#[inline(always)]
fn lanes<T: Scalar, const N: usize>(pixel: &[T], c: usize) -> [T; N] {
    *pixel[c..].first_chunk().expect("the caller counts channels")
}

#[track_caller]
fn assert_no_empty_window(window: Window) {
    let Window { kernel, padding, .. } = window;
    assert!(padding[0] < kernel[0] && padding[1] < kernel[1], "a window of nothing but padding under {window:?}");
}
