use ndarray::linalg::general_mat_mul;
use ndarray::parallel::prelude::*;
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, NdFloat, s};

use crate::symmetric::{BLOCK_ROWS, symmetrize};

/// Computes squared distances between all pairs of embeddings of one set.
///
/// ```text
/// squared_distances[i, j] = |x_i|^2 + |x_j|^2 - 2 x_i . x_j, clamped at 0
/// ```
///
/// The result is exactly symmetric with an exact 0 on the diagonal. Close embeddings lose digits to
/// cancellation: the absolute error is a few rounding errors of `|x_i|^2 + |x_j|^2`, about 1e-6 for
/// unit vectors in `f32`, however small the distance. NaN propagates to its row and column.
///
/// # Shapes
///
/// `embeddings`: `[n, dimension]`, the result `[n, n]`.
#[must_use]
pub fn pairwise_squared_distances<A: NdFloat>(embeddings: ArrayView2<'_, A>) -> Array2<A> {
    let mut distances = Array2::zeros((embeddings.nrows(), embeddings.nrows()));
    pairwise_squared_distances_into(embeddings, distances.view_mut());
    distances
}

/// [`pairwise_squared_distances`] into an existing buffer, which is overwritten.
///
/// # Panics
///
/// Panics if the buffer is not `[n, n]` for embeddings of shape `[n, dimension]`.
#[track_caller]
pub fn pairwise_squared_distances_into<A: NdFloat>(embeddings: ArrayView2<'_, A>, mut distances: ArrayViewMut2<'_, A>) {
    let n = embeddings.nrows();
    assert!(
        distances.dim() == (n, n),
        "squared distances of embeddings {:?} are [{n}, {n}], not {:?}",
        embeddings.shape(),
        distances.shape()
    );
    let norms = squared_norms(embeddings);
    distances.axis_chunks_iter_mut(Axis(0), BLOCK_ROWS).into_par_iter().enumerate().for_each(|(block, mut rows)| {
        let start = block * BLOCK_ROWS;
        let end = start + rows.nrows();
        let upper = rows.slice_mut(s![.., start..]);
        fill_block(embeddings.slice(s![start..end, ..]), embeddings.slice(s![start.., ..]), &norms[start..], upper);
        for i in 0..end - start {
            if !norms[start + i].is_nan() {
                rows[[i, start + i]] = A::zero();
            }
        }
    });
    symmetrize(distances, |upper, _| upper);
}

/// Computes squared distances from each embedding of one set to each of another.
///
/// ```text
/// squared_distances[i, j] = |a_i|^2 + |b_j|^2 - 2 a_i . b_j, clamped at 0
/// ```
///
/// Rounding errors are those of [`pairwise_squared_distances`].
///
/// # Shapes
///
/// `a`: `[m, dimension]`, `b`: `[n, dimension]`, the result `[m, n]`.
///
/// # Panics
///
/// Panics if the dimensions differ.
#[must_use]
#[track_caller]
pub fn squared_distances_between<A: NdFloat>(a: ArrayView2<'_, A>, b: ArrayView2<'_, A>) -> Array2<A> {
    let mut distances = Array2::zeros((a.nrows(), b.nrows()));
    squared_distances_between_into(a, b, distances.view_mut());
    distances
}

/// [`squared_distances_between`] into an existing buffer, which is overwritten.
///
/// # Panics
///
/// Panics if the dimensions differ or the buffer is not `[m, n]`.
#[track_caller]
pub fn squared_distances_between_into<A: NdFloat>(
    a: ArrayView2<'_, A>,
    b: ArrayView2<'_, A>,
    mut distances: ArrayViewMut2<'_, A>,
) {
    assert!(a.ncols() == b.ncols(), "embeddings {:?} and {:?} differ in dimension", a.shape(), b.shape());
    assert!(
        distances.dim() == (a.nrows(), b.nrows()),
        "squared distances between {:?} and {:?} are [{}, {}], not {:?}",
        a.shape(),
        b.shape(),
        a.nrows(),
        b.nrows(),
        distances.shape()
    );
    let norms = squared_norms(b);
    distances
        .axis_chunks_iter_mut(Axis(0), BLOCK_ROWS)
        .into_par_iter()
        .zip(a.axis_chunks_iter(Axis(0), BLOCK_ROWS))
        .for_each(|(rows, a)| fill_block(a, b, &norms, rows));
}

/// Writes the squared distances from a block of rows to all rows of `b`, given the squared norms of
/// `b`.
fn fill_block<A: NdFloat>(
    a: ArrayView2<'_, A>,
    b: ArrayView2<'_, A>,
    norms: &[A],
    mut distances: ArrayViewMut2<'_, A>,
) {
    let minus_two = -(A::one() + A::one());
    general_mat_mul(minus_two, &a, &b.t(), A::zero(), &mut distances);
    for (mut row, norm) in distances.outer_iter_mut().zip(squared_norms(a)) {
        for (distance, &other) in row.iter_mut().zip(norms) {
            let sum = *distance + (norm + other);
            // Not `max`, which would turn NaN into 0.
            *distance = if sum < A::zero() { A::zero() } else { sum };
        }
    }
}

/// The squared norm of each row, summed in `f64`.
fn squared_norms<A: NdFloat>(embeddings: ArrayView2<'_, A>) -> Vec<A> {
    let squared_norm = |row: ndarray::ArrayView1<'_, A>| {
        let sum: f64 = row.iter().map(|&x| to_f64(x) * to_f64(x)).sum();
        A::from(sum).unwrap_or_else(A::nan)
    };
    embeddings.outer_iter().map(squared_norm).collect()
}

/// The exact value as `f64`.
pub(crate) fn to_f64<A: NdFloat>(value: A) -> f64 {
    value.to_f64().unwrap_or(f64::NAN)
}
