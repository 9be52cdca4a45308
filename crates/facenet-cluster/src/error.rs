/// Why embeddings can't be grouped as asked.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An embedding, or its squared norm, is infinite or not a number.
    #[error("embedding {row} or its squared norm is not finite")]
    NotFinite {
        /// The first such embedding.
        row: usize,
    },
    /// More clusters than embeddings, or none.
    #[error("{embeddings} embeddings can't form {clusters} clusters")]
    ClusterCount {
        /// Clusters asked for.
        clusters: usize,
        /// Embeddings given.
        embeddings: usize,
    },
    /// A cut at a distance that is negative or not a number.
    #[error("a cut at the squared distance {squared_distance} is not possible")]
    CutDistance {
        /// The distance asked for.
        squared_distance: f32,
    },
    /// K-means without a run.
    #[error("k-means needs at least one run and one iteration")]
    NoRun,
    /// All pairwise distances would take too much memory.
    #[error("{embeddings} embeddings are more than the {limit} whose pairwise distances fit in memory")]
    TooManyEmbeddings {
        /// Embeddings given.
        embeddings: usize,
        /// The most that are taken.
        limit: usize,
    },
    /// linfa's k-means gave up.
    #[error("linfa's k-means failed: {reason}")]
    Linfa {
        /// What it says.
        reason: String,
    },
}
