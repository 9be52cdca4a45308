#![doc = include_str!("../README.md")]

mod agglomerative;
mod cluster;
mod error;
mod finite;
mod k_means;
mod relabel;

pub use agglomerative::dendrogram::{Agglomerative, Cut, Dendrogram, Linkage, Merge};
pub use cluster::Cluster;
pub use error::Error;
pub use k_means::algorithm::{KMeans, KMeansEngine};
pub use relabel::relabel_by_first_appearance;
