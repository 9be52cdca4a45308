//! The cut of a tree of merges that agrees best with known identities.

use std::collections::BTreeMap;

use facenet_cluster::Dendrogram;

/// Scores that differ by less are equal: rounding, far below what one picture counts.
const TOLERANCE: f64 = 1e-10;

/// The squared distance at which a tree is to be cut for the highest B-cubed F against the identities.
///
/// Every cut that gives other clusters is tried; of equally good ones the lowest is taken. It lies midway between two
/// neighbouring merges, so that rounding elsewhere does not move an embedding to another cluster; half as far as the
/// first merge, or 1 beyond the last.
///
/// From one merge to the next only the two clusters that are joined change, so all cuts together take little more than
/// one. With `n_i`, `m_i` embeddings of identity i in the two, `a_i` in all, and `S(A) = Σ n_i²`:
///
/// ```text
/// n * precision += S(A ∪ B) / |A ∪ B| - S(A) / |A| - S(B) / |B|
/// n * recall    += Σ_i 2 n_i m_i / a_i
/// ```
///
/// # Panics
/// If there are not as many identities as embeddings in the tree.
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
        // Merges at one distance can't be told apart by a cut.
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

/// A distance from `below` on and less than `above`; none if there is no such distance.
fn cut_between(below: Option<f32>, above: Option<f32>) -> Option<f32> {
    match (below, above) {
        (None, None) => Some(0.0),
        (Some(below), None) => Some(below + 1.0),
        (None, Some(above)) => (above > 0.0).then_some(above / 2.0),
        (Some(below), Some(above)) => {
            let middle = below.midpoint(above);
            // Between neighbouring numbers the middle may round up.
            (below < above).then_some(if middle < above { middle } else { below })
        }
    }
}

/// A clustering that grows coarser, with its B-cubed scores.
struct Clusters {
    /// By the tree's numbers; taken out when merged.
    members: Vec<Members>,
    identity_sizes: BTreeMap<usize, u64>,
    /// n times the precision.
    precision: f64,
    /// n times the recall.
    recall: f64,
    embeddings: usize,
}

/// How many embeddings of each identity a cluster holds.
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
            // Each of an identity's a pictures finds one of a.
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
