use std::borrow::Cow;

use ndarray::{Array2, ArrayView2, Axis, s};
use rayon::prelude::*;

use super::Embeddings;

/// Rows of one matrix product.
const BLOCK: usize = 128;

/// Embeddings whose nearest centres are found at once: a part of a row long enough to be read at full speed.
const SPAN: usize = 512;

/// Embeddings by all their pairwise squared distances, which give those to the mean of any of them too:
///
/// ```text
/// |x_i - mean(C)|^2 = 1 / |C| * sum over j in C of D_ij - 1 / (2 |C|^2) * sum over j and l in C of D_jl
/// ```
pub(super) struct Distances {
    count: usize,
    /// Row by row.
    squared: Vec<f32>,
}

impl Distances {
    /// The most embeddings whose distances are kept: they take 256 MiB.
    pub(super) const MAXIMUM_EMBEDDINGS: usize = 8_192;

    pub(super) fn between_all(embeddings: ArrayView2<'_, f32>) -> Self {
        let n = embeddings.nrows();
        let mut matrix: Array2<f32> = Array2::zeros((n, n));
        matrix.axis_chunks_iter_mut(Axis(0), BLOCK).into_par_iter().enumerate().for_each(|(block, mut products)| {
            let start = block * BLOCK;
            let rows = embeddings.slice(s![start..start + products.nrows(), ..]);
            products.slice_mut(s![.., start..]).assign(&rows.dot(&embeddings.slice(s![start.., ..]).t()));
        });
        // Norms from the same products, so that equal embeddings are at 0 exactly.
        let norms = matrix.diag().to_owned();
        matrix.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(row, mut products)| {
            let others = products.slice_mut(s![row..]);
            for (product, &norm) in others.into_iter().zip(norms.slice(s![row..])) {
                *product = (norms[row] + norm - 2.0 * *product).max(0.0);
            }
        });
        // What is below the diagonal is what is above it.
        for start in (0..n).step_by(BLOCK) {
            let rows = start..(start + BLOCK).min(n);
            let (above, mut below) = matrix.view_mut().split_at(Axis(0), start);
            below.slice_mut(s![..rows.len(), ..start]).assign(&above.slice(s![.., rows.clone()]).t());
            for row in rows {
                for column in start..row {
                    matrix[[row, column]] = matrix[[column, row]];
                }
            }
        }
        Self { count: n, squared: matrix.into_raw_vec_and_offset().0 }
    }

    fn row(&self, embedding: usize) -> &[f32] {
        &self.squared[embedding * self.count..(embedding + 1) * self.count]
    }
}

impl Embeddings for Distances {
    fn len(&self) -> usize {
        self.count
    }

    fn squared_distances_to(&self, embedding: usize) -> Cow<'_, [f32]> {
        Cow::Borrowed(self.row(embedding))
    }

    fn nearest_centres(&self, centres: &[Vec<usize>]) -> Vec<(usize, f64)> {
        // The second term.
        let spreads: Vec<f64> = centres
            .par_iter()
            .map(|members| {
                let from =
                    |&member: &usize| members.iter().map(|&other| f64::from(self.row(member)[other])).sum::<f64>();
                members.iter().map(from).sum::<f64>() / (2.0 * (members.len() as f64).powi(2))
            })
            .collect();
        let mut nearest = vec![(0, f64::INFINITY); self.count];
        nearest.par_chunks_mut(SPAN).enumerate().for_each(|(block, nearest)| {
            let mut sums = [0.0; SPAN];
            let columns = block * SPAN..block * SPAN + nearest.len();
            for (label, (members, spread)) in centres.iter().zip(&spreads).enumerate() {
                sums.fill(0.0);
                for &member in members {
                    let distances = &self.row(member)[columns.clone()];
                    sums.iter_mut().zip(distances).for_each(|(sum, &distance)| *sum += f64::from(distance));
                }
                let share = 1.0 / members.len() as f64;
                for (nearest, sum) in nearest.iter_mut().zip(sums) {
                    let distance = sum * share - spread;
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
