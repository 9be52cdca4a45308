use ndarray::ArrayView2;

use crate::error::Error;

/// A clustering algorithm with its hyperparameters.
pub trait Cluster {
    /// Returns the cluster of each embedding: labels from 0, numbered by first appearance. An empty
    /// input gives no labels.
    ///
    /// # Shapes
    ///
    /// `embeddings`: `[n, dimension]`, the result `[n]`.
    ///
    /// # Errors
    ///
    /// Fails if an embedding is not finite or the hyperparameters do not suit the number of
    /// embeddings.
    fn cluster(&self, embeddings: ArrayView2<'_, f32>) -> Result<Vec<usize>, Error>;
}

/// Checks that every squared distance is finite, as `facenet-neighbors` does.
pub(crate) fn check_finite(embeddings: ArrayView2<'_, f32>) -> Result<(), Error> {
    match embeddings.outer_iter().position(|row| row.dot(&row).is_nan() || row.dot(&row) > f32::MAX / 4.0) {
        None => Ok(()),
        Some(row) => Err(Error::NotFinite { row }),
    }
}
