use thiserror::Error;

/// What can be wrong with the data that a score is asked for.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum Error {
    /// A distance is NaN or infinite.
    #[error("the squared distance of pair {pair} is {value}, not a finite number")]
    NotFiniteDistance {
        /// Index of the pair.
        pair: usize,
        /// Its distance.
        value: f64,
    },
    /// No pair shows one person twice.
    #[error("there is no pair of the same identity")]
    NoSamePairs,
    /// No pair shows two persons.
    #[error("there is no pair of different identities")]
    NoDifferentPairs,
    /// Distances that are as large for one person as for two say nothing.
    #[error("pairs of the same identity are not nearer than others: their distances can't be calibrated")]
    SameNotNearer,
    /// A number of a calibration is outside its range.
    #[error("the {field} of the calibration is {value}, which is not between {least} and {most}")]
    CalibrationRange {
        /// Which of them.
        field: &'static str,
        /// Its value.
        value: f64,
        /// The least that is allowed.
        least: f64,
        /// The most that is allowed.
        most: f64,
    },
    /// Cross-validation needs folds to learn from and one to test on.
    #[error("cross-validation needs at least two folds, not {folds}")]
    TooFewFolds {
        /// Number of folds given.
        folds: usize,
    },
    /// A fold without pairs has no accuracy.
    #[error("fold {fold} is empty")]
    EmptyFold {
        /// Index of the fold.
        fold: usize,
    },
    /// The folds do not cover the list of pairs exactly.
    #[error("the folds hold {in_folds} pairs, the list holds {pairs}")]
    FoldLengths {
        /// Sum of the folds' lengths.
        in_folds: usize,
        /// Number of pairs.
        pairs: usize,
    },
    /// An enrolled embedding holds NaN or infinity.
    #[error("row {row} of the gallery is not finite")]
    NotFiniteGallery {
        /// Its row.
        row: usize,
    },
    /// A probe's embedding holds NaN or infinity.
    #[error("row {row} of the probes is not finite")]
    NotFiniteProbe {
        /// Its row.
        row: usize,
    },
    /// Nobody is enrolled.
    #[error("the gallery is empty")]
    EmptyGallery,
    /// No probe shows an enrolled identity, so there is no rank to report.
    #[error("no probe shows an identity of the gallery")]
    NoMatedProbes,
    /// Two groupings of nothing can't be compared.
    #[error("there are no labels to compare")]
    NoLabels,
}
