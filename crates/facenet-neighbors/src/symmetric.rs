//! Symmetric matrices, of which one half is computed.

use ndarray::parallel::prelude::*;
use ndarray::{ArrayViewMut2, Axis, NdFloat, Zip, s};

/// Rows per block: the unit of parallel matrix products and of mirrored tiles.
pub(crate) const BLOCK_ROWS: usize = 64;

/// Replaces mirrored elements `(i, j)` and `(j, i)`, `i < j`, by `value(upper, lower)`, on all threads.
/// The diagonal is left alone.
///
/// # Panics
///
/// If the matrix is not square.
#[track_caller]
pub fn symmetrize<A: NdFloat>(mut matrix: ArrayViewMut2<'_, A>, value: impl Fn(A, A) -> A + Sync) {
    let n = matrix.nrows();
    assert_eq!(n, matrix.ncols(), "columns of a square matrix");
    matrix.axis_chunks_iter_mut(Axis(0), BLOCK_ROWS).into_par_iter().enumerate().for_each(|(block, mut rows)| {
        let start = block * BLOCK_ROWS;
        for i in 0..rows.nrows() {
            for j in i + 1..rows.nrows() {
                let both = value(rows[[i, start + j]], rows[[j, start + i]]);
                rows[[i, start + j]] = both;
                rows[[j, start + i]] = both;
            }
        }
    });
    for start in (0..n).step_by(BLOCK_ROWS) {
        let end = (start + BLOCK_ROWS).min(n);
        let (mut above, mut below) = matrix.view_mut().split_at(Axis(0), end);
        let mut right = above.slice_mut(s![start.., end..]);
        let mut under = below.slice_mut(s![.., start..end]);
        right
            .axis_chunks_iter_mut(Axis(1), BLOCK_ROWS)
            .into_par_iter()
            .zip(under.axis_chunks_iter_mut(Axis(0), BLOCK_ROWS))
            .for_each(|(upper, lower)| {
                Zip::from(upper).and(lower.reversed_axes()).for_each(|upper, lower| {
                    *upper = value(*upper, *lower);
                    *lower = *upper;
                });
            });
    }
}
