//! Sums over pixels, in an order that depends on their number alone.

use std::ops::Range;

use rayon::prelude::*;

use crate::Scalar;
use crate::simd::vectorize;

/// Pixels whose sum is taken before it is added to a longer one, which keeps rounding errors small.
const BLOCK: usize = 32;
/// Pixels that a partial sum must be worth, and most partial sums.
const PART: usize = 1024;
const MOST_PARTS: usize = 32;

/// Sums over pixels: `add(range, sums)` adds the terms of some pixels.
///
/// The pixels are divided by their number alone and partial sums are added in order: any number of threads computes
/// the same bits.
pub(crate) fn sum_over_pixels<T: Scalar>(
    pixels: usize,
    sums: usize,
    add: impl Fn(Range<usize>, &mut [T]) + Sync,
) -> Vec<T> {
    let partial = each_part(pixels, |part| {
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

/// What `compute` returns for each part of the pixels, in order.
pub(crate) fn each_part<R: Send>(pixels: usize, compute: impl Fn(Range<usize>) -> R + Sync) -> Vec<R> {
    let parts = (pixels / PART).clamp(1, MOST_PARTS);
    let part = pixels.div_ceil(parts).next_multiple_of(BLOCK).max(BLOCK);
    (0..pixels.div_ceil(part))
        .into_par_iter()
        .map(|index| compute(index * part..((index + 1) * part).min(pixels)))
        .collect()
}

/// The blocks of a part: few enough pixels that they stay in the cache.
#[inline(always)]
pub(crate) fn blocks(part: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let end = part.end;
    part.step_by(BLOCK).map(move |first| first..(first + BLOCK).min(end))
}

#[inline(always)]
pub(crate) fn add_assign<T: Scalar>(sums: &mut [T], terms: &[T]) {
    for (sum, term) in sums.iter_mut().zip(terms) {
        *sum += *term;
    }
}
