use ndarray::{ArrayView1, Axis};
use ndarray_rand::rand::Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::identity_groups::IdentityGroups;
use crate::mining::batch::MiningBatch;
use crate::mining::miner::Miner;
use crate::random_stream::RandomStream;
use crate::triplet::Triplet;

/// Anchors mined at a time, which bounds the memory of triplets not yet passed to the callback.
const ANCHORS_PER_CHUNK: usize = 256;

/// The paper's miner: every ordered anchor-positive pair with a negative that is farther away than
/// the positive but within the margin.
///
/// ```text
/// d(a, p) < d(a, n) < d(a, p) + margin
/// ```
///
/// Both bounds are strict. Each pair yields at most one triplet, and none if it has no semi-hard
/// negative. Ordered by anchor, then positive. For `n` embeddings with `k` per identity: `O(n^2 log
/// k)` time with [`NegativeChoice::Hardest`], `O(n^2 log n)` with [`NegativeChoice::Random`], `O(n
/// k)` memory; parallel over anchors.
///
/// Source: the paper, section 3.2, equation 4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SemiHard {
    /// Which negative to use if a pair has several.
    pub choice: NegativeChoice,
}

/// Which of several semi-hard negatives to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NegativeChoice {
    /// The one nearest to the anchor, ties to the lowest index.
    #[default]
    Hardest,
    /// Uniformly at random, from the seed of the batch.
    Random,
}

impl Miner for SemiHard {
    fn mine(&self, batch: &MiningBatch<'_>, sink: &mut dyn FnMut(Triplet)) {
        let groups = IdentityGroups::new(batch.identities());
        for start in (0..batch.len()).step_by(ANCHORS_PER_CHUNK) {
            let anchors = start..(start + ANCHORS_PER_CHUNK).min(batch.len());
            let triplets: Vec<Vec<Triplet>> = anchors
                .into_par_iter()
                .map(|anchor| {
                    let view = AnchorView {
                        batch,
                        groups: &groups,
                        anchor,
                        row: batch.squared_distances().index_axis_move(Axis(0), anchor),
                    };
                    match self.choice {
                        NegativeChoice::Hardest => view.hardest(),
                        NegativeChoice::Random => view.random(),
                    }
                })
                .collect();
            triplets.into_iter().flatten().for_each(&mut *sink);
        }
    }
}

/// The batch as seen from one anchor.
struct AnchorView<'a, 'b> {
    batch: &'a MiningBatch<'b>,
    groups: &'a IdentityGroups,
    anchor: usize,
    row: ArrayView1<'b, f32>,
}

impl AnchorView<'_, '_> {
    /// The positives as (squared distance, index), by ascending index.
    fn positives(&self) -> Vec<(f32, usize)> {
        let positives = self.groups.positives(self.anchor).map(|index| (self.row[index], index));
        positives.filter(|(distance, _)| !distance.is_nan()).collect()
    }

    /// Negatives that may be semi-hard for some positive: farther than the nearest positive and
    /// within the margin of the farthest.
    fn candidate_negatives(&self, positives: &[(f32, usize)]) -> impl Iterator<Item = (f32, usize)> {
        let nearest = positives.iter().fold(f32::INFINITY, |nearest, &(distance, _)| nearest.min(distance));
        let farthest = positives.iter().fold(f32::NEG_INFINITY, |farthest, &(distance, _)| farthest.max(distance));
        let bound = self.batch.violation_bound(farthest);
        let identities = self.batch.identities();
        let anchor_identity = identities[self.anchor];
        let candidates = self.row.iter().zip(identities).enumerate();
        candidates.filter_map(move |(index, (&distance, &identity))| {
            (distance > nearest && f64::from(distance) < bound && identity != anchor_identity)
                .then_some((distance, index))
        })
    }

    /// The nearest semi-hard negative of every positive that has one.
    fn hardest(&self) -> Vec<Triplet> {
        let mut positives = self.positives();
        positives.sort_unstable_by(|x, y| x.0.total_cmp(&y.0));
        // nearest[k]: the nearest negative farther than positive k but no farther than positive k +
        // 1.
        let mut nearest: Vec<Option<(f32, usize)>> = vec![None; positives.len()];
        for (distance, negative) in self.candidate_negatives(&positives) {
            let nearer = positives.partition_point(|positive| positive.0 < distance);
            let best = &mut nearest[nearer - 1];
            if best.is_none_or(|(least, _)| distance < least) {
                *best = Some((distance, negative));
            }
        }
        let mut triplets = Vec::with_capacity(positives.len());
        let mut next = None;
        for (&(anchor_positive, positive), nearest) in positives.iter().zip(&nearest).rev() {
            next = nearest.or(next);
            if let Some((anchor_negative, negative)) = next
                && f64::from(anchor_negative) < self.batch.violation_bound(anchor_positive)
            {
                triplets.push(Triplet { anchor: self.anchor, positive, negative });
            }
        }
        triplets.sort_unstable();
        triplets
    }

    /// A random semi-hard negative of every positive that has any.
    fn random(&self) -> Vec<Triplet> {
        let positives = self.positives();
        let mut negatives: Vec<(f32, usize)> = self.candidate_negatives(&positives).collect();
        negatives.sort_unstable_by(|x, y| x.0.total_cmp(&y.0).then(x.1.cmp(&y.1)));
        let mut generator = RandomStream::Negatives { anchor: self.anchor as u64 }.generator(self.batch.seed());
        let mut triplets = Vec::with_capacity(positives.len());
        for (anchor_positive, positive) in positives {
            let bound = self.batch.violation_bound(anchor_positive);
            let start = negatives.partition_point(|negative| negative.0 <= anchor_positive);
            let end = negatives.partition_point(|negative| f64::from(negative.0) < bound);
            if start < end {
                let (_, negative) = negatives[generator.gen_range(start..end)];
                triplets.push(Triplet { anchor: self.anchor, positive, negative });
            }
        }
        triplets
    }
}
