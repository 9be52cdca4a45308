use crate::clustering::contingency_table::ContingencyTable;
use std::collections::BTreeMap;

impl ContingencyTable {
    /// Mutual information of clusters and identities, in nats.
    ///
    /// ```text
    /// I = Σ n_ij/n ln(n n_ij / (a_i b_j))
    /// ```
    pub fn mutual_information(&self) -> f64 {
        let terms = self.cells.iter().map(|cell| {
            information(cell.count, self.identity_sizes[cell.identity], self.cluster_sizes[cell.cluster], self.items)
        });
        // For independent partitions rounding can make the sum negative.
        terms.sum::<f64>().max(0.0)
    }

    /// Normalized mutual information, with the arithmetic mean of the entropies as in scikit-learn
    /// since 0.22.
    ///
    /// ```text
    /// NMI = I / ((H(identities) + H(clusters)) / 2),   H = -Σ p ln p
    /// ```
    ///
    /// It grows with the number of clusters even for a random clustering:
    /// [`ContingencyTable::adjusted_mutual_information`] corrects for that.
    pub fn normalized_mutual_information(&self) -> f64 {
        if self.is_perfect() {
            return 1.0;
        }
        self.mutual_information() / self.mean_entropy()
    }

    /// Adjusted mutual information, with the arithmetic mean of the entropies: expectation 0 by
    /// chance and maximum 1.
    ///
    /// ```text
    /// AMI = (I - E[I]) / ((H(identities) + H(clusters)) / 2 - E[I])
    /// ```
    ///
    /// Source: Vinh, Epps and Bailey, "Information theoretic measures for clusterings comparison",
    /// JMLR 11, 2010.
    pub fn adjusted_mutual_information(&self) -> f64 {
        if self.is_perfect() {
            return 1.0;
        }
        let expected = self.expected_mutual_information();
        (self.mutual_information() - expected) / (self.mean_entropy() - expected)
    }

    /// Exact expected mutual information of random partitions with these identity and cluster
    /// sizes.
    ///
    /// ```text
    /// E[I] = Σ_ij Σ_k P(k; n, a_i, b_j) k/n ln(n k / (a_i b_j)),   P hypergeometric
    /// ```
    pub fn expected_mutual_information(&self) -> f64 {
        // Equal sizes give equal terms, and many identities have the same number of items.
        let (identities, clusters) = (size_counts(&self.identity_sizes), size_counts(&self.cluster_sizes));
        let mut sum = 0.0;
        for (&a, &times_a) in &identities {
            for (&b, &times_b) in &clusters {
                sum += times_a as f64 * times_b as f64 * expected_information(a, b, self.items);
            }
        }
        sum
    }

    fn mean_entropy(&self) -> f64 {
        let entropy =
            |sizes: &[u64]| -> f64 { sizes.iter().map(|&size| information(size, size, size, self.items)).sum::<f64>() };
        (entropy(&self.identity_sizes) + entropy(&self.cluster_sizes)) / 2.0
    }
}

/// `k/n ln(n k / (a b))`. With k = a = b it is a term of the entropy.
fn information(k: u64, a: u64, b: u64, n: u64) -> f64 {
    let (k, a, b, n) = (k as f64, a as f64, b as f64, n as f64);
    k / n * ((n / a) * (k / b)).ln()
}

/// Expectation of `information` over the hypergeometric distribution of k.
///
/// The weights start at 1 at the mode, follow by ratios of neighbors and are normalized by their
/// sum. Without factorials there is no cancellation, and underflow far from the mode is harmless.
fn expected_information(a: u64, b: u64, n: u64) -> f64 {
    let (lowest, highest) = ((a + b).saturating_sub(n), a.min(b));
    let mode = (((a + 1) as u128 * (b + 1) as u128 / (n + 2) as u128) as u64).clamp(lowest, highest);
    // P(k + 1) / P(k)
    let ratio = |k: u64| ((a - k) as f64 * (b - k) as f64) / ((k + 1) as f64 * (n + k + 1 - a - b) as f64);
    let (mut weights, mut sum) = (0.0, 0.0);
    let mut add = |k: u64, weight: f64| {
        weights += weight;
        if k > 0 {
            sum += weight * information(k, a, b, n);
        }
    };
    add(mode, 1.0);
    let mut weight = 1.0;
    for k in mode..highest {
        weight *= ratio(k);
        add(k + 1, weight);
    }
    weight = 1.0;
    for k in (lowest..mode).rev() {
        weight /= ratio(k);
        add(k, weight);
    }
    sum / weights
}

/// How often each size occurs.
fn size_counts(sizes: &[u64]) -> BTreeMap<u64, u64> {
    let mut counts = BTreeMap::new();
    for &size in sizes {
        *counts.entry(size).or_default() += 1;
    }
    counts
}
