use crate::error::Error;
use serde::Serialize;
use std::collections::BTreeMap;

/// The contingency table of clusters and identities, from which every clustering score follows.
///
/// In the formulas `n_ij` is the number of items of identity i in cluster j, `a_i = Σ_j n_ij`, `b_j
/// = Σ_i n_ij`, `n = Σ_ij n_ij`. Only nonzero cells are stored. A partition compared with itself
/// scores exactly 1, even where the formula is 0/0.
#[derive(Clone, Debug)]
pub struct ContingencyTable {
    /// Sorted by identity, then cluster, both dense indices.
    pub(super) cells: Vec<Cell>,
    pub(super) identity_sizes: Vec<u64>,
    pub(super) cluster_sizes: Vec<u64>,
    pub(super) items: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Cell {
    pub(super) identity: usize,
    pub(super) cluster: usize,
    pub(super) count: u64,
}

/// Precision, recall and their harmonic mean.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PrecisionRecall {
    /// Fraction of joined items that belong together.
    pub precision: f64,
    /// Fraction of items that belong together that were joined.
    pub recall: f64,
    /// `2 precision recall / (precision + recall)`, 0 if both are 0.
    pub f: f64,
}

impl PrecisionRecall {
    fn new(precision: f64, recall: f64) -> PrecisionRecall {
        let sum = precision + recall;
        PrecisionRecall { precision, recall, f: if sum > 0.0 { 2.0 * precision * recall / sum } else { 0.0 } }
    }
}

impl ContingencyTable {
    /// Counts the items of each cluster and identity. Label values do not matter, only which are
    /// equal.
    ///
    /// # Errors
    ///
    /// [`Error::NoLabels`] if there are none.
    ///
    /// # Panics
    ///
    /// Panics if the slices differ in length.
    #[track_caller]
    pub fn new(clusters: &[usize], identities: &[usize]) -> Result<ContingencyTable, Error> {
        let lengths = (clusters.len(), identities.len());
        assert_eq!(lengths.0, lengths.1, "{} cluster labels, {} identities", lengths.0, lengths.1);
        if clusters.is_empty() {
            return Err(Error::NoLabels);
        }
        let (clusters, cluster_sizes) = dense(clusters);
        let (identities, identity_sizes) = dense(identities);
        let mut both: Vec<(usize, usize)> = identities.into_iter().zip(clusters).collect();
        both.sort_unstable();
        let cells = both
            .chunk_by(|a, b| a == b)
            .map(|chunk| Cell { identity: chunk[0].0, cluster: chunk[0].1, count: chunk.len() as u64 })
            .collect();
        Ok(ContingencyTable { cells, identity_sizes, cluster_sizes, items: both.len() as u64 })
    }

    /// Number of clusters.
    pub fn clusters(&self) -> usize {
        self.cluster_sizes.len()
    }

    /// Number of identities.
    pub fn identities(&self) -> usize {
        self.identity_sizes.len()
    }

    /// Whether clusters and identities are the same partition.
    pub(super) fn is_perfect(&self) -> bool {
        self.cells.len() == self.clusters() && self.cells.len() == self.identities()
    }

    /// Number of pairs of items in the same cell, in the same cluster, of the same identity, and in
    /// total.
    fn pair_counts(&self) -> [u64; 4] {
        let pairs = |count: u64| count * (count - 1) / 2;
        [
            self.cells.iter().map(|cell| pairs(cell.count)).sum(),
            self.cluster_sizes.iter().map(|&size| pairs(size)).sum(),
            self.identity_sizes.iter().map(|&size| pairs(size)).sum(),
            pairs(self.items),
        ]
    }

    /// Precision and recall over pairs of items.
    ///
    /// ```text
    /// P = Σ C(n_ij, 2) / Σ C(b_j, 2),   R = Σ C(n_ij, 2) / Σ C(a_i, 2)
    /// ```
    ///
    /// Without pairs in a cluster the precision is 1; without pairs of an identity the recall is 1.
    pub fn pairwise(&self) -> PrecisionRecall {
        let [joint, in_clusters, in_identities, _] = self.pair_counts();
        let fraction = |of: u64| if of == 0 { 1.0 } else { joint as f64 / of as f64 };
        PrecisionRecall::new(fraction(in_clusters), fraction(in_identities))
    }

    /// B-cubed: precision and recall with respect to each item's cluster and identity, averaged
    /// over items.
    ///
    /// ```text
    /// P = 1/n Σ n_ij² / b_j,   R = 1/n Σ n_ij² / a_i
    /// ```
    ///
    /// Source: Bagga and Baldwin, "Entity-based cross-document coreferencing using the vector space
    /// model", 1998.
    pub fn bcubed(&self) -> PrecisionRecall {
        let mean = |size: &dyn Fn(&Cell) -> u64| {
            let sum: f64 = self.cells.iter().map(|cell| (cell.count as f64).powi(2) / size(cell) as f64).sum();
            sum / self.items as f64
        };
        PrecisionRecall::new(
            mean(&|cell| self.cluster_sizes[cell.cluster]),
            mean(&|cell| self.identity_sizes[cell.identity]),
        )
    }

    /// Adjusted Rand index: agreement over pairs, with expectation 0 by chance and maximum 1.
    ///
    /// ```text
    /// ARI = (J - E) / ((A + B) / 2 - E)
    /// J = Σ C(n_ij, 2), A = Σ C(a_i, 2), B = Σ C(b_j, 2), E = A B / C(n, 2)
    /// ```
    ///
    /// Source: Hubert and Arabie, "Comparing partitions", 1985.
    pub fn adjusted_rand_index(&self) -> f64 {
        if self.is_perfect() {
            return 1.0;
        }
        // Numerator and denominator times 2 C(n, 2), exact in integers.
        let [joint, in_clusters, in_identities, all] = self.pair_counts().map(i128::from);
        let expected = 2 * in_clusters * in_identities;
        (2 * joint * all - expected) as f64 / ((in_clusters + in_identities) * all - expected) as f64
    }

    /// Fraction of items that have the most frequent identity of their cluster.
    ///
    /// ```text
    /// purity = 1/n Σ_j max_i n_ij
    /// ```
    pub fn purity(&self) -> f64 {
        let mut largest = vec![0; self.clusters()];
        for cell in &self.cells {
            largest[cell.cluster] = cell.count.max(largest[cell.cluster]);
        }
        largest.iter().sum::<u64>() as f64 / self.items as f64
    }

    /// Mean number of clusters that contain a given identity.
    pub fn clusters_per_identity(&self) -> f64 {
        self.cells.len() as f64 / self.identities() as f64
    }

    /// Fraction of clusters with more than one identity.
    pub fn mixed_cluster_rate(&self) -> f64 {
        let mut identities = vec![0u64; self.clusters()];
        self.cells.iter().for_each(|cell| identities[cell.cluster] += 1);
        identities.iter().filter(|&&count| count > 1).count() as f64 / self.clusters() as f64
    }
}

/// Dense indices of the labels in ascending order of the label, and how often each occurs.
fn dense(labels: &[usize]) -> (Vec<usize>, Vec<u64>) {
    let mut indices: BTreeMap<usize, usize> = labels.iter().map(|&label| (label, 0)).collect();
    indices.values_mut().enumerate().for_each(|(index, value)| *value = index);
    let mut sizes = vec![0; indices.len()];
    let dense = labels
        .iter()
        .map(|label| {
            let index = indices[label];
            sizes[index] += 1;
            index
        })
        .collect();
    (dense, sizes)
}
