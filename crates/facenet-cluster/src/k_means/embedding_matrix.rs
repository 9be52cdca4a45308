use facenet_neighbors::PreparedRows;
use facenet_tensor::vectorize;
use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut1, Axis};
use rayon::prelude::*;

use crate::k_means::point_set::{PointSet, sum};

/// Points per task of seeding: a multiple of [`PreparedRows::ALIGNMENT`].
const COLUMNS: usize = 1024;

/// Points given by their embeddings, of any number. Distances are computed when needed.
pub(super) struct EmbeddingMatrix<'a, 'rows> {
    points: &'a PreparedRows<'rows, f32>,
}

impl<'a, 'rows> EmbeddingMatrix<'a, 'rows> {
    pub(super) fn new(points: &'a PreparedRows<'rows, f32>) -> Self {
        Self { points }
    }

    /// The coordinates of the centroids.
    fn means(&self, centroids: &[Vec<usize>]) -> Array2<f32> {
        let embeddings = self.points.rows();
        let mut means = Array2::zeros((centroids.len(), embeddings.ncols()));
        means
            .axis_iter_mut(Axis(0))
            .into_par_iter()
            .zip(centroids)
            .for_each(|(target, members)| mean(embeddings, members, target));
        means
    }
}

/// The mean of some rows, summed in `f64` in the order of the members.
pub(super) fn mean(embeddings: ArrayView2<'_, f32>, members: &[usize], mut target: ArrayViewMut1<'_, f32>) {
    if let [member] = members[..] {
        return target.assign(&embeddings.row(member));
    }
    let mut sum: Array1<f64> = Array1::zeros(target.len());
    for &member in members {
        sum.zip_mut_with(&embeddings.row(member), |sum, &x| *sum += f64::from(x));
    }
    target.zip_mut_with(&sum, |mean, &sum| *mean = (sum / members.len() as f64) as f32);
}

impl PointSet for EmbeddingMatrix<'_, '_> {
    fn len(&self) -> usize {
        self.points.len()
    }

    fn with_candidates(&self, nearest: &[f32], candidates: &[usize], distances: &mut Vec<f32>) -> Vec<f64> {
        distances.resize(candidates.len() * self.len(), 0.0);
        // The slices of each block, one per candidate.
        let mut blocks: Vec<Vec<&mut [f32]>> = (0..self.len().div_ceil(COLUMNS)).map(|_| Vec::new()).collect();
        for distances in distances.chunks_exact_mut(self.len().max(1)) {
            blocks.iter_mut().zip(distances.chunks_mut(COLUMNS)).for_each(|(block, part)| block.push(part));
        }
        let rows = self.points.rows().select(Axis(0), candidates);
        let rows = PreparedRows::new(rows.view()).expect("rows of finite points");
        let sums: Vec<Vec<f64>> = blocks
            .into_par_iter()
            .enumerate()
            .map_init(Vec::new, |tile, (index, mut block)| {
                let columns = index * COLUMNS..self.len().min((index + 1) * COLUMNS);
                let nearest = &nearest[columns.clone()];
                tile.resize(candidates.len() * columns.len(), 0.0);
                rows.squared_distances_block(self.points, 0..candidates.len(), columns, tile);
                vectorize(
                    #[inline(always)]
                    || {
                        let rows = block.iter_mut().zip(tile.chunks_exact(nearest.len()));
                        rows.map(|(target, distances)| {
                            for ((target, &distance), &nearest) in target.iter_mut().zip(distances).zip(nearest) {
                                *target = if distance < nearest { distance } else { nearest };
                            }
                            sum(target)
                        })
                        .collect()
                    },
                )
            })
            .collect();
        (0..candidates.len()).map(|candidate| sums.iter().map(|sums| sums[candidate]).sum()).collect()
    }

    fn nearest_centroids(&self, centroids: &[Vec<usize>]) -> Vec<(usize, f64)> {
        let means = self.means(centroids);
        let means = PreparedRows::new(means.view()).expect("means of finite points");
        means.nearest(self.points).into_iter().map(|(label, distance)| (label, f64::from(distance))).collect()
    }
}
