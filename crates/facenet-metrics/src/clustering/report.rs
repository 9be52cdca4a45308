pub mod contingency;
mod information;

use crate::Error;
use contingency::{Contingency, PrecisionRecall};
use serde::Serialize;

/// The scores of a clustering in one record.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClusteringReport {
    /// Number of clusters.
    pub clusters: usize,
    /// Number of true identities.
    pub identities: usize,
    /// Share of pairs in one cluster that are of one identity.
    pub pairwise_precision: f64,
    /// Share of pairs of one identity that are in one cluster.
    pub pairwise_recall: f64,
    /// Their harmonic mean.
    pub pairwise_f: f64,
    /// B-cubed precision.
    pub bcubed_precision: f64,
    /// B-cubed recall.
    pub bcubed_recall: f64,
    /// Their harmonic mean.
    pub bcubed_f: f64,
    /// Normalised mutual information, by the arithmetic mean of the entropies.
    pub nmi: f64,
    /// Adjusted mutual information, by the arithmetic mean of the entropies.
    pub ami: f64,
    /// Adjusted Rand index.
    pub ari: f64,
    /// Share of items in the commonest identity of their cluster.
    pub purity: f64,
    /// Mean number of clusters that an identity is scattered over.
    pub clusters_per_identity: f64,
    /// Share of clusters that hold more than one identity.
    pub mixed_cluster_rate: f64,
}

/// All clustering scores at once.
///
/// `clusters[k]` and `identities[k]` are the cluster and the true identity of item k. Only equality of labels counts. Items that a method
/// leaves out (noise) need a label of their own each: one common label would make them a cluster.
///
/// # Errors
/// [`Error::NoLabels`] if there are none.
///
/// # Panics
/// If the slices differ in length.
#[track_caller]
pub fn clustering_report(clusters: &[usize], identities: &[usize]) -> Result<ClusteringReport, Error> {
    let contingency = Contingency::new(clusters, identities)?;
    let PrecisionRecall { precision: pairwise_precision, recall: pairwise_recall, f: pairwise_f } =
        contingency.pairwise();
    let PrecisionRecall { precision: bcubed_precision, recall: bcubed_recall, f: bcubed_f } = contingency.bcubed();
    Ok(ClusteringReport {
        clusters: contingency.clusters(),
        identities: contingency.identities(),
        pairwise_precision,
        pairwise_recall,
        pairwise_f,
        bcubed_precision,
        bcubed_recall,
        bcubed_f,
        nmi: contingency.normalised_mutual_information(),
        ami: contingency.adjusted_mutual_information(),
        ari: contingency.adjusted_rand_index(),
        purity: contingency.purity(),
        clusters_per_identity: contingency.clusters_per_identity(),
        mixed_cluster_rate: contingency.mixed_cluster_rate(),
    })
}
