#![doc = include_str!("../README.md")]

mod bootstrap;
mod calibration;
mod clustering;
mod error;
mod identification;
mod interval;
mod pairs;
mod verification;

pub use bootstrap::{IdentityBootstrap, StandardErrors};
pub use calibration::Calibration;
pub use clustering::contingency::{Contingency, PrecisionRecall};
pub use clustering::{ClusteringReport, clustering_report};
pub use error::Error;
pub use identification::{IdentificationReport, LabelledEmbeddings, Mate, OpenSet, SearchOutcome, Searches, search};
pub use interval::{Interval, wilson_interval};
pub use pairs::{Pair, balanced_pairs, squared_distances};
pub use verification::folds::{CrossValidation, FoldSummary};
pub use verification::roc::{RocCurve, RocPoint, ValidationRate};
pub use verification::threshold::{ThresholdAccuracy, ThresholdSearch};
pub use verification::{PairScores, VerificationReport};
