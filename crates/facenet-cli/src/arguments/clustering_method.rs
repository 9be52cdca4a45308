//! Clustering algorithms as arguments.

use clap::ValueEnum;
use facenet_recognition::Linkage;
use serde::Serialize;

/// A clustering algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClusteringMethod {
    /// Agglomerative clustering, average linkage
    Average,
    /// Agglomerative clustering, complete linkage
    Complete,
    /// Agglomerative clustering, single linkage
    Single,
    /// Agglomerative clustering, Ward linkage
    Ward,
    /// K-means
    KMeans,
    /// DBSCAN
    Dbscan,
}

/// The name of a linkage, as on the command line.
#[must_use]
pub fn linkage_name(linkage: Linkage) -> &'static str {
    match linkage {
        Linkage::Average => "average",
        Linkage::Complete => "complete",
        Linkage::Single => "single",
        Linkage::Ward => "ward",
    }
}

impl ClusteringMethod {
    /// The linkage of agglomerative clustering; `None` for the other algorithms.
    #[must_use]
    pub fn linkage(self) -> Option<Linkage> {
        match self {
            Self::Average => Some(Linkage::Average),
            Self::Complete => Some(Linkage::Complete),
            Self::Single => Some(Linkage::Single),
            Self::Ward => Some(Linkage::Ward),
            Self::KMeans | Self::Dbscan => None,
        }
    }
}
