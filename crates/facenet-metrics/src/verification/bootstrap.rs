use crate::error::Error;
use crate::verification::pair::Pair;
use crate::verification::pair_scores::PairScores;
use ndarray_rand::rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;

/// Replicate r draws from stream `BOOTSTRAP_STREAM + r`.
const BOOTSTRAP_STREAM: u64 = u64::from_be_bytes(*b"boot\0\0\0\0");

/// Standard errors by bootstrap over identities.
///
/// Pairs that share an identity are not independent, so resampling pairs, or `sqrt(p(1-p)/n)`,
/// underestimates the error. Instead, identities are resampled with replacement. With `m_i` the
/// number of times identity i is drawn:
///
/// ```text
/// weight of a genuine pair of identity i       = m_i
/// weight of an impostor pair of identities i, j = m_i m_j
/// accuracy = genuine fraction * (weighted fraction of genuine pairs accepted)
///          + impostor fraction * (weighted fraction of impostor pairs rejected)
/// AUC      = Σ w_g w_i ([g < i] + [g = i] / 2) / (Σ w_g Σ w_i)
/// ```
///
/// Repeated draws of an identity count as separate identities, without pairs between them. The
/// fractions of genuine and impostor pairs stay those of the list, because the protocol fixes them.
/// A replicate without weight on either kind of pair is drawn again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdentityBootstrap {
    /// Number of resampled sets of identities, at least 2.
    pub replicates: usize,
    /// Seed of the draws. The same seed gives the same bits on any number of threads.
    pub seed: u64,
}

/// Standard deviation (n - 1) of scores over the bootstrap replicates.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct StandardErrors {
    /// Standard error of the accuracy at the given threshold.
    pub accuracy: f64,
    /// Standard error of the area under the ROC curve.
    pub auc: f64,
}

impl Default for IdentityBootstrap {
    /// 200 replicates, which estimate a standard error to about 5 %, and seed 0.
    fn default() -> IdentityBootstrap {
        IdentityBootstrap { replicates: 200, seed: 0 }
    }
}

