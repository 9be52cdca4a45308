use linfa::DatasetBase;
use linfa::traits::{Fit, Predict};
use ndarray::ArrayView2;

use super::KMeans;
use crate::Error;

/// linfa's k-means with the same numbers of clusters, runs and iterations.
pub(super) fn cluster(parameters: &KMeans, embeddings: ArrayView2<'_, f32>) -> Result<Vec<usize>, Error> {
    let data = DatasetBase::from(embeddings.to_owned());
    let model = linfa_clustering::KMeans::params_with_rng(parameters.clusters, parameters.generator(0))
        .n_runs(parameters.restarts)
        .max_n_iterations(parameters.iterations as u64)
        .fit(&data)
        .map_err(|error| Error::Linfa { reason: error.to_string() })?;
    Ok(model.predict(&data.records).to_vec())
}
