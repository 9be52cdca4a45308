use ndarray::parallel::prelude::*;
use ndarray::{ArrayViewMut2, Axis, NdFloat, Zip, s};

/// Rows of a block of work: the unit of parallel matrix products and of mirrored tiles.
pub(crate) const BLOCK: usize = 64;

/// Replaces each two mirrored elements `(i, j)` and `(j, i)`, `i < j`, by `value(upper, lower)`; the diagonal stays.
pub(crate) fn symmetrise<A: NdFloat>(mut matrix: ArrayViewMut2<'_, A>, value: impl Fn(A, A) -> A + Sync) {
    let n = matrix.nrows();
    debug_assert_eq!(n, matrix.ncols());
    matrix.axis_chunks_iter_mut(Axis(0), BLOCK).into_par_iter().enumerate().for_each(|(block, mut rows)| {
        let start = block * BLOCK;
        for i in 0..rows.nrows() {
            for j in i + 1..rows.nrows() {
                let both = value(rows[[i, start + j]], rows[[j, start + i]]);
                rows[[i, start + j]] = both;
                rows[[j, start + i]] = both;
            }
        }
    });
    for start in (0..n).step_by(BLOCK) {
        let end = (start + BLOCK).min(n);
        let (mut above, mut below) = matrix.view_mut().split_at(Axis(0), end);
        let mut right = above.slice_mut(s![start.., end..]);
        let mut under = below.slice_mut(s![.., start..end]);
        right
            .axis_chunks_iter_mut(Axis(1), BLOCK)
            .into_par_iter()
            .zip(under.axis_chunks_iter_mut(Axis(0), BLOCK))
            .for_each(|(upper, lower)| {
                Zip::from(upper).and(lower.reversed_axes()).for_each(|upper, lower| {
                    *upper = value(*upper, *lower);
                    *lower = *upper;
                });
            });
    }
}
