#![doc = include_str!("../README.md")]

mod agglomerative;
mod error;
mod first_appearance;
mod k_means;

use ndarray::ArrayView2;

pub use agglomerative::{Agglomerative, Cut, Dendrogram, Linkage, Merge};
pub use error::Error;
pub use first_appearance::number_by_first_appearance;
pub use k_means::{Engine, KMeans};

/// Groups embeddings.
pub trait Cluster {
    /// The cluster of each embedding: dense labels, numbered by first appearance. No embeddings give no labels.
    ///
    /// # Shapes
    ///
    /// `embeddings`: `[n, dimension]`, the result `[n]`.
    ///
    /// # Errors
    ///
    /// If an embedding is not finite, or the request does not fit the number of embeddings.
    fn cluster(&self, embeddings: ArrayView2<'_, f32>) -> Result<Vec<usize>, Error>;
}

/// Every squared norm is finite, so that every distance is; or the first row where it is not.
fn check_finite(embeddings: ArrayView2<'_, f32>) -> Result<(), Error> {
    match embeddings.outer_iter().position(|row| !row.dot(&row).is_finite()) {
        None => Ok(()),
        Some(row) => Err(Error::NotFinite { row }),
    }
}
