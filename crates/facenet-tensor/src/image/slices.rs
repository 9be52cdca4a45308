//! Elementwise passes over images: contiguous slices where the layout permits, else pixel by pixel.

use ndarray::{ArrayView4, ArrayViewMut4};
use rayon::prelude::*;

use crate::image::pixels::{ELEMENTS_PER_TASK, Pixels, PixelsMut};
use crate::scalar::Scalar;
use crate::simd::vectorize::vectorize;

/// Calls `visit` in parallel with contiguous slices that together cover the images.
#[track_caller]
pub(crate) fn for_each_slice<T: Scalar>(mut y: ArrayViewMut4<'_, T>, visit: impl Fn(&mut [T]) + Sync) {
    if let Some(y) = y.as_slice_mut() {
        y.par_chunks_mut(ELEMENTS_PER_TASK).for_each(|y| {
            vectorize(
                #[inline(always)]
                || visit(y),
            )
        });
    } else {
        PixelsMut::new(y).blocks().for_each(|block| {
            vectorize(
                #[inline(always)]
                || block.pixels().for_each(&visit),
            )
        });
    }
}

/// Calls `visit` in parallel with corresponding slices of two batches of images.
#[track_caller]
pub(crate) fn for_each_slice_pair<T: Scalar>(
    x: ArrayView4<'_, T>,
    mut y: ArrayViewMut4<'_, T>,
    visit: impl Fn(&[T], &mut [T]) + Sync,
) {
    if let (Some(x), Some(y)) = (x.as_slice(), y.as_slice_mut()) {
        y.par_chunks_mut(ELEMENTS_PER_TASK).zip(x.par_chunks(ELEMENTS_PER_TASK)).for_each(|(y, x)| {
            vectorize(
                #[inline(always)]
                || visit(x, y),
            )
        });
    } else {
        let x = Pixels::new(x);
        PixelsMut::new(y).blocks().for_each(|block| {
            vectorize(
                #[inline(always)]
                || {
                    for (x, y) in x.range(block.range()).zip(block.pixels()) {
                        visit(x, y);
                    }
                },
            );
        });
    }
}
