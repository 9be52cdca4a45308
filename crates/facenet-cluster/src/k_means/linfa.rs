use linfa::DatasetBase;
use linfa::traits::{Fit, Predict};
use ndarray::ArrayView2;
use rand_chacha::ChaCha8Rng;

use crate::error::Error;

/// The k-means of `linfa-clustering`.
pub(super) fn linfa_k_means(
    embeddings: ArrayView2<'_, f32>,
    clusters: usize,
    runs: usize,
    max_iterations: usize,
    generator: ChaCha8Rng,
) -> Result<Vec<usize>, Error> {
    let data = DatasetBase::from(embeddings.to_owned());
    let model = linfa_clustering::KMeans::params_with_rng(clusters, generator)
        .n_runs(runs)
        .max_n_iterations(max_iterations as u64)
        .fit(&data)
        .map_err(|error| Error::Linfa { reason: error.to_string() })?;
    Ok(model.predict(&data.records).to_vec())
}
