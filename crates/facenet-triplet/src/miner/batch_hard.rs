use crate::identity_groups::IdentityGroups;
use crate::{MinedBatch, Miner, Triplet};

/// The farthest positive and the nearest negative of every anchor, whether or not they violate the margin.
///
/// ```text
/// p = argmax d(a, p), n = argmin d(a, n), the lowest index of equals
/// ```
///
/// An anchor without a positive or without a negative gives no triplet. Ordered by anchor. `O(n^2)` time, `O(n)` memory.
/// These are the triplets that the paper warns of (section 3.2): chosen from the start they may collapse all embeddings
/// into one point, where the loss rests at the margin.
///
/// Source: Hermans, Beyer, Leibe, "In Defense of the Triplet Loss for Person Re-Identification" (2017), section 2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchHard;

impl Miner for BatchHard {
    fn mine(&self, batch: &MinedBatch<'_>, sink: &mut dyn FnMut(Triplet)) {
        let identities = batch.identities();
        let groups = IdentityGroups::new(identities);
        for (anchor, row) in batch.squared_distances().outer_iter().enumerate() {
            let positives = groups.positives(anchor).map(|positive| (positive, -row[positive]));
            let negatives = row.iter().copied().enumerate().filter(|&(i, _)| identities[i] != identities[anchor]);
            if let (Some(positive), Some(negative)) = (lowest(positives), lowest(negatives)) {
                sink(Triplet { anchor, positive, negative });
            }
        }
    }
}

/// The index of the smallest value, the first of equals; NaN is never the smallest.
fn lowest(values: impl Iterator<Item = (usize, f32)>) -> Option<usize> {
    let mut lowest: Option<(usize, f32)> = None;
    for (index, value) in values {
        if !value.is_nan() && lowest.is_none_or(|(_, least)| value < least) {
            lowest = Some((index, value));
        }
    }
    lowest.map(|(index, _)| index)
}
