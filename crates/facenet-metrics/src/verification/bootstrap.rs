use crate::{Error, Pair, PairScores};
use ndarray_rand::rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;

/// Replicate r draws from stream `BOOTSTRAP_STREAM + r`.
const BOOTSTRAP_STREAM: u64 = u64::from_be_bytes(*b"boot\0\0\0\0");

/// Standard errors by bootstrap over identities.
///
/// Pairs that share a person are not independent, so resampling pairs, or `sqrt(p(1-p)/n)`, promises too much. Here people are drawn with
/// replacement, as many as there are, and everything else follows: with `m_i` the number of times that identity i was drawn,
///
/// ```text
/// weight of a pair of the same identity i          = m_i
/// weight of a pair of different identities i, j    = m_i m_j
/// accuracy = share_same * (weighted share of same pairs accepted) + share_different * (weighted share of different pairs rejected)
/// AUC      = Σ w_s w_d ([s < d] + [s = d] / 2) / (Σ w_s Σ w_d)
/// ```
///
/// Two copies of one person count as two people, and pairs across the copies are left out. The shares of both kinds stay as they are in the
/// list: they belong to the protocol, not to chance. A draw that leaves one kind without weight is drawn again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdentityBootstrap {
    /// Number of resampled sets of identities, at least 2.
    pub replicates: usize,
    /// Seed of the draws: the same seed gives the same bits on any number of threads.
    pub seed: u64,
}

/// Standard deviation (n - 1) of scores over the bootstrap's replicates.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct StandardErrors {
    /// Of the accuracy at the given threshold.
    pub accuracy: f64,
    /// Of the area under the ROC curve.
    pub auc: f64,
}

impl Default for IdentityBootstrap {
    /// 200 replicates, which know a standard error to about 5 %, and seed 0.
    fn default() -> IdentityBootstrap {
        IdentityBootstrap { replicates: 200, seed: 0 }
    }
}

impl IdentityBootstrap {
    /// Standard errors of the accuracy at a fixed threshold and of the AUC.
    ///
    /// `pairs[k]` are the two pictures whose distance is the k-th score; `identities` holds the identity of each picture. Only identities
    /// that occur in a pair are drawn.
    ///
    /// # Panics
    /// If there are fewer than two replicates, if `scores` and `pairs` differ in length or in what they call "same",
    /// or if `identities` does not bear that out.
    #[track_caller]
    pub fn standard_errors(
        &self,
        scores: &PairScores,
        pairs: &[Pair],
        identities: &[usize],
        threshold: f64,
    ) -> StandardErrors {
        assert!(self.replicates >= 2, "{} replicates have no spread", self.replicates);
        let sample = Sample::new(scores, pairs, identities, threshold);
        let replicates: Vec<Replicate> = (0..self.replicates)
            .into_par_iter()
            .map(|replicate| {
                let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
                rng.set_stream(BOOTSTRAP_STREAM + replicate as u64);
                loop {
                    let mut multiplicities = vec![0u64; sample.identities];
                    for _ in 0..sample.identities {
                        multiplicities[rng.gen_range(0..sample.identities as u64) as usize] += 1;
                    }
                    if let Ok(replicate) = sample.replicate(&multiplicities) {
                        return replicate;
                    }
                }
            })
            .collect();
        StandardErrors {
            accuracy: sample_deviation(replicates.iter().map(|replicate| replicate.accuracy)),
            auc: sample_deviation(replicates.iter().map(|replicate| replicate.auc)),
        }
    }
}

/// A pair as the bootstrap sees it; `people` are dense numbers, equal where `same`.
#[derive(Clone, Copy)]
struct Scored {
    people: (usize, usize),
    same: bool,
    accepted: bool,
}

/// Pairs by rising distance, in groups of equal distance.
struct Sample {
    groups: Vec<Vec<Scored>>,
    identities: usize,
    share_same: f64,
}

#[derive(Clone, Copy, Debug)]
struct Replicate {
    accuracy: f64,
    auc: f64,
}

impl Sample {
    #[track_caller]
    fn new(scores: &PairScores, pairs: &[Pair], identities: &[usize], threshold: f64) -> Sample {
        assert_eq!(scores.len(), pairs.len(), "{} scores, {} pairs", scores.len(), pairs.len());
        let mut dense: BTreeMap<usize, usize> =
            pairs.iter().flat_map(|pair| [identities[pair.first], identities[pair.second]]).map(|id| (id, 0)).collect();
        dense.values_mut().enumerate().for_each(|(number, value)| *value = number);
        let scored = |index: usize| {
            let (pair, same) = (pairs[index], scores.same()[index]);
            let people = (dense[&identities[pair.first]], dense[&identities[pair.second]]);
            assert!(
                pair.same == same && (people.0 == people.1) == same,
                "pair {index} is {pair:?} of identities {} and {}, its score says same: {same}",
                identities[pair.first],
                identities[pair.second]
            );
            Scored { people, same, accepted: scores.squared_distances()[index] <= threshold }
        };
        let distance = |&index: &usize| scores.squared_distances()[index];
        Sample {
            groups: scores
                .order()
                .chunk_by(|a, b| distance(a) == distance(b))
                .map(|group| group.iter().map(|&index| scored(index)).collect())
                .collect(),
            identities: dense.len(),
            share_same: scores.same_pairs() as f64 / scores.len() as f64,
        }
    }

