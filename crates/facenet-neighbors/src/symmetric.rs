//! Symmetric matrices, of which one half is computed.

use ndarray::{ArrayViewMut2, Axis, NdFloat};

/// Rows per block: the unit of parallel matrix products and of mirrored parts.
pub(crate) const BLOCK_ROWS: usize = 64;

/// Replaces mirrored elements `(i, j)` and `(j, i)`, `i < j`, by `value(upper, lower)`, on all threads.
/// The diagonal is left alone. `value` may also be called with zeros, to no effect.
///
/// # Panics
///
/// If the matrix is not square.
#[track_caller]
pub fn symmetrize<A: NdFloat>(matrix: ArrayViewMut2<'_, A>, value: impl Fn(A, A) -> A + Sync) {
    assert_eq!(matrix.nrows(), matrix.ncols(), "columns of a square matrix");
    symmetrize_square(matrix, &value);
}

fn symmetrize_square<A: NdFloat>(mut matrix: ArrayViewMut2<'_, A>, value: &(impl Fn(A, A) -> A + Sync)) {
    let n = matrix.nrows();
    if n > BLOCK_ROWS {
        let (top, bottom) = matrix.split_at(Axis(0), half(n));
        let (first, upper) = top.split_at(Axis(1), half(n));
        let (lower, second) = bottom.split_at(Axis(1), half(n));
        let squares = || rayon::join(|| symmetrize_square(first, value), || symmetrize_square(second, value));
        rayon::join(squares, || mirror(upper, lower, value));
        return;
    }
    for i in 0..n {
        for j in i + 1..n {
            let both = value(matrix[[i, j]], matrix[[j, i]]);
            (matrix[[i, j]], matrix[[j, i]]) = (both, both);
        }
    }
}

/// Replaces `upper[[i, j]]` and `lower[[j, i]]` by `value(upper, lower)`.
fn mirror<A: NdFloat>(upper: ArrayViewMut2<'_, A>, lower: ArrayViewMut2<'_, A>, value: &(impl Fn(A, A) -> A + Sync)) {
    let (rows, columns) = upper.dim();
    if rows.max(columns) > BLOCK_ROWS {
        // The longer side is split.
        let axis = usize::from(columns > rows);
        let at = half(rows.max(columns));
        let (first_upper, second_upper) = upper.split_at(Axis(axis), at);
        let (first_lower, second_lower) = lower.split_at(Axis(1 - axis), at);
        rayon::join(|| mirror(first_upper, first_lower, value), || mirror(second_upper, second_lower, value));
        return;
    }
    let (mut upper, mut lower) = (upper, lower);
    let by_rows = upper.axis_chunks_iter_mut(Axis(0), TILE).zip(lower.axis_chunks_iter_mut(Axis(1), TILE));
    for (mut upper, mut lower) in by_rows {
        let tiles = upper.axis_chunks_iter_mut(Axis(1), TILE).zip(lower.axis_chunks_iter_mut(Axis(0), TILE));
        tiles.for_each(|(upper, lower)| mirror_tile(upper, lower, value));
    }
}

/// Rows and columns of a tile that is copied, so that matrices are read and written by rows.
const TILE: usize = 16;

fn mirror_tile<'a, A: NdFloat>(upper: ArrayViewMut2<'a, A>, lower: ArrayViewMut2<'a, A>, value: impl Fn(A, A) -> A) {
    let mut tiles = [[[A::zero(); TILE]; TILE]; 2];
    for (tile, matrix) in tiles.iter_mut().zip([upper.view(), lower.view()]) {
        for (tile, row) in tile.iter_mut().zip(matrix.outer_iter()) {
            match row.to_slice() {
                Some(row) => tile[..row.len()].copy_from_slice(row),
                None => tile.iter_mut().zip(row).for_each(|(tile, &element)| *tile = element),
            }
        }
    }
    let [of_upper, of_lower] = &mut tiles;
    for i in 0..TILE {
        for j in 0..TILE {
            let both = value(of_upper[i][j], of_lower[j][i]);
            (of_upper[i][j], of_lower[j][i]) = (both, both);
        }
    }
    for (tile, mut matrix) in tiles.iter().zip([upper, lower]) {
        for (tile, mut row) in tile.iter().zip(matrix.outer_iter_mut()) {
            match row.as_slice_mut() {
                Some(row) => row.copy_from_slice(&tile[..row.len()]),
                None => row.iter_mut().zip(tile).for_each(|(element, &tile)| *element = tile),
            }
        }
    }
}

/// Half a side, in whole blocks.
fn half(side: usize) -> usize {
    (side / 2).next_multiple_of(BLOCK_ROWS)
}
