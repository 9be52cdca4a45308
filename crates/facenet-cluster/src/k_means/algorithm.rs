use ndarray::ArrayView2;
use ndarray_rand::rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::cluster::Cluster;
use crate::error::Error;
use crate::finite::check_finite;
use crate::k_means::distance_matrix::DistanceMatrix;
use crate::k_means::embedding_matrix::EmbeddingMatrix;
use crate::k_means::linfa::linfa_k_means;
use crate::k_means::lloyd::{LloydResult, lloyd};
use crate::k_means::point_set::PointSet;
use crate::k_means::seeding::{candidates_per_seed, seed_points};
use crate::relabel::relabel_by_first_appearance;

/// K-means: finds `clusters` centroids that minimize the inertia, the sum of squared distances of
/// the embeddings to their nearest centroid.
///
/// Greedy k-means++ seeding (Arthur, Vassilvitskii, "k-means++: The Advantages of Careful Seeding",
/// 2007), then Lloyd's iterations until the assignment no longer changes. Of several runs the one
/// with the lowest inertia is returned, ties to the first. A centroid that loses all its members
/// moves to the embedding farthest from its own centroid. The result has fewer clusters than
/// requested only if there are fewer distinct embeddings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KMeans {
    /// Number of clusters, at most the number of embeddings.
    pub clusters: usize,
    /// Number of runs with different seedings.
    pub runs: usize,
    /// Maximum number of iterations per run.
    pub max_iterations: usize,
    /// Seed of all random draws.
    pub seed: u64,
    /// The implementation.
    pub engine: KMeansEngine,
}

/// An implementation of k-means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum KMeansEngine {
    /// Blocked, multithreaded matrix products. For up to 8,192 embeddings, where it pays off, all
    /// pairwise distances are computed once and shared by all runs.
    #[default]
    Fast,
    /// The k-means of `linfa-clustering`.
    Linfa,
}

impl Default for KMeans {
    fn default() -> Self {
        Self { clusters: 8, runs: 10, max_iterations: 300, seed: 0, engine: KMeansEngine::Fast }
    }
}

impl Cluster for KMeans {
    fn cluster(&self, embeddings: ArrayView2<'_, f32>) -> Result<Vec<usize>, Error> {
        check_finite(embeddings)?;
        let n = embeddings.nrows();
        if n == 0 {
            return Ok(Vec::new());
        }
        if self.clusters == 0 || self.clusters > n {
            return Err(Error::ClusterCount { clusters: self.clusters, embeddings: n });
        }
        if self.runs == 0 || self.max_iterations == 0 {
            return Err(Error::NoIterations);
        }
        let labels = match self.engine {
            KMeansEngine::Fast => self.fast(embeddings),
            KMeansEngine::Linfa => {
                linfa_k_means(embeddings, self.clusters, self.runs, self.max_iterations, self.generator(0))?
            }
        };
        Ok(relabel_by_first_appearance(&labels))
    }
}

impl KMeans {
    /// The random number generator of a run.
    fn generator(&self, run: usize) -> ChaCha8Rng {
        let mut generator = ChaCha8Rng::seed_from_u64(self.seed);
        generator.set_stream(run as u64);
        generator
    }

    fn fast(&self, embeddings: ArrayView2<'_, f32>) -> Vec<usize> {
        let embeddings = embeddings.as_standard_layout();
        let matrix = EmbeddingMatrix::new(embeddings.view());
        let distances =
            self.uses_distance_matrix(embeddings.nrows()).then(|| DistanceMatrix::pairwise(embeddings.view()));
        let run = |seeding: &dyn PointSet, iterating: &dyn PointSet, run| {
            let seeds = seed_points(seeding, self.clusters, &mut self.generator(run));
            lloyd(iterating, &seeds, self.max_iterations)
        };
        let results: Vec<LloydResult> = match &distances {
            // Runs share the distances and need little memory of their own, so all run in parallel.
            Some(distances) => {
                let iterating: &dyn PointSet =
                    if self.iterates_on_distances(embeddings.dim()) { distances } else { &matrix };
                (0..self.runs).into_par_iter().map(|index| run(distances, iterating, index)).collect()
            }
            None => (0..self.runs).map(|index| run(&matrix, &matrix, index)).collect(),
        };
        let best = results.into_iter().reduce(|best, result| if result.inertia < best.inertia { result } else { best });
        best.map_or_else(Vec::new, |result| result.labels)
    }

    /// Whether seeding needs enough rows of distances to make the full distance matrix cheaper: as
    /// one matrix product, a distance costs a fraction of one computed on its own.
    fn uses_distance_matrix(&self, embeddings: usize) -> bool {
        let rows = self.runs.saturating_mul(self.clusters).saturating_mul(candidates_per_seed(self.clusters));
        embeddings <= DistanceMatrix::MAX_POINTS && rows >= embeddings / 16
    }

    /// Whether an iteration is cheaper on the distance matrix, with one memory-bound addition for
    /// each of `n^2` elements, than on the embeddings, with `n * clusters * dimension` vectorized
    /// multiplications.
    fn iterates_on_distances(&self, (n, dimension): (usize, usize)) -> bool {
        self.clusters.saturating_mul(dimension) >= 32 * n
    }
}
