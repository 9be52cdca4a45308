//! The cut of a dendrogram that agrees best with known identities.

use std::collections::BTreeMap;

use facenet_cluster::Dendrogram;

/// Scores closer than this are ties: rounding, far below the weight of one image.
const TOLERANCE: f64 = 1e-10;

/// The squared distance at which to cut a dendrogram for the highest B-cubed F against the
/// identities.
///
/// Every cut that gives a different clustering is tried; the lowest of ties wins. It lies midway
/// between two neighboring merges, so that rounding elsewhere does not move an embedding to another
/// cluster; at half the distance of the first merge below it, and at the last merge's distance plus
/// 1 above it.
///
/// A merge changes only the two clusters that it joins, so all cuts together cost little more than
/// one. For clusters A and B with `n_i`, `m_i` embeddings of identity i, `a_i` embeddings of
/// identity i overall, and `S(A) = Σ n_i²`:
///
/// ```text
/// n * precision += S(A ∪ B) / |A ∪ B| - S(A) / |A| - S(B) / |B|
/// n * recall    += Σ_i 2 n_i m_i / a_i
/// ```
///
/// # Panics
///
/// If the number of identities differs from the number of embeddings in the dendrogram.
#[track_caller]
pub fn best_bcubed_cut(tree: &Dendrogram, identities: &[usize]) -> f32 {
    let merges = tree.merges();
    let embeddings = if identities.is_empty() { 0 } else { merges.len() + 1 };
    assert_eq!(identities.len(), embeddings, "{} identities, {} merges", identities.len(), merges.len());
    let mut clusters = Clusters::of_one_each(identities);

    let mut best = None;
    for taken in 0..=merges.len() {
        if let Some(last) = taken.checked_sub(1) {
            clusters.merge(merges[last].clusters);
        }
        // A cut can't separate merges at equal distances.
        let below = taken.checked_sub(1).map(|last| merges[last].squared_distance);
        let above = merges.get(taken).map(|merge| merge.squared_distance);
        let Some(cut) = cut_between(below, above) else { continue };
        let f = clusters.bcubed_f();
        if best.is_none_or(|(most, _)| f > most + TOLERANCE) {
            best = Some((f, cut));
        }
    }
    best.map_or(0.0, |(_, cut)| cut)
}

/// A distance in `[below, above)`; `None` if the interval is empty.
fn cut_between(below: Option<f32>, above: Option<f32>) -> Option<f32> {
    match (below, above) {
        (None, None) => Some(0.0),
        (Some(below), None) => Some(below + 1.0),
        (None, Some(above)) => (above > 0.0).then_some(above / 2.0),
        (Some(below), Some(above)) => {
            let middle = below.midpoint(above);
            // The midpoint of adjacent floats may round up.
            (below < above).then_some(if middle < above { middle } else { below })
        }
    }
}

/// A clustering under successive merges, with its B-cubed scores.
struct Clusters {
    /// Indexed as in the dendrogram; emptied when merged.
    members: Vec<Members>,
    identity_sizes: BTreeMap<usize, u64>,
    /// n times the precision.
    precision: f64,
    /// n times the recall.
    recall: f64,
    embeddings: usize,
}

/// Number of embeddings of each identity in a cluster.
#[derive(Default)]
struct Members {
    counts: BTreeMap<usize, u64>,
    size: u64,
    /// Sum of the squared counts.
    squares: u64,
}

impl Clusters {
    fn of_one_each(identities: &[usize]) -> Self {
        let mut identity_sizes = BTreeMap::new();
        identities.iter().for_each(|&identity| *identity_sizes.entry(identity).or_default() += 1);
        Self {
            members: identities
                .iter()
                .map(|&identity| Members { counts: BTreeMap::from([(identity, 1)]), size: 1, squares: 1 })
                .collect(),
            precision: identities.len() as f64,
            // Each of an identity's a images retrieves one of a.
            recall: identity_sizes.len() as f64,
            identity_sizes,
            embeddings: identities.len(),
        }
    }

    fn merge(&mut self, [first, second]: [usize; 2]) {
        let [first, second] = [first, second].map(|cluster| std::mem::take(&mut self.members[cluster]));
        self.precision -= first.precision() + second.precision();
        let (mut large, small) =
            if first.counts.len() < second.counts.len() { (second, first) } else { (first, second) };
        large.size += small.size;
        large.squares += small.squares;
        for (identity, count) in small.counts {
            let of_identity = large.counts.entry(identity).or_default();
            let joined = 2 * *of_identity * count;
            *of_identity += count;
            large.squares += joined;
            self.recall += joined as f64 / self.identity_sizes[&identity] as f64;
        }
        self.precision += large.precision();
        self.members.push(large);
    }

    fn bcubed_f(&self) -> f64 {
        let [precision, recall] = [self.precision, self.recall].map(|sum| sum / self.embeddings as f64);
        2.0 * precision * recall / (precision + recall)
    }
}

impl Members {
    fn precision(&self) -> f64 {
        self.squares as f64 / self.size as f64
    }
}
