#![doc = include_str!("../README.md")]

mod atomic_file;
mod checkpoint_file;
mod dataset;
mod embed;
mod embedder;
mod error;
mod evaluation;
mod gradient_check;
mod mirror_average;
mod progress;
mod raw_pixels;
mod recipe;
mod run;
mod trainer;
mod training;

pub use atomic_file::write_atomically;
pub use checkpoint_file::{read_checkpoint, weights_sha256, write_checkpoint};
pub use dataset::{Dataset, DatasetSource, Framed, FramedFaces, LabelledFaces, SyntheticSize};
pub use embed::Embed;
pub use embedder::Embedder;
pub use error::Error;
pub use evaluation::{
    AgglomerativeScores, ClusteringScores, Evaluation, best_bcubed_cut, evaluate, evaluate_embeddings,
};
pub use facenet_network::Checkpoint;
pub use gradient_check::gradient_checks;
pub use mirror_average::MirrorAverage;
pub use progress::{Observer, Progress};
pub use raw_pixels::RawPixels;
pub use recipe::{LearningRate, Recipe, TripletSource};
pub use run::{FacesReport, GroupSize, RunOptions, RunReport, run};
pub use trainer::{StepReport, Trainer};
pub use training::{CHECKPOINT_FILE, RESULT_FILE, StoppedBy, TrainingSummary, train};

/// The example of the workspace's README, compiled and run with the other examples.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct WorkspaceReadme;
