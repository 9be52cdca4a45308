/// Why embeddings cannot be clustered as requested.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An embedding contains NaN, or its squared distances could overflow.
    #[error("embedding {row} is not finite, or its squared norm is too large")]
    NotFinite {
        /// Row of the first such embedding.
        row: usize,
    },
    /// More clusters than embeddings, or zero clusters.
    #[error("cannot split {embeddings} embeddings into {clusters} clusters")]
    ClusterCount {
        /// Clusters requested.
        clusters: usize,
        /// Embeddings given.
        embeddings: usize,
    },
    /// The squared distance of a cut is negative or NaN.
    #[error("the squared distance of a cut must be non-negative, got {squared_distance}")]
    CutDistance {
        /// The squared distance requested.
        squared_distance: f32,
    },
    /// K-means with zero runs or zero iterations.
    #[error("k-means needs at least one run and one iteration")]
    NoIterations,
    /// The pairwise distances would need too much memory.
    #[error("{embeddings} embeddings exceed the limit of {limit}")]
    TooManyEmbeddings {
        /// Embeddings given.
        embeddings: usize,
        /// The limit.
        limit: usize,
    },
    /// The tolerance of DBSCAN is not positive.
    #[error("the squared tolerance of DBSCAN must be positive, got {squared_tolerance}")]
    Tolerance {
        /// The squared distance requested.
        squared_tolerance: f32,
    },
    /// DBSCAN with fewer than two points per cluster.
    #[error("the clusters of DBSCAN have at least two points, not {min_points}")]
    MinPoints {
        /// The number requested.
        min_points: usize,
    },
    /// An algorithm of linfa failed.
    #[error("linfa: {reason}")]
    Linfa {
        /// linfa's error message.
        reason: String,
    },
}

impl From<facenet_neighbors::NotFinite> for Error {
    fn from(facenet_neighbors::NotFinite { row }: facenet_neighbors::NotFinite) -> Self {
        Self::NotFinite { row }
    }
}

impl From<linfa::Error> for Error {
    fn from(error: linfa::Error) -> Self {
        Self::Linfa { reason: error.to_string() }
    }
}
