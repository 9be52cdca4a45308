/// A row with NaN, or so long that its squared distances could overflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("row {row} is not finite, or its squared norm is too large")]
pub struct NotFinite {
    /// The first such row.
    pub row: usize,
}

/// Why a classifier can't be fitted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A row is not finite.
    #[error(transparent)]
    NotFinite(#[from] NotFinite),
    /// Classification by zero neighbors.
    #[error("a k-NN classifier needs at least one neighbor")]
    NoNeighbors,
    /// The threshold of a classifier is negative or NaN.
    #[error("the largest squared distance of a neighbor must not be negative, got {squared_distance}")]
    Threshold {
        /// The squared distance requested.
        squared_distance: f32,
    },
    /// There are no rows to be neighbors.
    #[error("a k-NN classifier needs at least one row")]
    NoRows,
    /// There is not one identity for each row.
    #[error("{rows} rows have {identities} identities")]
    IdentityCount {
        /// Number of rows.
        rows: usize,
        /// Number of identities.
        identities: usize,
    },
    /// An error of linfa.
    #[error("linfa: {reason}")]
    Linfa {
        /// linfa's message.
        reason: String,
    },
}

impl From<linfa::Error> for Error {
    fn from(error: linfa::Error) -> Self {
        Self::Linfa { reason: error.to_string() }
    }
}
