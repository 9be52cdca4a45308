use std::borrow::Cow;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;

use super::Embeddings;

/// Rows of one matrix product.
const BLOCK: usize = 256;

/// Embeddings by their coordinates: any number of them.
pub(super) struct Coordinates<'a> {
    embeddings: ArrayView2<'a, f32>,
    norms: Vec<f32>,
}

impl<'a> Coordinates<'a> {
    pub(super) fn new(embeddings: ArrayView2<'a, f32>) -> Self {
        Self { embeddings, norms: squared_norms(embeddings) }
    }

    /// The centres themselves, summed in the order of their members in f64.
    fn means(&self, centres: &[Vec<usize>]) -> Array2<f32> {
        let mut means = Array2::zeros((centres.len(), self.embeddings.ncols()));
        means.axis_iter_mut(Axis(0)).into_par_iter().zip(centres).for_each(|(mut mean, members)| {
            let mut sum: Array1<f64> = Array1::zeros(mean.len());
            for &member in members {
                sum.zip_mut_with(&self.embeddings.row(member), |sum, &x| *sum += f64::from(x));
            }
            mean.zip_mut_with(&sum, |mean, &sum| *mean = (sum / members.len() as f64) as f32);
        });
        means
    }
}

impl Embeddings for Coordinates<'_> {
    fn len(&self) -> usize {
        self.norms.len()
    }

    fn squared_distances_to(&self, embedding: usize) -> Cow<'_, [f32]> {
        let centre = self.embeddings.row(embedding);
        let norm = self.norms[embedding];
        let mut distances = vec![0.0; self.len()];
        distances
            .par_chunks_mut(BLOCK)
            .zip(self.embeddings.axis_chunks_iter(Axis(0), BLOCK).into_par_iter())
            .zip(self.norms.par_chunks(BLOCK))
            .for_each(|((distances, rows), norms)| {
                let products: Array1<f32> = rows.dot(&centre);
                for ((distance, product), other) in distances.iter_mut().zip(products).zip(norms) {
                    *distance = (norm + other - 2.0 * product).max(0.0);
                }
            });
        distances[embedding] = 0.0;
        Cow::Owned(distances)
    }

    fn nearest_centres(&self, centres: &[Vec<usize>]) -> Vec<(usize, f64)> {
        let centres = self.means(centres);
        let norms = squared_norms(centres.view());
        let mut nearest = vec![(0, 0.0); self.len()];
        nearest
            .par_chunks_mut(BLOCK)
            .zip(self.embeddings.axis_chunks_iter(Axis(0), BLOCK).into_par_iter())
            .zip(self.norms.par_chunks(BLOCK))
            .for_each(|((nearest, rows), row_norms)| {
                let products = rows.dot(&centres.t());
                for ((nearest, products), norm) in nearest.iter_mut().zip(products.outer_iter()).zip(row_norms) {
                    let (label, distance) = lowest(products, &norms);
                    *nearest = (label, f64::from((distance + norm).max(0.0)));
                }
            });
        nearest
    }
}

/// The least of `norm - 2 * product`, the first of equals, with its index.
fn lowest(products: ArrayView1<'_, f32>, norms: &[f32]) -> (usize, f32) {
    let mut lowest = (0, f32::INFINITY);
    for (index, (&product, &norm)) in products.iter().zip(norms).enumerate() {
        let distance = norm - 2.0 * product;
        if distance < lowest.1 {
            lowest = (index, distance);
        }
    }
    lowest
}

fn squared_norms(rows: ArrayView2<'_, f32>) -> Vec<f32> {
    rows.outer_iter().map(|row| row.dot(&row)).collect()
}
