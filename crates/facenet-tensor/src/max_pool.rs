//! Max pooling.

use ndarray::{ArrayView4, ArrayViewMut4, Axis};

use crate::pixels::{Image, ImageMut, same_shape};
use crate::pool::{Taps, each_gradient, each_output};
use crate::{Scalar, Window};

/// Takes the largest number of each window; padding never wins.
///
/// ```text
/// y[n, h, w, c] = max over i, j of x[n, h s + i - p, w s + j - p, c]
/// ```
///
/// A window that holds a number that is not a number gives one.
///
/// # Shapes
/// `x [n, h, w, channels]`, `y [n, output height, output width, channels]`.
///
/// # Panics
/// If the shapes disagree, channels are not contiguous, or padding is as large as the kernel.
#[track_caller]
pub fn max_pool_forward<T: Scalar>(x: ArrayView4<'_, T>, window: Window, y: ArrayViewMut4<'_, T>) {
    check(window);
    each_output(
        x,
        window,
        y,
        #[inline(always)]
        |x, taps, y| {
            let mut c = 0;
            take_largest::<T, 16>(x, &taps, &mut c, y);
            take_largest::<T, 8>(x, &taps, &mut c, y);
            take_largest::<T, 4>(x, &taps, &mut c, y);
            take_largest::<T, 1>(x, &taps, &mut c, y);
        },
    );
}

/// Adds the gradient at the input to `dx`: the largest number of each window gets all of it, the first of equals in
/// row-major order.
///
/// ```text
/// dx[n, h s + i - p, w s + j - p, c] += dy[n, h, w, c] where (i, j) is the first largest of the window
/// ```
///
/// # Shapes
/// `x` and `dx` are `[n, h, w, channels]`, `dy [n, output height, output width, channels]`.
///
/// # Panics
/// As [`max_pool_forward`].
#[track_caller]
pub fn max_pool_backward<T: Scalar>(
    x: ArrayView4<'_, T>,
    dy: ArrayView4<'_, T>,
    window: Window,
    dx: ArrayViewMut4<'_, T>,
) {
    check(window);
    same_shape(["x", "dx"], &x.raw_dim(), &dx.raw_dim());
    let state = |image| {
        let x = Image::new(x.index_axis(Axis(0), image));
        let dy = Image::new(dy.index_axis(Axis(0), image));
        (x, dy)
    };
    each_gradient(
        dy.dim(),
        window,
        dx,
        state,
        #[inline(always)]
        |(x, dy), dx, taps, row, column| {
            let dy = dy.at(row, column);
            let mut c = 0;
            give_to_largest::<T, 16>(x, dy, &taps, &mut c, dx);
            give_to_largest::<T, 8>(x, dy, &taps, &mut c, dx);
            give_to_largest::<T, 4>(x, dy, &taps, &mut c, dx);
            give_to_largest::<T, 1>(x, dy, &taps, &mut c, dx);
        },
    );
}

/// The largest numbers of `N` channels from `c` on, and the tap that holds each; its number is a `T`, since lanes of one
/// type become vectors.
#[inline(always)]
fn largest<T: Scalar, const N: usize>(x: &Image<'_, T>, taps: &Taps, c: usize) -> ([T; N], [T; N]) {
    let mut best = [T::neg_infinity(); N];
    let mut winner = [T::zero(); N];
    let mut tap = T::zero();
    for (row, column) in taps.positions() {
        let x = lanes::<T, N>(x.at(row, column), c);
        for lane in 0..N {
            let won = wins(x[lane], best[lane]);
            best[lane] = if won { x[lane] } else { best[lane] };
            winner[lane] = if won { tap } else { winner[lane] };
        }
        tap += T::one();
    }
    (best, winner)
}

/// Writes the largest numbers of the channels from `c` on, `N` at a time in registers, as long as there are `N`.
#[inline(always)]
fn take_largest<T: Scalar, const N: usize>(x: &Image<'_, T>, taps: &Taps, c: &mut usize, y: &mut [T]) {
    while y.len() - *c >= N {
        y[*c..*c + N].copy_from_slice(&largest::<T, N>(x, taps, *c).0);
        *c += N;
    }
}

/// Adds the gradients of the channels from `c` on to the taps that hold the largest numbers, as [`take_largest`].
#[inline(always)]
fn give_to_largest<T: Scalar, const N: usize>(
    x: &Image<'_, T>,
    dy: &[T],
    taps: &Taps,
    c: &mut usize,
    dx: &mut ImageMut<'_, T>,
) {
    while dy.len() - *c >= N {
        let (_, winner) = largest::<T, N>(x, taps, *c);
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

/// Whether a number takes the place of an earlier one: a larger one does, and one that is not a number.
#[inline(always)]
pub(crate) fn wins<T: Scalar>(x: T, best: T) -> bool {
    // Without `||`, which would be a branch.
    !((x <= best) | best.is_nan())
}

#[track_caller]
fn check(window: Window) {
    let Window { kernel, padding, .. } = window;
    assert!(padding[0] < kernel[0] && padding[1] < kernel[1], "a window of nothing but padding under {window:?}");
}
