#![doc = include_str!("../README.md")]

mod calibration;
mod clustering;
mod confidence_interval;
mod detection;
mod error;
mod identification;
mod verification;

pub use calibration::Calibration;
pub use clustering::contingency_table::{ContingencyTable, PrecisionRecall};
pub use clustering::report::{ClusteringReport, clustering_report};
pub use confidence_interval::{ConfidenceInterval, wilson_interval};
pub use detection::{AveragePrecision, BoundingBox, MIN_OVERLAP, PhotoDetections, average_precision};
pub use error::Error;
pub use identification::{
    IdentificationReport, LabeledEmbeddings, Mate, OpenSetRates, SearchOutcome, SearchResults, search,
};
pub use verification::bootstrap::{IdentityBootstrap, StandardErrors};
pub use verification::cross_validation::{CrossValidation, FoldSummary};
pub use verification::pair::{Pair, balanced_pairs, squared_distances_of_pairs};
pub use verification::pair_scores::PairScores;
pub use verification::report::VerificationReport;
pub use verification::roc::{RocCurve, RocPoint, ValidationRate};
pub use verification::threshold::{ThresholdAccuracy, ThresholdSearch};
