#![doc = include_str!("../README.md")]

mod agglomerative;
mod cluster;
mod error;
mod k_means;
mod linfa_clustering;
mod relabel;

pub use agglomerative::algorithm::{Agglomerative, ValidAgglomerative};
pub use agglomerative::dendrogram::{Cut, Dendrogram, Linkage, Merge};
pub use cluster::Cluster;
pub use error::Error;
pub use k_means::algorithm::{KMeans, KMeansModel, ValidKMeans};
pub use linfa_clustering::dbscan::Dbscan;
pub use linfa_clustering::k_means::LinfaKMeans;
pub use relabel::relabel_by_first_appearance;
