#![doc = include_str!("../README.md")]

pub use facenet_cluster as cluster;
pub use facenet_data as data;
pub use facenet_metrics as metrics;
pub use facenet_neighbors as neighbors;
pub use facenet_network as network;
pub use facenet_recognition as recognition;
pub use facenet_report as report;
pub use facenet_tensor as tensor;
pub use facenet_training as training;
pub use facenet_triplet as triplet;

pub use facenet_cluster::{Agglomerative, Cluster, KMeans};
pub use facenet_metrics::{Calibration, PairScores};
pub use facenet_network::Network;
pub use facenet_recognition::{DecisionRule, Embed, Embedder, Gallery, Grouping, PhotoEmbedder, read_weights};
pub use facenet_training::{Recipe, Trainer};

/// The example of the workspace's README, compiled and run with the other examples.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct WorkspaceReadme;
