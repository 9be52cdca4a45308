//! Maxout: the maximum over several linear pieces (Goodfellow et al. 2013, "Maxout Networks").

use ndarray::{ArrayView4, ArrayViewMut4};
use rayon::prelude::*;

use crate::elementwise::replaces_maximum;
use crate::image::pixels::{Pixels, PixelsMut};
use crate::scalar::Scalar;
use crate::simd::vectorize::vectorize;

/// Takes the maximum over each group of `pieces` consecutive channels.
///
/// ```text
/// y[n, h, w, c] = max over p < pieces of x[n, h, w, c * pieces + p]
/// ```
///
/// # Shapes
/// `x [n, h, w, channels * pieces]`, `y [n, h, w, channels]`.
///
/// # Panics
/// If the shapes disagree, channels are not contiguous or `pieces` is 0.
#[track_caller]
pub fn maxout_forward<T: Scalar>(x: ArrayView4<'_, T>, pieces: usize, y: ArrayViewMut4<'_, T>) {
    check(x.dim(), pieces, y.dim());
    let x = Pixels::new(x);
    PixelsMut::new(y).blocks().for_each(|block| {
        vectorize(
            #[inline(always)]
            || {
                for (x, y) in x.range(block.range()).zip(block.pixels()) {
                    for (y, x) in y.iter_mut().zip(x.chunks_exact(pieces)) {
                        *y = maximum(x).1;
                    }
                }
            },
        );
    });
}

/// Adds the gradient at the input to `dx`: the largest piece gets all of it; ties go to the first.
///
/// ```text
/// dx[n, h, w, c * pieces + p] += dy[n, h, w, c] where p is the first of the largest pieces
/// ```
///
/// # Shapes
/// `x` and `dx` are `[n, h, w, channels * pieces]`, `dy [n, h, w, channels]`.
///
/// # Panics
/// If the shapes disagree, channels are not contiguous or `pieces` is 0.
#[track_caller]
pub fn maxout_backward<T: Scalar>(
    x: ArrayView4<'_, T>,
    pieces: usize,
    dy: ArrayView4<'_, T>,
    dx: ArrayViewMut4<'_, T>,
) {
    check(x.dim(), pieces, dy.dim());
    check(dx.dim(), pieces, dy.dim());
    let (x, dy) = (Pixels::new(x), Pixels::new(dy));
    PixelsMut::new(dx).blocks().for_each(|block| {
        vectorize(
            #[inline(always)]
            || {
                let range = block.range();
                for ((x, dy), dx) in x.range(range.clone()).zip(dy.range(range)).zip(block.pixels()) {
                    for ((x, dy), dx) in x.chunks_exact(pieces).zip(dy).zip(dx.chunks_exact_mut(pieces)) {
                        dx[maximum(x).0] += *dy;
                    }
                }
            },
        );
    });
}

/// The index and value of the maximum; ties go to the first.
#[inline(always)]
fn maximum<T: Scalar>(x: &[T]) -> (usize, T) {
    let mut best = (0, x[0]);
    for (index, value) in x.iter().enumerate().skip(1) {
        let won = replaces_maximum(*value, best.1);
        best = (if won { index } else { best.0 }, if won { *value } else { best.1 });
    }
    best
}

#[track_caller]
fn check(x: (usize, usize, usize, usize), pieces: usize, y: (usize, usize, usize, usize)) {
    assert!(pieces > 0, "maxout of 0 pieces");
    assert_eq!(x, (y.0, y.1, y.2, y.3 * pieces), "input {x:?} and output {y:?} of a maxout of {pieces} pieces");
}