    /// The scores under weights.
    ///
    /// # Errors
    /// If the pairs of one kind have no weight.
    fn replicate(&self, multiplicities: &[u64]) -> Result<Replicate, Error> {
        let (mut same, mut accepted_same, mut different, mut rejected_different) = (0u64, 0u64, 0u64, 0u64);
        // Twice Σ w_s w_d over same pairs *farther* than different ones, ties once.
        let mut doubled_losses = 0u128;
        for group in &self.groups {
            let (mut group_same, mut group_different) = (0, 0);
            for pair in group {
                let first = multiplicities[pair.people.0];
                if pair.same {
                    group_same += first;
                    accepted_same += if pair.accepted { first } else { 0 };
                } else {
                    let weight = first * multiplicities[pair.people.1];
                    group_different += weight;
                    rejected_different += if pair.accepted { 0 } else { weight };
                }
            }
            doubled_losses += u128::from(group_same) * u128::from(2 * different + group_different);
            same += group_same;
            different += group_different;
        }
        if same == 0 {
            return Err(Error::NoSamePairs);
        }
        if different == 0 {
            return Err(Error::NoDifferentPairs);
        }
        let validation_rate = accepted_same as f64 / same as f64;
        let rejection_rate = rejected_different as f64 / different as f64;
        Ok(Replicate {
            accuracy: self.share_same * validation_rate + (1.0 - self.share_same) * rejection_rate,
            auc: 1.0 - doubled_losses as f64 / (2 * u128::from(same) * u128::from(different)) as f64,
        })
    }
}

fn sample_deviation(values: impl ExactSizeIterator<Item = f64> + Clone) -> f64 {
    let count = values.len() as f64;
    let mean = values.clone().sum::<f64>() / count;
    (values.map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balanced_pairs;
    use approx::assert_abs_diff_eq;
    use proptest::prelude::*;

    #[test]
    fn deviation_of_a_sample() {
        assert_abs_diff_eq!(sample_deviation([1.0, 3.0].into_iter()), 2.0_f64.sqrt(), epsilon = 1e-15);
    }

    proptest! {
        /// Weights are what a list gives in which each pair stands that many times.
        #[test]
        fn weights_are_repetitions(
            people in proptest::collection::vec((0usize..6, 0u8..8), 4..14),
            multiplicities in proptest::collection::vec(0u64..4, 6),
            threshold in 0u8..8,
        ) {
            let identities: Vec<usize> = people.iter().map(|person| person.0 * 10).collect();
            let Ok(pairs) = balanced_pairs(&identities, 7) else { return Ok(()) };
            let distances: Vec<f32> = pairs.iter().map(|pair| f32::from(people[pair.first].1 ^ people[pair.second].1)).collect();
            let same: Vec<bool> = pairs.iter().map(|pair| pair.same).collect();
            let scores = PairScores::new(&distances, &same).unwrap();
            let sample = Sample::new(&scores, &pairs, &identities, threshold.into());

            // Dense numbers follow the order of the identities that occur in pairs.
            let mut present: Vec<usize> = pairs.iter().flat_map(|pair| [pair.first, pair.second]).map(|p| identities[p]).collect();
            present.sort_unstable();
            present.dedup();
            let number = |picture: usize| present.binary_search(&identities[picture]).unwrap();
            let (mut repeated_distances, mut repeated_same) = (vec![], vec![]);
            for (pair, &distance) in pairs.iter().zip(&distances) {
                let (a, b) = (multiplicities[number(pair.first)], multiplicities[number(pair.second)]);
                for _ in 0..(if pair.same { a } else { a * b }) {
                    repeated_distances.push(distance);
                    repeated_same.push(pair.same);
                }
            }
            match (sample.replicate(&multiplicities[..present.len()]), PairScores::new(&repeated_distances, &repeated_same)) {
                (Ok(replicate), Ok(repeated)) => {
                    assert_abs_diff_eq!(replicate.auc, repeated.roc().auc(), epsilon = 1e-12);
                    let rate = |kind: bool, accepted: bool| {
                        let of_kind: Vec<f64> = repeated_same.iter().zip(&repeated_distances)
                            .filter(|(same, _)| **same == kind).map(|(_, d)| f64::from(*d)).collect();
                        of_kind.iter().filter(|d| (**d <= f64::from(threshold)) == accepted).count() as f64 / of_kind.len() as f64
                    };
                    let share = scores.same_pairs() as f64 / scores.len() as f64;
                    let accuracy = share * rate(true, true) + (1.0 - share) * rate(false, false);
                    assert_abs_diff_eq!(replicate.accuracy, accuracy, epsilon = 1e-12);
                }
                (Err(one), Err(other)) => prop_assert_eq!(one, other),
                (one, other) => panic!("{one:?} beside {other:?}"),
            }
        }
    }
}
