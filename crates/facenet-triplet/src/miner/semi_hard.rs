use ndarray::{ArrayView1, Axis};
use ndarray_rand::rand::Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::draw::Draw;
use crate::identity_groups::IdentityGroups;
use crate::{MinedBatch, Miner, Triplet};

/// Anchors mined at a time: bounds the memory of triplets found and not yet handed over.
const ANCHORS: usize = 256;

/// The paper's miner: all ordered anchor-positive pairs, each with a negative farther away than the positive yet within
/// the margin.
///
/// ```text
/// d(a, p) < d(a, n) < d(a, p) + margin
/// ```
///
/// Both bounds are strict. A pair without such a negative gives no triplet, and no pair more than one. Ordered by anchor,
/// then positive. For `n` embeddings with `k` of each identity: `O(n^2 log k)` time with [`NegativeChoice::Hardest`],
/// `O(n^2 log n)` with [`NegativeChoice::Random`], `O(n k)` memory, parallel over anchors.
///
/// Source: the paper, section 3.2, equation 4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SemiHard {
    /// Which of the negatives of a pair.
    pub choice: NegativeChoice,
}

/// Which one of several semi-hard negatives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NegativeChoice {
    /// The nearest to the anchor, the lowest index of equals.
    #[default]
    Hardest,
    /// Any with the same probability, drawn with the batch's seed.
    Random,
}

impl Miner for SemiHard {
    fn mine(&self, batch: &MinedBatch<'_>, sink: &mut dyn FnMut(Triplet)) {
        let groups = IdentityGroups::new(batch.identities());
        for start in (0..batch.len()).step_by(ANCHORS) {
            let anchors = start..(start + ANCHORS).min(batch.len());
            let found: Vec<Vec<Triplet>> = anchors
                .into_par_iter()
                .map(|anchor| {
                    let view = Anchor {
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
            found.into_iter().flatten().for_each(&mut *sink);
        }
    }
}

/// One anchor's view of the batch.
struct Anchor<'a, 'b> {
    batch: &'a MinedBatch<'b>,
    groups: &'a IdentityGroups,
    anchor: usize,
    row: ArrayView1<'b, f32>,
}

impl Anchor<'_, '_> {
    /// The positives with their squared distances, in ascending order of the index.
    fn positives(&self) -> Vec<(f32, usize)> {
        let positives = self.groups.positives(self.anchor).map(|index| (self.row[index], index));
        positives.filter(|(distance, _)| !distance.is_nan()).collect()
    }

    /// The negatives that are semi-hard for at least one of the positives, or may be: beyond the nearest positive and in
    /// reach of the farthest.
    fn negatives(&self, positives: &[(f32, usize)]) -> impl Iterator<Item = (f32, usize)> {
        let nearest = positives.iter().fold(f32::INFINITY, |nearest, &(distance, _)| nearest.min(distance));
        let farthest = positives.iter().fold(f32::NEG_INFINITY, |farthest, &(distance, _)| farthest.max(distance));
        let reach = self.batch.reach(farthest);
        let identities = self.batch.identities();
        let person = identities[self.anchor];
        let negatives = self.row.iter().zip(identities).enumerate();
        negatives.filter_map(move |(index, (&distance, &identity))| {
            (distance > nearest && f64::from(distance) < reach && identity != person).then_some((distance, index))
        })
    }

    /// The nearest semi-hard negative of every positive that has one.
    fn hardest(&self) -> Vec<Triplet> {
        let mut positives = self.positives();
        positives.sort_unstable_by(|x, y| x.0.total_cmp(&y.0));
        // nearest[k]: the nearest negative farther than positive k, but not farther than positive k + 1.
        let mut nearest: Vec<Option<(f32, usize)>> = vec![None; positives.len()];
        for (distance, negative) in self.negatives(&positives) {
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
                && f64::from(anchor_negative) < self.batch.reach(anchor_positive)
            {
                triplets.push(Triplet { anchor: self.anchor, positive, negative });
            }
        }
        triplets.sort_unstable();
        triplets
    }

    /// One of the semi-hard negatives of every positive that has any.
    fn random(&self) -> Vec<Triplet> {
        let positives = self.positives();
        let mut negatives: Vec<(f32, usize)> = self.negatives(&positives).collect();
        negatives.sort_unstable_by(|x, y| x.0.total_cmp(&y.0).then(x.1.cmp(&y.1)));
        let mut generator = Draw::Negatives { anchor: self.anchor as u64 }.generator(self.batch.seed());
        let mut triplets = Vec::with_capacity(positives.len());
        for (anchor_positive, positive) in positives {
            let reach = self.batch.reach(anchor_positive);
            let start = negatives.partition_point(|negative| negative.0 <= anchor_positive);
            let end = negatives.partition_point(|negative| f64::from(negative.0) < reach);
            if start < end {
                let (_, negative) = negatives[generator.gen_range(start..end)];
                triplets.push(Triplet { anchor: self.anchor, positive, negative });
            }
        }
        triplets
    }
}
