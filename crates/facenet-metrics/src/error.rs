use thiserror::Error;

/// Why a score is undefined for the given data.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum Error {
    /// A squared distance is NaN or infinite.
    #[error("the squared distance of pair {pair} is not finite: {value}")]
    NotFiniteDistance {
        /// Index of the pair.
        pair: usize,
        /// Its squared distance.
        value: f64,
    },
    /// No pair shows the same identity.
    #[error("there are no genuine pairs")]
    NoGenuinePairs,
    /// No pair shows two identities.
    #[error("there are no impostor pairs")]
    NoImpostorPairs,
    /// Genuine pairs are on average no nearer than impostor pairs.
    #[error("cannot calibrate: genuine pairs are on average no nearer than impostor pairs")]
    GenuineNotNearer,
    /// A calibration parameter is out of range.
    #[error("calibration {field} {value} is out of range [{min}, {max}]")]
    CalibrationOutOfRange {
        /// Name of the parameter.
        field: &'static str,
        /// Its value.
        value: f64,
        /// Minimum.
        min: f64,
        /// Maximum.
        max: f64,
    },
    /// Cross-validation with fewer than two folds.
    #[error("cross-validation needs at least two folds, got {folds}")]
    TooFewFolds {
        /// Number of folds given.
        folds: usize,
    },
    /// A fold has no pairs and hence no accuracy.
    #[error("fold {fold} is empty")]
    EmptyFold {
        /// Index of the fold.
        fold: usize,
    },
    /// The fold lengths do not add up to the number of pairs.
    #[error("the folds cover {in_folds} pairs, the list has {pairs}")]
    FoldLengthMismatch {
        /// Sum of the fold lengths.
        in_folds: usize,
        /// Number of pairs.
        pairs: usize,
    },
    /// An element or the squared norm of an enrolled embedding is NaN or infinite.
    #[error("gallery embedding {row} or its squared norm is not finite")]
    NotFiniteGallery {
        /// Row of the embedding.
        row: usize,
    },
    /// An element or the squared norm of a probe's embedding is NaN or infinite.
    #[error("probe embedding {row} or its squared norm is not finite")]
    NotFiniteProbe {
        /// Row of the embedding.
        row: usize,
    },
    /// No identity is enrolled.
    #[error("the gallery is empty")]
    EmptyGallery,
    /// No probe has an enrolled identity, so there are no ranks.
    #[error("no probe has an identity that is enrolled in the gallery")]
    NoMatedProbes,
    /// There are no labels to compare.
    #[error("there are no labels to compare")]
    NoLabels,
}
