use crate::identity_groups::IdentityGroups;
use crate::mining::batch::MiningBatch;
use crate::mining::miner::Miner;
use crate::triplet::Triplet;

/// Selects every triplet that violates the margin.
///
/// ```text
/// d(a, n) < d(a, p) + margin
/// ```
///
/// All other triplets contribute nothing to the loss or its gradient and are skipped, so for this
/// miner the mean over triplets equals the mean over active triplets. Ordered by anchor, then
/// positive, then negative. Takes `O(n^2 k)` time for `n` embeddings with `k` per identity, and
/// `O(n)` memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchAll;

impl Miner for BatchAll {
    fn mine(&self, batch: &MiningBatch<'_>, sink: &mut dyn FnMut(Triplet)) {
        let identities = batch.identities();
        let groups = IdentityGroups::new(identities);
        for (anchor, row) in batch.squared_distances().outer_iter().enumerate() {
            for positive in groups.positives(anchor) {
                let bound = batch.violation_bound(row[positive]);
                for (negative, &distance) in row.iter().enumerate() {
                    if f64::from(distance) < bound && identities[negative] != identities[anchor] {
                        sink(Triplet { anchor, positive, negative });
                    }
                }
            }
        }
    }
}
