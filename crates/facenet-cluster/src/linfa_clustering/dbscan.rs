use facenet_neighbors::PreparedRows;
use linfa::traits::Transformer;
use ndarray::ArrayView2;

use crate::cluster::Cluster;
use crate::error::Error;
use crate::relabel::relabel_by_first_appearance;

/// Density-based clustering, the DBSCAN of `linfa-clustering` (Ester et al., 1996): embeddings with
/// enough others within the tolerance, and all that are within the tolerance of those, are one cluster.
/// Noise stays alone: each such embedding is a cluster of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dbscan {
    /// The squared distance within which embeddings are neighbors.
    pub squared_tolerance: f32,
    /// Number of embeddings within the tolerance, itself included, that make a cluster: at least 2.
    pub min_points: usize,
}

impl Dbscan {
    /// Checks the hyperparameters.
    ///
    /// # Errors
    ///
    /// [`Error::Tolerance`], [`Error::MinPoints`].
    pub fn check(&self) -> Result<(), Error> {
        let Self { squared_tolerance, min_points } = *self;
        if squared_tolerance.is_nan() || squared_tolerance <= 0.0 {
            return Err(Error::Tolerance { squared_tolerance });
        }
        if min_points < 2 { Err(Error::MinPoints { min_points }) } else { Ok(()) }
    }
}

impl Cluster for Dbscan {
    fn cluster(&self, embeddings: ArrayView2<'_, f32>) -> Result<Vec<usize>, Error> {
        self.check()?;
        // The check of rows; linfa computes its own distances.
        PreparedRows::new(embeddings)?;
        if embeddings.nrows() == 0 {
            return Ok(Vec::new());
        }
        let parameters = linfa_clustering::Dbscan::params(self.min_points).tolerance(self.squared_tolerance.sqrt());
        let clusters = parameters
            .transform(&embeddings.as_standard_layout())
            .map_err(|error| Error::Linfa { reason: error.to_string() })?;
        let noise = clusters.iter().flatten().max().map_or(0, |last| last + 1);
        let labels = clusters.iter().enumerate().map(|(row, cluster)| cluster.unwrap_or(noise + row));
        Ok(relabel_by_first_appearance(&labels.collect::<Vec<_>>()))
    }
}
