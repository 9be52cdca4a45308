use std::borrow::Cow;

use ndarray::{Array2, ArrayView2, Axis, s};
use rayon::prelude::*;

use crate::k_means::point_set::PointSet;

/// Rows per matrix product.
const BLOCK_ROWS: usize = 128;

/// Points assigned to centroids at a time: a part of a row long enough to stream from memory.
const CHUNK: usize = 512;

/// Points given by all their pairwise squared distances, from which those to the mean of any subset
/// `C` follow:
///
/// ```text
/// |x_i - mean(C)|^2 = 1 / |C| * sum over j in C of D_ij
///                   - 1 / (2 |C|^2) * sum over j and l in C of D_jl
/// ```
pub(super) struct DistanceMatrix {
    points: usize,
    /// Row-major.
    squared_distances: Vec<f32>,
}

impl DistanceMatrix {
    /// Maximum number of points. At this size the matrix takes 256 MiB.
    pub(super) const MAX_POINTS: usize = 8_192;

    pub(super) fn pairwise(embeddings: ArrayView2<'_, f32>) -> Self {
        let n = embeddings.nrows();
        let mut matrix: Array2<f32> = Array2::zeros((n, n));
        matrix.axis_chunks_iter_mut(Axis(0), BLOCK_ROWS).into_par_iter().enumerate().for_each(
            |(block, mut products)| {
                let start = block * BLOCK_ROWS;
                let rows = embeddings.slice(s![start..start + products.nrows(), ..]);
                products.slice_mut(s![.., start..]).assign(&rows.dot(&embeddings.slice(s![start.., ..]).t()));
            },
        );
        // Norms from the same products, so that equal embeddings have a distance of exactly 0.
        let norms = matrix.diag().to_owned();
        matrix.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(row, mut products)| {
            let others = products.slice_mut(s![row..]);
            for (product, &norm) in others.into_iter().zip(norms.slice(s![row..])) {
                *product = (norms[row] + norm - 2.0 * *product).max(0.0);
            }
        });
        // Mirror the upper triangle.
        for start in (0..n).step_by(BLOCK_ROWS) {
            let rows = start..(start + BLOCK_ROWS).min(n);
            let (above, mut below) = matrix.view_mut().split_at(Axis(0), start);
            below.slice_mut(s![..rows.len(), ..start]).assign(&above.slice(s![.., rows.clone()]).t());
            for row in rows {
                for column in start..row {
                    matrix[[row, column]] = matrix[[column, row]];
                }
            }
        }
        Self { points: n, squared_distances: matrix.into_raw_vec_and_offset().0 }
    }

    fn row(&self, point: usize) -> &[f32] {
        &self.squared_distances[point * self.points..(point + 1) * self.points]
    }
}

impl PointSet for DistanceMatrix {
    fn len(&self) -> usize {
        self.points
    }

    fn squared_distances_to(&self, point: usize) -> Cow<'_, [f32]> {
        Cow::Borrowed(self.row(point))
    }

    fn nearest_centroids(&self, centroids: &[Vec<usize>]) -> Vec<(usize, f64)> {
        // The second term of the formula.
        let spreads: Vec<f64> = centroids
            .par_iter()
            .map(|members| {
                let from =
                    |&member: &usize| members.iter().map(|&other| f64::from(self.row(member)[other])).sum::<f64>();
                members.iter().map(from).sum::<f64>() / (2.0 * (members.len() as f64).powi(2))
            })
            .collect();
        let mut nearest = vec![(0, f64::INFINITY); self.points];
        nearest.par_chunks_mut(CHUNK).enumerate().for_each(|(block, nearest)| {
            let mut sums = [0.0; CHUNK];
            let columns = block * CHUNK..block * CHUNK + nearest.len();
            for (label, (members, spread)) in centroids.iter().zip(&spreads).enumerate() {
                sums.fill(0.0);
                for &member in members {
                    let distances = &self.row(member)[columns.clone()];
                    sums.iter_mut().zip(distances).for_each(|(sum, &distance)| *sum += f64::from(distance));
                }
                let weight = 1.0 / members.len() as f64;
                for (nearest, sum) in nearest.iter_mut().zip(sums) {
                    let distance = sum * weight - spread;
                    if distance < nearest.1 {
                        *nearest = (label, distance);
                    }
                }
            }
            nearest.iter_mut().for_each(|nearest| nearest.1 = nearest.1.max(0.0));
        });
        nearest
    }
}
