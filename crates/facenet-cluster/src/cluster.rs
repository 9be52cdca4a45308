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
