use ndarray::linalg::general_mat_mul;
use ndarray::parallel::prelude::*;
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, NdFloat, s};

use crate::symmetric::{BLOCK, symmetrise};

/// Squared distances between all pairs of one set of embeddings.
///
/// ```text
/// squared_distances[i, j] = |x_i|^2 + |x_j|^2 - 2 x_i . x_j, at least 0
/// ```
///
/// Exactly symmetric, with an exact 0 on the diagonal. Close embeddings lose digits to cancellation: the error is some
/// roundings of `|x_i|^2 + |x_j|^2`, for unit vectors in `f32` about 1e-6, however small the distance itself. A NaN in an
/// embedding stays one in its row and column.
///
/// # Shapes
///
/// `embeddings`: `[n, dimension]`, the result `[n, n]`.
#[must_use]
pub fn squared_distances<A: NdFloat>(embeddings: ArrayView2<'_, A>) -> Array2<A> {
    let mut distances = Array2::zeros((embeddings.nrows(), embeddings.nrows()));
    squared_distances_into(embeddings, distances.view_mut());
    distances
}

/// [`squared_distances`] into a caller's buffer, whatever it held.
///
/// # Panics
///
/// If the buffer isn't `[n, n]` for embeddings of shape `[n, dimension]`.
#[track_caller]
pub fn squared_distances_into<A: NdFloat>(embeddings: ArrayView2<'_, A>, mut distances: ArrayViewMut2<'_, A>) {
    let n = embeddings.nrows();
    assert!(
        distances.dim() == (n, n),
        "squared distances of embeddings {:?} are [{n}, {n}], not {:?}",
        embeddings.shape(),
        distances.shape()
    );
    let norms = squared_norms(embeddings);
    distances.axis_chunks_iter_mut(Axis(0), BLOCK).into_par_iter().enumerate().for_each(|(block, mut rows)| {
        let start = block * BLOCK;
        let end = start + rows.nrows();
        let upper = rows.slice_mut(s![.., start..]);
        fill_block(embeddings.slice(s![start..end, ..]), embeddings.slice(s![start.., ..]), &norms[start..], upper);
        for i in 0..end - start {
            if !norms[start + i].is_nan() {
                rows[[i, start + i]] = A::zero();
            }
        }
    });
    symmetrise(distances, |upper, _| upper);
}

/// Squared distances from each embedding of one set to each of another.
///
/// ```text
/// squared_distances[i, j] = |a_i|^2 + |b_j|^2 - 2 a_i . b_j, at least 0
/// ```
///
/// Rounding as in [`squared_distances`].
///
/// # Shapes
///
/// `a`: `[m, dimension]`, `b`: `[n, dimension]`, the result `[m, n]`.
///
/// # Panics
///
/// If the dimensions differ.
#[must_use]
#[track_caller]
pub fn squared_distances_between<A: NdFloat>(a: ArrayView2<'_, A>, b: ArrayView2<'_, A>) -> Array2<A> {
    let mut distances = Array2::zeros((a.nrows(), b.nrows()));
    squared_distances_between_into(a, b, distances.view_mut());
    distances
}

/// [`squared_distances_between`] into a caller's buffer, whatever it held.
///
/// # Panics
///
/// If the dimensions differ, or the buffer isn't `[m, n]`.
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
        .axis_chunks_iter_mut(Axis(0), BLOCK)
        .into_par_iter()
        .zip(a.axis_chunks_iter(Axis(0), BLOCK))
        .for_each(|(rows, a)| fill_block(a, b, &norms, rows));
}

/// The squared distances from a block of rows to all of `b`, whose squared norms are given.
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
            // Not `max`, which would turn a NaN into a 0.
            *distance = if sum < A::zero() { A::zero() } else { sum };
        }
    }
}

/// The squared norm of each row, summed in f64.
fn squared_norms<A: NdFloat>(embeddings: ArrayView2<'_, A>) -> Vec<A> {
    let squared_norm = |row: ndarray::ArrayView1<'_, A>| {
        let sum: f64 = row.iter().map(|&x| wide(x) * wide(x)).sum();
        A::from(sum).unwrap_or_else(A::nan)
    };
    embeddings.outer_iter().map(squared_norm).collect()
}

/// The number as an f64, exactly.
pub(crate) fn wide<A: NdFloat>(number: A) -> f64 {
    number.to_f64().unwrap_or(f64::NAN)
}
