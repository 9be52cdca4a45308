//! The parametric rectified linear unit (He et al. 2015, "Delving Deep into Rectifiers").

use ndarray::{ArrayView1, ArrayView4, ArrayViewMut1, ArrayViewMut4};
use rayon::prelude::*;

use crate::elementwise::{prelu, prelu_derivative};
use crate::image::check::{assert_same_shape, slope_per_channel};
use crate::image::pixels::{Pixels, PixelsMut};
use crate::reduction::sum_over_pixels;
use crate::scalar::Scalar;
use crate::simd::vectorize::vectorize;

/// Multiplies non-positive elements by a learned slope.
///
/// ```text
/// y = x where x > 0, else slope[c] * x
/// ```
///
/// # Shapes
/// `x` and `y` are `[n, h, w, channels]`; `slope` is `[channels]`, or `[1]` if shared by all
/// channels.
///
/// # Panics
/// If the shapes disagree or channels are not contiguous.
#[track_caller]
pub fn prelu_forward<T: Scalar>(x: ArrayView4<'_, T>, slope: ArrayView1<'_, T>, y: ArrayViewMut4<'_, T>) {
    assert_same_shape(["x", "y"], &x.raw_dim(), &y.raw_dim());
    let slope = slope_per_channel(slope, x.dim().3);
    let x = Pixels::new(x);
    PixelsMut::new(y).blocks().for_each(|block| {
        vectorize(
            #[inline(always)]
            || {
                for (x, y) in x.range(block.range()).zip(block.pixels()) {
                    for ((y, x), slope) in y.iter_mut().zip(x).zip(&slope) {
                        *y = prelu(*x, *slope);
                    }
                }
            },
        );
    });
}

/// Adds the gradients at the input and at the slope to `dx` and `dslope`.
///
/// ```text
/// dx        += dy where x > 0, else slope[c] * dy
/// dslope[c] += sum over n, h, w where not x > 0 of x * dy
/// ```
///
/// A shared slope accumulates over all channels. The derivative at 0 is taken as the slope.
///
/// # Shapes
/// `x`, `dy` and `dx` are `[n, h, w, channels]`; `slope` and `dslope` are both `[channels]` or both
/// `[1]`.
///
/// # Panics
/// If the shapes disagree or channels are not contiguous.
#[track_caller]
pub fn prelu_backward<T: Scalar>(
    x: ArrayView4<'_, T>,
    slope: ArrayView1<'_, T>,
    dy: ArrayView4<'_, T>,
    dx: ArrayViewMut4<'_, T>,
    mut dslope: ArrayViewMut1<'_, T>,
) {
    assert_same_shape(["x", "dy"], &x.raw_dim(), &dy.raw_dim());
    assert_same_shape(["x", "dx"], &x.raw_dim(), &dx.raw_dim());
    assert_same_shape(["slope", "dslope"], &slope.raw_dim(), &dslope.raw_dim());
    let channels = x.dim().3;
    let slope = slope_per_channel(slope, channels);
    let (x, dy) = (Pixels::new(x), Pixels::new(dy));
    PixelsMut::new(dx).blocks().for_each(|block| {
        vectorize(
            #[inline(always)]
            || {
                let range = block.range();
                for ((x, dy), dx) in x.range(range.clone()).zip(dy.range(range)).zip(block.pixels()) {
                    for (((dx, x), dy), slope) in dx.iter_mut().zip(x).zip(dy).zip(&slope) {
                        *dx += *dy * prelu_derivative(*x, *slope);
                    }
                }
            },
        );
    });
    let sums = sum_over_pixels(
        x.len(),
        channels,
        #[inline(always)]
        |range, sums| {
            for (x, dy) in x.range(range.clone()).zip(dy.range(range)) {
                for ((sum, x), dy) in sums.iter_mut().zip(x).zip(dy) {
                    let negative = if *x > T::zero() { T::zero() } else { *x };
                    *sum += negative * *dy;
                }
            }
        },
    );
    if dslope.len() == channels {
        dslope.iter_mut().zip(&sums).for_each(|(dslope, sum)| *dslope += *sum);
    } else {
        dslope[0] += sums.iter().copied().sum();
    }
}