impl IdentityBootstrap {
    /// Standard errors of the accuracy at a fixed threshold and of the AUC.
    ///
    /// `pairs[k]` is the pair behind the k-th score; `identities` holds the identity of each image.
    /// Only identities that occur in a pair are drawn.
    ///
    /// # Panics
    ///
    /// Panics if there are fewer than two replicates, if `scores` and `pairs` differ in length or
    /// in which pairs are genuine, or if `identities` contradicts them.
    #[track_caller]
    pub fn standard_errors(
        &self,
        scores: &PairScores,
        pairs: &[Pair],
        identities: &[usize],
        threshold: f64,
    ) -> StandardErrors {
        assert!(self.replicates >= 2, "need at least two replicates, got {}", self.replicates);
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

/// A pair with dense identity indices and the decision at the threshold.
#[derive(Clone, Copy)]
struct ScoredPair {
    identities: (usize, usize),
    genuine: bool,
    accepted: bool,
}

/// The pairs by ascending distance, grouped by equal distance.
struct Sample {
    groups: Vec<Vec<ScoredPair>>,
    identities: usize,
    genuine_fraction: f64,
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
        dense.values_mut().enumerate().for_each(|(index, value)| *value = index);
        let scored = |index: usize| {
            let (pair, genuine) = (pairs[index], scores.genuine()[index]);
            let dense_pair = (dense[&identities[pair.first]], dense[&identities[pair.second]]);
            assert!(
                pair.genuine == genuine && (dense_pair.0 == dense_pair.1) == genuine,
                "pair {index} is {pair:?} of identities {} and {}, but its score says genuine: {genuine}",
                identities[pair.first],
                identities[pair.second]
            );
            ScoredPair { identities: dense_pair, genuine, accepted: scores.squared_distances()[index] <= threshold }
        };
        let distance = |&index: &usize| scores.squared_distances()[index];
        Sample {
            groups: scores
                .order()
                .chunk_by(|a, b| distance(a) == distance(b))
                .map(|group| group.iter().map(|&index| scored(index)).collect())
                .collect(),
            identities: dense.len(),
            genuine_fraction: scores.genuine_pairs() as f64 / scores.len() as f64,
        }
    }

    /// The scores with identities weighted by their multiplicities.
    ///
    /// # Errors
    ///
    /// Fails if the genuine or the impostor pairs have no weight.
    fn replicate(&self, multiplicities: &[u64]) -> Result<Replicate, Error> {
        let (mut genuine, mut accepted_genuine, mut impostor, mut rejected_impostor) = (0u64, 0u64, 0u64, 0u64);
        // Twice Σ w_g w_i over genuine pairs *farther* than impostor pairs, plus ties once.
        let mut doubled_losses = 0u128;
        for group in &self.groups {
            let (mut group_genuine, mut group_impostor) = (0, 0);
            for pair in group {
                let first = multiplicities[pair.identities.0];
                if pair.genuine {
                    group_genuine += first;
                    accepted_genuine += if pair.accepted { first } else { 0 };
                } else {
                    let weight = first * multiplicities[pair.identities.1];
                    group_impostor += weight;
                    rejected_impostor += if pair.accepted { 0 } else { weight };
                }
            }
            doubled_losses += u128::from(group_genuine) * u128::from(2 * impostor + group_impostor);
            genuine += group_genuine;
            impostor += group_impostor;
        }
        if genuine == 0 {
            return Err(Error::NoGenuinePairs);
        }
        if impostor == 0 {
            return Err(Error::NoImpostorPairs);
        }
        let validation_rate = accepted_genuine as f64 / genuine as f64;
        let rejection_rate = rejected_impostor as f64 / impostor as f64;
        Ok(Replicate {
            accuracy: self.genuine_fraction * validation_rate + (1.0 - self.genuine_fraction) * rejection_rate,
            auc: 1.0 - doubled_losses as f64 / (2 * u128::from(genuine) * u128::from(impostor)) as f64,
        })
    }
}

/// Sample standard deviation (n - 1).
fn sample_deviation(values: impl ExactSizeIterator<Item = f64> + Clone) -> f64 {
    let count = values.len() as f64;
    let mean = values.clone().sum::<f64>() / count;
    (values.map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verification::pair::balanced_pairs;
    use approx::assert_abs_diff_eq;
    use proptest::prelude::*;

    #[test]
    fn sample_deviation_divides_by_n_minus_1() {
        assert_abs_diff_eq!(sample_deviation([1.0, 3.0].into_iter()), 2.0_f64.sqrt(), epsilon = 1e-15);
    }

    proptest! {
        /// Weighting a pair equals repeating it in the list.
        #[test]
        fn weights_equal_repetitions(
            people in proptest::collection::vec((0usize..6, 0u8..8), 4..14),
            multiplicities in proptest::collection::vec(0u64..4, 6),
            threshold in 0u8..8,
        ) {
            let identities: Vec<usize> = people.iter().map(|person| person.0 * 10).collect();
            let Ok(pairs) = balanced_pairs(&identities, 7) else { return Ok(()) };
            let distances: Vec<f32> = pairs.iter().map(|pair| f32::from(people[pair.first].1 ^ people[pair.second].1)).collect();
            let genuine: Vec<bool> = pairs.iter().map(|pair| pair.genuine).collect();
            let scores = PairScores::new(&distances, &genuine).unwrap();
            let sample = Sample::new(&scores, &pairs, &identities, threshold.into());

            // Dense indices follow the order of the identities that occur in pairs.
            let mut present: Vec<usize> = pairs.iter().flat_map(|pair| [pair.first, pair.second]).map(|p| identities[p]).collect();
            present.sort_unstable();
            present.dedup();
            let dense = |image: usize| present.binary_search(&identities[image]).unwrap();
            let (mut repeated_distances, mut repeated_genuine) = (vec![], vec![]);
            for (pair, &distance) in pairs.iter().zip(&distances) {
                let (a, b) = (multiplicities[dense(pair.first)], multiplicities[dense(pair.second)]);
                for _ in 0..(if pair.genuine { a } else { a * b }) {
                    repeated_distances.push(distance);
                    repeated_genuine.push(pair.genuine);
                }
            }
            match (sample.replicate(&multiplicities[..present.len()]), PairScores::new(&repeated_distances, &repeated_genuine)) {
                (Ok(replicate), Ok(repeated)) => {
                    assert_abs_diff_eq!(replicate.auc, repeated.roc().auc(), epsilon = 1e-12);
                    let rate = |kind: bool, accepted: bool| {
                        let of_kind: Vec<f64> = repeated_genuine.iter().zip(&repeated_distances)
                            .filter(|(genuine, _)| **genuine == kind).map(|(_, d)| f64::from(*d)).collect();
                        of_kind.iter().filter(|d| (**d <= f64::from(threshold)) == accepted).count() as f64 / of_kind.len() as f64
                    };
                    let fraction = scores.genuine_pairs() as f64 / scores.len() as f64;
                    let accuracy = fraction * rate(true, true) + (1.0 - fraction) * rate(false, false);
                    assert_abs_diff_eq!(replicate.accuracy, accuracy, epsilon = 1e-12);
                }
                (Err(one), Err(other)) => prop_assert_eq!(one, other),
                (one, other) => panic!("{one:?} but {other:?}"),
            }
        }
    }
}
