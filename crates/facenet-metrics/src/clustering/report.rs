use crate::clustering::contingency_table::{ContingencyTable, PrecisionRecall};
use crate::error::Error;
use serde::Serialize;

/// Summary of clustering scores.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClusteringReport {
    /// Number of clusters.
    pub clusters: usize,
    /// Number of true identities.
    pub identities: usize,
    /// Fraction of pairs within clusters that have the same identity.
    pub pairwise_precision: f64,
    /// Fraction of pairs of the same identity that are in the same cluster.
    pub pairwise_recall: f64,
    /// Harmonic mean of pairwise precision and recall.
    pub pairwise_f: f64,
    /// B-cubed precision.
    pub bcubed_precision: f64,
    /// B-cubed recall.
    pub bcubed_recall: f64,
    /// Harmonic mean of B-cubed precision and recall.
    pub bcubed_f: f64,
    /// Normalized mutual information, with the arithmetic mean of the entropies.
    pub nmi: f64,
    /// Adjusted mutual information, with the arithmetic mean of the entropies.
    pub ami: f64,
    /// Adjusted Rand index.
    pub ari: f64,
    /// Fraction of items that have the most frequent identity of their cluster.
    pub purity: f64,
    /// Mean number of clusters that contain a given identity.
    pub clusters_per_identity: f64,
    /// Fraction of clusters with more than one identity.
    pub mixed_cluster_rate: f64,
}

/// Computes all clustering scores.
///
/// `clusters[k]` and `identities[k]` are the cluster and the true identity of item k. Label values
/// do not matter, only which are equal. Items that an algorithm leaves unassigned (noise) need
/// distinct labels: a common one would make them a cluster.
///
/// # Errors
///
/// [`Error::NoLabels`] if there are none.
///
/// # Panics
///
/// Panics if the slices differ in length.
#[track_caller]
pub fn clustering_report(clusters: &[usize], identities: &[usize]) -> Result<ClusteringReport, Error> {
    let table = ContingencyTable::new(clusters, identities)?;
    let PrecisionRecall { precision: pairwise_precision, recall: pairwise_recall, f: pairwise_f } = table.pairwise();
    let PrecisionRecall { precision: bcubed_precision, recall: bcubed_recall, f: bcubed_f } = table.bcubed();
    Ok(ClusteringReport {
        clusters: table.clusters(),
        identities: table.identities(),
        pairwise_precision,
        pairwise_recall,
        pairwise_f,
        bcubed_precision,
        bcubed_recall,
        bcubed_f,
        nmi: table.normalized_mutual_information(),
        ami: table.adjusted_mutual_information(),
        ari: table.adjusted_rand_index(),
        purity: table.purity(),
        clusters_per_identity: table.clusters_per_identity(),
        mixed_cluster_rate: table.mixed_cluster_rate(),
    })
}
