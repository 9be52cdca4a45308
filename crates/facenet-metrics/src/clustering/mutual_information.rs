use super::contingency::Contingency;
use std::collections::BTreeMap;

impl Contingency {
    /// Mutual information of cluster and identity, in nats.
    ///
    /// ```text
    /// I = Σ n_ij/n ln(n n_ij / (a_i b_j))
    /// ```
    pub fn mutual_information(&self) -> f64 {
        let terms = self.cells.iter().map(|cell| {
            information(cell.count, self.identity_sizes[cell.identity], self.cluster_sizes[cell.cluster], self.items)
        });
        // A sum of independent parts is 0 but for rounding.
        terms.sum::<f64>().max(0.0)
    }

    /// Normalised mutual information; the two entropies are averaged arithmetically, as in scikit-learn from 0.22 on.
    ///
    /// ```text
    /// NMI = I / ((H(identities) + H(clusters)) / 2),   H = -Σ p ln p
    /// ```
    ///
    /// It rises with the number of clusters, also of a random clustering: see [`Contingency::adjusted_mutual_information`].
    pub fn normalised_mutual_information(&self) -> f64 {
        if self.is_perfect() {
            return 1.0;
        }
        self.mutual_information() / self.mean_entropy()
    }

    /// Adjusted mutual information: 0 by chance and 1 at best; the entropies are averaged arithmetically.
    ///
    /// ```text
    /// AMI = (I - E[I]) / ((H(identities) + H(clusters)) / 2 - E[I])
    /// ```
    ///
    /// Source: Vinh, Epps and Bailey, "Information theoretic measures for clusterings comparison", JMLR 11, 2010.
    pub fn adjusted_mutual_information(&self) -> f64 {
        if self.is_perfect() {
            return 1.0;
        }
        let expected = self.expected_mutual_information();
        (self.mutual_information() - expected) / (self.mean_entropy() - expected)
    }

    /// Mean mutual information of all partitions with these sizes of identities and clusters, exactly.
    ///
    /// ```text
    /// E[I] = Σ_ij Σ_k P(k; n, a_i, b_j) k/n ln(n k / (a_i b_j)),   P hypergeometric
    /// ```
    pub fn expected_mutual_information(&self) -> f64 {
        // Equal sizes give equal terms, and most people have few pictures.
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

/// `k/n ln(n k / (a b))`; with k = a = b the term of an entropy.
fn information(k: u64, a: u64, b: u64, n: u64) -> f64 {
    let (k, a, b, n) = (k as f64, a as f64, b as f64, n as f64);
    k / n * ((n / a) * (k / b)).ln()
}

/// Mean of `information` over the hypergeometric distribution of k.
///
/// Its weights come from the mode, where they are set to 1, by the ratio of neighbours, and are divided by their sum: no factorial, so
/// no cancellation, and what underflows far from the mode does not matter.
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
