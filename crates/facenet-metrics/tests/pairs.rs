//! Pair lists and the bootstrap over identities.

use approx::assert_abs_diff_eq;
use facenet_metrics::*;
use ndarray::{Array2, array};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

proptest! {
    #[test]
    fn all_same_pairs_and_as_many_others(identities in proptest::collection::vec(0usize..7, 0..40), seed in any::<u64>()) {
        let (mut same, mut different) = (vec![], BTreeSet::new());
        for first in 0..identities.len() {
            for second in first + 1..identities.len() {
                if identities[first] == identities[second] {
                    same.push(Pair { first, second, same: true });
                } else {
                    different.insert(Pair { first, second, same: false });
                }
            }
        }
        let result = balanced_pairs(&identities, seed);
        if same.is_empty() {
            prop_assert_eq!(result, Err(Error::NoSamePairs));
            return Ok(());
        }
        if different.is_empty() {
            prop_assert_eq!(result, Err(Error::NoDifferentPairs));
            return Ok(());
        }
        let pairs = result.unwrap();
        let (head, tail) = pairs.split_at(same.len());
        prop_assert_eq!(head, &same[..]);
        prop_assert_eq!(tail.len(), same.len().min(different.len()));
        prop_assert!(tail.iter().all(|pair| different.contains(pair)));
        prop_assert!(tail.windows(2).all(|w| w[0] < w[1]), "sorted, hence without repetition");
        prop_assert_eq!(&pairs, &balanced_pairs(&identities, seed).unwrap());
    }
}

/// Each pair of different identities is as likely as any other, though the groups differ in size.
#[test]
fn different_pairs_are_uniform() {
    let identities = [3, 1, 1, 2, 1, 3, 2];
    let mut counts = BTreeMap::new();
    let draws = 4000u32;
    for seed in 0..draws.into() {
        for pair in balanced_pairs(&identities, seed).unwrap().into_iter().filter(|pair| !pair.same) {
            *counts.entry(pair).or_insert(0u32) += 1;
        }
    }
    // 5 of 16 at a time; six standard deviations of a binomial count.
    assert_eq!(counts.len(), 16);
    let (mean, deviation) = (f64::from(draws) * 5.0 / 16.0, (f64::from(draws) * 5.0 / 16.0 * 11.0 / 16.0).sqrt());
    for (pair, count) in counts {
        assert!((f64::from(count) - mean).abs() < 6.0 * deviation, "{pair:?} was drawn {count} times of {draws}");
    }
}

#[test]
fn thousands_of_pictures() {
    // 20,000 pictures have 200 million pairs.
    let identities: Vec<usize> = (0..20_000).map(|i| i * 7919 % 2000).collect();
    let pairs = balanced_pairs(&identities, 5).unwrap();
    assert_eq!(pairs.len(), 2 * 2000 * 45);
    assert_ne!(pairs, balanced_pairs(&identities, 6).unwrap());
    let distinct: BTreeSet<(usize, usize)> = pairs.iter().map(|pair| (pair.first, pair.second)).collect();
    assert_eq!(distinct.len(), pairs.len());
    assert!(pairs.iter().all(|pair| pair.same == (identities[pair.first] == identities[pair.second])));
}

#[test]
fn distances_of_pairs() {
    let embeddings = array![[1.0_f32, 2.0], [4.0, 6.0], [1.0, 2.5]];
    let pair = |first, second| Pair { first, second, same: true };
    assert_eq!(squared_distances(embeddings.view(), &[pair(0, 1), pair(2, 0), pair(1, 1)]), [25.0, 0.25, 0.0]);
}

#[test]
#[should_panic(expected = "beyond embeddings of shape [2, 4]")]
fn a_pair_beyond_the_rows() {
    squared_distances(Array2::zeros((2, 4)).view(), &[Pair { first: 0, second: 2, same: true }]);
}

/// People with `pictures` each whose pairs of the same identity are accepted by a coin per person; all other pairs are rejected.
fn coin_people(people: usize, pictures: usize) -> (PairScores, Vec<Pair>, Vec<usize>) {
    let identities: Vec<usize> = (0..people * pictures).map(|picture| picture / pictures).collect();
    let pairs = balanced_pairs(&identities, 0).unwrap();
    let same: Vec<bool> = pairs.iter().map(|pair| pair.same).collect();
    let accepted = |person: usize| person.is_multiple_of(4);
    let distances: Vec<f64> =
        pairs.iter().map(|p| if p.same && accepted(identities[p.first]) { 0.5 } else { 1.5 }).collect();
    (PairScores::new(&distances, &same).unwrap(), pairs, identities)
}

/// With one outcome per person, the standard error is that of as many coins as there are people, however many pairs each has.
#[test]
fn bootstrap_counts_people_not_pairs() {
    let bootstrap = IdentityBootstrap { replicates: 2000, seed: 3 };
    let expected = (0.25 * 0.75 / 200.0_f64).sqrt();
    for pictures in [2, 6] {
        let (scores, pairs, identities) = coin_people(200, pictures);
        let errors = bootstrap.standard_errors(&scores, &pairs, &identities, 1.0);
        // Half the pairs are of the same identity. 2,000 replicates know a deviation to 1.6 %.
        assert_abs_diff_eq!(errors.accuracy, expected / 2.0, epsilon = 0.08 * expected / 2.0);
        // The AUC is the accepted share plus half of the rest, which ties.
        assert_abs_diff_eq!(errors.auc, expected / 2.0, epsilon = 0.08 * expected / 2.0);
    }
}

#[test]
fn bootstrap_is_deterministic() {
    let (scores, pairs, identities) = coin_people(20, 3);
    let run = |threads: usize, seed: u64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let bootstrap = IdentityBootstrap { seed, ..IdentityBootstrap::default() };
        pool.install(|| bootstrap.standard_errors(&scores, &pairs, &identities, 1.0))
    };
    assert_eq!(run(1, 4), run(3, 4));
    assert_ne!(run(1, 4), run(1, 5));
}

/// Two people only: half of the draws hold one of them alone, and are drawn again.
#[test]
fn bootstrap_of_two_people() {
    let identities = [8, 8, 9, 9];
    let pairs = balanced_pairs(&identities, 0).unwrap();
    let same: Vec<bool> = pairs.iter().map(|pair| pair.same).collect();
    let scores = PairScores::new(&[0.1, 0.9, 0.5, 0.6], &same).unwrap();
    let errors = IdentityBootstrap::default().standard_errors(&scores, &pairs, &identities, 0.55);
    assert_eq!(errors, StandardErrors { accuracy: 0.0, auc: 0.0 });
}

#[test]
#[should_panic(expected = "its score says same: true")]
fn bootstrap_checks_the_identities() {
    let pairs = [Pair { first: 0, second: 1, same: true }, Pair { first: 0, second: 2, same: false }];
    let scores = PairScores::new(&[0.1, 0.9], &[true, false]).unwrap();
    IdentityBootstrap::default().standard_errors(&scores, &pairs, &[1, 2, 3], 0.5);
}
