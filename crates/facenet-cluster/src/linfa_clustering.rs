//! Algorithms of linfa-clustering.

pub(crate) mod dbscan;
pub(crate) mod k_means;
