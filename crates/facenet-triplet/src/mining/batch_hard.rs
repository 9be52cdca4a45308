use crate::identity_groups::IdentityGroups;
use crate::mining::batch::MiningBatch;
use crate::mining::miner::Miner;
use crate::triplet::Triplet;

/// Selects the hardest positive and the hardest negative of every anchor, whether or not they
/// violate the margin.
///
/// ```text
/// p = argmax d(a, p), n = argmin d(a, n), ties to the lowest index
/// ```
///
/// An anchor without a positive or without a negative yields no triplet. Ordered by anchor. Takes
/// `O(n^2)` time and `O(n)` memory. The paper warns against these triplets (section 3.2): used from
/// the start they can collapse all embeddings into one point, where the loss stays at the margin.
///
/// Source: Hermans, Beyer, Leibe, "In Defense of the Triplet Loss for Person Re-Identification"
/// (2017), section 2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchHard;

impl Miner for BatchHard {
    fn mine(&self, batch: &MiningBatch<'_>, sink: &mut dyn FnMut(Triplet)) {
        let identities = batch.identities();
        let groups = IdentityGroups::new(identities);
        for (anchor, row) in batch.squared_distances().outer_iter().enumerate() {
            let positives = groups.positives(anchor).map(|positive| (positive, -row[positive]));
            let negatives = row.iter().copied().enumerate().filter(|&(i, _)| identities[i] != identities[anchor]);
            if let (Some(positive), Some(negative)) = (argmin(positives), argmin(negatives)) {
                sink(Triplet { anchor, positive, negative });
            }
        }
    }
}

/// The index of the smallest value that is not NaN, the first among equals.
fn argmin(values: impl Iterator<Item = (usize, f32)>) -> Option<usize> {
    let mut smallest: Option<(usize, f32)> = None;
    for (index, value) in values {
        if !value.is_nan() && smallest.is_none_or(|(_, least)| value < least) {
            smallest = Some((index, value));
        }
    }
    smallest.map(|(index, _)| index)
}
