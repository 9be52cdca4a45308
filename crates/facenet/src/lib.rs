#![doc = include_str!("../README.md")]

mod atomic_file;
mod dataset;
mod embed;
mod error;
mod evaluation;
mod raw_pixels;

pub use atomic_file::write_atomically;
pub use dataset::{Dataset, DatasetSource, LabelledFaces, SyntheticSize};
pub use embed::Embed;
pub use error::Error;
pub use evaluation::{
    AgglomerativeScores, ClusteringScores, Evaluation, best_bcubed_cut, evaluate, evaluate_embeddings,
};
pub use raw_pixels::RawPixels;
