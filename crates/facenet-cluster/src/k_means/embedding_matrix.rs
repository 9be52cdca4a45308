use std::borrow::Cow;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;

use crate::k_means::point_set::PointSet;

/// Rows per matrix product.
const BLOCK_ROWS: usize = 256;

/// Points given by their embeddings, of any number. Distances are computed when needed.
pub(super) struct EmbeddingMatrix<'a> {
    embeddings: ArrayView2<'a, f32>,
    norms: Vec<f32>,
}

impl<'a> EmbeddingMatrix<'a> {
    pub(super) fn new(embeddings: ArrayView2<'a, f32>) -> Self {
        Self { embeddings, norms: squared_norms(embeddings) }
    }

    /// The coordinates of the centroids, summed in `f64` in the order of their members.
    fn means(&self, centroids: &[Vec<usize>]) -> Array2<f32> {
        let mut means = Array2::zeros((centroids.len(), self.embeddings.ncols()));
        means.axis_iter_mut(Axis(0)).into_par_iter().zip(centroids).for_each(|(mut mean, members)| {
            let mut sum: Array1<f64> = Array1::zeros(mean.len());
            for &member in members {
                sum.zip_mut_with(&self.embeddings.row(member), |sum, &x| *sum += f64::from(x));
            }
            mean.zip_mut_with(&sum, |mean, &sum| *mean = (sum / members.len() as f64) as f32);
        });
        means
    }
}

impl PointSet for EmbeddingMatrix<'_> {
    fn len(&self) -> usize {
        self.norms.len()
    }

    fn squared_distances_to(&self, point: usize) -> Cow<'_, [f32]> {
        let origin = self.embeddings.row(point);
        let norm = self.norms[point];
        let mut distances = vec![0.0; self.len()];
        distances
            .par_chunks_mut(BLOCK_ROWS)
            .zip(self.embeddings.axis_chunks_iter(Axis(0), BLOCK_ROWS).into_par_iter())
            .zip(self.norms.par_chunks(BLOCK_ROWS))
            .for_each(|((distances, rows), norms)| {
                let products: Array1<f32> = rows.dot(&origin);
                for ((distance, product), other) in distances.iter_mut().zip(products).zip(norms) {
                    *distance = (norm + other - 2.0 * product).max(0.0);
                }
            });
        distances[point] = 0.0;
        Cow::Owned(distances)
    }

    fn nearest_centroids(&self, centroids: &[Vec<usize>]) -> Vec<(usize, f64)> {
        let centroids = self.means(centroids);
        let norms = squared_norms(centroids.view());
        let mut nearest = vec![(0, 0.0); self.len()];
        nearest
            .par_chunks_mut(BLOCK_ROWS)
            .zip(self.embeddings.axis_chunks_iter(Axis(0), BLOCK_ROWS).into_par_iter())
            .zip(self.norms.par_chunks(BLOCK_ROWS))
            .for_each(|((nearest, rows), row_norms)| {
                let products = rows.dot(&centroids.t());
                for ((nearest, products), norm) in nearest.iter_mut().zip(products.outer_iter()).zip(row_norms) {
                    let (label, distance) = smallest(products, &norms);
                    *nearest = (label, f64::from((distance + norm).max(0.0)));
                }
            });
        nearest
    }
}

/// The smallest `norm - 2 * product` with its index, ties to the lowest index.
fn smallest(products: ArrayView1<'_, f32>, norms: &[f32]) -> (usize, f32) {
    let mut smallest = (0, f32::INFINITY);
    for (index, (&product, &norm)) in products.iter().zip(norms).enumerate() {
        let distance = norm - 2.0 * product;
        if distance < smallest.1 {
            smallest = (index, distance);
        }
    }
    smallest
}

fn squared_norms(rows: ArrayView2<'_, f32>) -> Vec<f32> {
    rows.outer_iter().map(|row| row.dot(&row)).collect()
}
