use facenet_neighbors::PreparedRows;
use rayon::prelude::*;

use crate::k_means::point_set::{PointSet, sum};

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

    pub(super) fn new(points: &PreparedRows<'_, f32>) -> Self {
        let matrix = points.pairwise_squared_distances();
        Self { points: points.len(), squared_distances: matrix.into_raw_vec_and_offset().0 }
    }

    fn row(&self, point: usize) -> &[f32] {
        &self.squared_distances[point * self.points..(point + 1) * self.points]
    }
}

impl PointSet for DistanceMatrix {
    fn len(&self) -> usize {
        self.points
    }

    fn with_candidates(&self, nearest: &[f32], candidates: &[usize], distances: &mut Vec<f32>) -> Vec<f64> {
        distances.resize(candidates.len() * self.points, 0.0);
        let rows = distances.chunks_exact_mut(self.points).zip(candidates);
        rows.map(|(target, &candidate)| {
            for ((target, &distance), &nearest) in target.iter_mut().zip(self.row(candidate)).zip(nearest) {
                *target = if distance < nearest { distance } else { nearest };
            }
            sum(target)
        })
        .collect()
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
