#![doc = include_str!("../README.md")]

mod atomic_file;
mod calibration;
mod checkpoint_file;
mod contact_sheet;
mod dataset;
mod embed;
mod embedder;
mod error;
mod evaluation;
mod gallery;
mod gradient_check;
mod history;
mod landmark_network;
mod mirror_average;
mod page;
mod pair_list;
mod portrait;
mod progress;
mod provenance;
mod published_calibration;
mod raw_pixels;
mod recipe;
mod report;
mod run;
mod trainer;
mod training;
mod weights_file;

pub use atomic_file::write_atomically;
pub use calibration::{ValidationPairs, calibrate, calibration, calibration_text};
pub use checkpoint_file::{network_sha256, read_checkpoint, weights_sha256, write_checkpoint};
pub use contact_sheet::{ContactSheet, SheetPicture, SheetRun};
pub use dataset::{Dataset, DatasetSource, Framed, FramedFaces, LabelledFaces, SyntheticSize};
pub use embed::Embed;
pub use embedder::Embedder;
pub use error::Error;
pub use evaluation::{
    AgglomerativeScores, ClusteringScores, Evaluation, EvaluationDetails, best_bcubed_cut, evaluate,
    evaluate_embeddings,
};
pub use facenet_metrics::Calibration;
pub use facenet_network::Checkpoint;
pub use gallery::{Gallery, Identification, Likely};
pub use gradient_check::gradient_checks;
pub use history::{History, HistoryPoint};
pub use landmark_network::{LandmarkNetwork, SeenFaces};
pub use mirror_average::MirrorAverage;
pub use pair_list::{LfwView, PairListEvaluation, ValidationRateAt, evaluate_lfw, evaluate_pair_list};
pub use portrait::{
    Doubt, EmbeddedPortraits, Portrait, PortraitEmbedder, PortraitFraming, PortraitLandmarks, PortraitReader,
    UnreadPicture, write_embeddings,
};
pub use progress::{Observer, Progress};
pub use provenance::Provenance;
pub use raw_pixels::RawPixels;
pub use recipe::{LearningRate, Recipe, TripletSource};
pub use report::Report;
pub use run::{FacesReport, GroupSize, Run, RunOptions, RunReport, run};
pub use trainer::{StepReport, Trainer};
pub use training::{CHECKPOINT_FILE, REPORT_FILE, RESULT_FILE, StoppedBy, TrainingSummary, train};
pub use weights_file::{ForeignNetwork, read_weights};

/// The example of the workspace's README, compiled and run with the other examples.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct WorkspaceReadme;
