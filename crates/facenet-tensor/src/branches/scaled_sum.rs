//! The residual connection (He et al. 2016) with a scaled branch (Szegedy et al. 2017, section
//! 3.3).

use ndarray::{ArrayView4, ArrayViewMut4};
use rayon::prelude::*;

use crate::accumulation::Accumulation;
use crate::image::check::assert_same_shape;
use crate::image::pixels::{Pixels, PixelsMut};
use crate::image::slices::for_each_slice_pair;
use crate::scalar::Scalar;
use crate::simd::vectorize::vectorize;

/// Adds a scaled branch to its input.
///
/// ```text
/// y = x + scale * branch
/// ```
///
/// # Shapes
/// `x`, `branch` and `y` are `[n, h, w, channels]`.
///
/// # Panics
/// If the shapes disagree or channels are not contiguous.
#[track_caller]
pub fn scaled_sum_forward<T: Scalar>(
    x: ArrayView4<'_, T>,
    branch: ArrayView4<'_, T>,
    scale: T,
    y: ArrayViewMut4<'_, T>,
) {
    assert_same_shape(["x", "branch"], &x.raw_dim(), &branch.raw_dim());
    assert_same_shape(["x", "y"], &x.raw_dim(), &y.raw_dim());
    let (x, branch) = (Pixels::new(x), Pixels::new(branch));
    PixelsMut::new(y).blocks().for_each(|block| {
        vectorize(
            #[inline(always)]
            || {
                let range = block.range();
                for ((x, branch), y) in x.range(range.clone()).zip(branch.range(range)).zip(block.pixels()) {
                    for ((y, x), branch) in y.iter_mut().zip(x).zip(branch) {
                        *y = *x + scale * *branch;
                    }
                }
            },
        );
    });
}

/// Writes or adds the gradient at one operand to `d`: with scale 1 the gradient at `x`, with the
/// branch's scale that at `branch`.
///
/// ```text
/// d (+)= scale * dy
/// ```
///
/// # Shapes
/// `dy` and `d` are `[n, h, w, channels]`.
///
/// # Panics
/// If the shapes disagree or channels are not contiguous.
#[track_caller]
pub fn scaled_sum_backward<T: Scalar>(
    dy: ArrayView4<'_, T>,
    scale: T,
    accumulation: Accumulation,
    d: ArrayViewMut4<'_, T>,
) {
    assert_same_shape(["dy", "d"], &dy.raw_dim(), &d.raw_dim());
    match accumulation {
        Accumulation::Set => for_each_slice_pair(
            dy,
            d,
            #[inline(always)]
            |dy, d| d.iter_mut().zip(dy).for_each(|(d, dy)| *d = scale * *dy),
        ),
        Accumulation::Add => for_each_slice_pair(
            dy,
            d,
            #[inline(always)]
            |dy, d| d.iter_mut().zip(dy).for_each(|(d, dy)| *d += scale * *dy),
        ),
    }
}
