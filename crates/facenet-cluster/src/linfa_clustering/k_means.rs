use facenet_neighbors::PreparedRows;
use linfa::DatasetBase;
use linfa::traits::{Fit, Predict};
use ndarray::ArrayView2;
use ndarray_rand::rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::cluster::Cluster;
use crate::error::Error;
use crate::relabel::relabel_by_first_appearance;

/// The k-means of `linfa-clustering`, with its own seeding and stopping rule. [`KMeans`](crate::KMeans)
/// is many times faster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinfaKMeans {
    /// Number of clusters, at most the number of embeddings.
    pub clusters: usize,
    /// Number of runs with different seedings.
    pub runs: usize,
    /// Maximum number of iterations per run.
    pub max_iterations: usize,
    /// Seed of all random draws.
    pub seed: u64,
}

impl Cluster for LinfaKMeans {
    fn cluster(&self, embeddings: ArrayView2<'_, f32>) -> Result<Vec<usize>, Error> {
        // The check of rows; linfa computes its own distances.
        PreparedRows::new(embeddings)?;
        let n = embeddings.nrows();
        if n == 0 {
            return Ok(Vec::new());
        }
        if self.clusters == 0 || self.clusters > n {
            return Err(Error::ClusterCount { clusters: self.clusters, embeddings: n });
        }
        let data = DatasetBase::from(embeddings.as_standard_layout().into_owned());
        let model = linfa_clustering::KMeans::params_with_rng(self.clusters, ChaCha8Rng::seed_from_u64(self.seed))
            .n_runs(self.runs)
            .max_n_iterations(self.max_iterations as u64)
            .fit(&data)
            .map_err(|error| Error::Linfa { reason: error.to_string() })?;
        Ok(relabel_by_first_appearance(&model.predict(&data.records).to_vec()))
    }
}
