use crate::identity_groups::IdentityGroups;
use crate::{MinedBatch, Miner, Triplet};

/// Every triplet that violates the margin.
///
/// ```text
/// d(a, n) < d(a, p) + margin
/// ```
///
/// The others add nothing to the loss or its gradient, so they are never handed over: for this miner the mean over triplets
/// is the mean over active ones. Ordered by anchor, then positive, then negative. `O(n^2 k)` time for `n` embeddings with
/// `k` of each identity, `O(n)` memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchAll;

impl Miner for BatchAll {
    fn mine(&self, batch: &MinedBatch<'_>, sink: &mut dyn FnMut(Triplet)) {
        let identities = batch.identities();
        let groups = IdentityGroups::new(identities);
        for (anchor, row) in batch.squared_distances().outer_iter().enumerate() {
            for positive in groups.positives(anchor) {
                let reach = batch.reach(row[positive]);
                for (negative, &distance) in row.iter().enumerate() {
                    if f64::from(distance) < reach && identities[negative] != identities[anchor] {
                        sink(Triplet { anchor, positive, negative });
                    }
                }
            }
        }
    }
}
