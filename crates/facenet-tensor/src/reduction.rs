//! Sums over pixels, in an order that depends only on the number of pixels.

use std::ops::Range;

use rayon::prelude::*;

use crate::elementwise::add_assign;
use crate::scalar::Scalar;
use crate::simd::vectorize::vectorize;

/// Pixels summed into a fresh accumulator before it is added to the total; keeps rounding errors
/// small.
const BLOCK: usize = 32;
/// The fewest pixels per partial sum.
const MIN_PIXELS_PER_PART: usize = 1024;
/// The most partial sums.
const MAX_PARTS: usize = 32;

/// Sums `sums` quantities over pixels: `add(range, sums)` adds the terms of a range of pixels.
///
/// The pixels are partitioned by their number only, and partial sums are added in order, so the
/// result has the same bits on any number of threads.
pub(crate) fn sum_over_pixels<T: Scalar>(
    pixels: usize,
    sums: usize,
    add: impl Fn(Range<usize>, &mut [T]) + Sync,
) -> Vec<T> {
    let partial = map_parts(pixels, |part| {
        let mut total = vec![T::zero(); sums];
        let mut block = vec![T::zero(); sums];
        vectorize(
            #[inline(always)]
            || {
                for range in blocks(part) {
                    block.fill(T::zero());
                    add(range, &mut block);
                    add_assign(&mut total, &block);
                }
            },
        );
        total
    });
    let mut partial = partial.into_iter();
    let mut total = partial.next().unwrap_or_else(|| vec![T::zero(); sums]);
    partial.for_each(|part| add_assign(&mut total, &part));
    total
}

/// Maps each part of the pixels in parallel; the results are in order.
pub(crate) fn map_parts<R: Send>(pixels: usize, compute: impl Fn(Range<usize>) -> R + Sync) -> Vec<R> {
    let parts = (pixels / MIN_PIXELS_PER_PART).clamp(1, MAX_PARTS);
    let part = pixels.div_ceil(parts).next_multiple_of(BLOCK).max(BLOCK);
    (0..pixels.div_ceil(part))
        .into_par_iter()
        .map(|index| compute(index * part..((index + 1) * part).min(pixels)))
        .collect()
}

/// The blocks of a part: few enough pixels to stay in cache.
#[inline(always)]
pub(crate) fn blocks(part: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let end = part.end;
    part.step_by(BLOCK).map(move |first| first..(first + BLOCK).min(end))
}
