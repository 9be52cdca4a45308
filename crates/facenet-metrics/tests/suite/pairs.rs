//! Pair lists and the bootstrap over identities.

use approx::assert_abs_diff_eq;
use facenet_metrics::*;
use ndarray::{Array2, array};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

proptest! {
    #[test]
    fn all_genuine_pairs_and_as_many_impostor_pairs(identities in proptest::collection::vec(0usize..7, 0..40), seed in any::<u64>()) {
        let (mut genuine, mut impostors) = (vec![], BTreeSet::new());
        for first in 0..identities.len() {
            for second in first + 1..identities.len() {
                if identities[first] == identities[second] {
                    genuine.push(Pair { first, second, genuine: true });
                } else {
                    impostors.insert(Pair { first, second, genuine: false });
                }
            }
        }
        let result = balanced_pairs(&identities, seed);
        if genuine.is_empty() {
            prop_assert_eq!(result, Err(Error::NoGenuinePairs));
            return Ok(());
        }
        if impostors.is_empty() {
            prop_assert_eq!(result, Err(Error::NoImpostorPairs));
            return Ok(());
        }
        let pairs = result.unwrap();
        let (head, tail) = pairs.split_at(genuine.len());
        prop_assert_eq!(head, &genuine[..]);
        prop_assert_eq!(tail.len(), genuine.len().min(impostors.len()));
        prop_assert!(tail.iter().all(|pair| impostors.contains(pair)));
        prop_assert!(tail.windows(2).all(|w| w[0] < w[1]), "sorted and distinct");
        prop_assert_eq!(&pairs, &balanced_pairs(&identities, seed).unwrap());
    }
}

/// Every impostor pair is equally likely, although the identities have different numbers of images.
#[test]
fn impostor_pairs_are_uniform() {
    let identities = [3, 1, 1, 2, 1, 3, 2];
    let mut counts = BTreeMap::new();
    let draws = 4000u32;
    for seed in 0..draws.into() {
        for pair in balanced_pairs(&identities, seed).unwrap().into_iter().filter(|pair| !pair.genuine) {
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
fn thousands_of_images_are_sampled_without_enumerating_their_pairs() {
    // 20,000 images have 200 million pairs.
    let identities: Vec<usize> = (0..20_000).map(|i| i * 7919 % 2000).collect();
    let pairs = balanced_pairs(&identities, 5).unwrap();
    assert_eq!(pairs.len(), 2 * 2000 * 45);
    assert_ne!(pairs, balanced_pairs(&identities, 6).unwrap());
    let distinct: BTreeSet<(usize, usize)> = pairs.iter().map(|pair| (pair.first, pair.second)).collect();
    assert_eq!(distinct.len(), pairs.len());
    assert!(pairs.iter().all(|pair| pair.genuine == (identities[pair.first] == identities[pair.second])));
}

#[test]
fn distances_of_pairs_equal_the_definition() {
    let embeddings = array![[1.0_f32, 2.0], [4.0, 6.0], [1.0, 2.5]];
    let pair = |first, second| Pair { first, second, genuine: true };
    assert_eq!(squared_distances_of_pairs(embeddings.view(), &[pair(0, 1), pair(2, 0), pair(1, 1)]), [25.0, 0.25, 0.0]);
}

#[test]
fn scores_from_embeddings_equal_scores_from_distances() {
    let embeddings = Array2::from_shape_fn((12, 7), |(i, j)| ((i * 7 + j) as f32).sin());
    let pairs = balanced_pairs(&[0, 0, 0, 1, 1, 2, 2, 2, 2, 3, 4, 4], 3).unwrap();
    let scores = PairScores::from_embeddings(embeddings.view(), &pairs).unwrap();
    assert_eq!(scores.squared_distances(), squared_distances_of_pairs(embeddings.view(), &pairs));
    assert!(scores.genuine().iter().copied().eq(pairs.iter().map(|pair| pair.genuine)));
}

#[test]
#[should_panic(expected = "is out of bounds for embeddings of shape [2, 4]")]
fn an_out_of_bounds_pair_panics() {
    squared_distances_of_pairs(Array2::zeros((2, 4)).view(), &[Pair { first: 0, second: 2, genuine: true }]);
}

/// People with `images` images each. All genuine pairs of every fourth person are accepted; all
/// other pairs are rejected.
fn coin_people(people: usize, images: usize) -> (PairScores, Vec<Pair>, Vec<usize>) {
    let identities: Vec<usize> = (0..people * images).map(|image| image / images).collect();
    let pairs = balanced_pairs(&identities, 0).unwrap();
    let genuine: Vec<bool> = pairs.iter().map(|pair| pair.genuine).collect();
    let accepted = |person: usize| person.is_multiple_of(4);
    let distances: Vec<f64> =
        pairs.iter().map(|p| if p.genuine && accepted(identities[p.first]) { 0.5 } else { 1.5 }).collect();
    (PairScores::new(&distances, &genuine).unwrap(), pairs, identities)
}

/// With one outcome per person, the standard error is that of one Bernoulli trial per person,
/// regardless of the number of pairs.
#[test]
fn bootstrap_resamples_identities_not_pairs() {
    let bootstrap = IdentityBootstrap { replicates: 2000, seed: 3 };
    let expected = (0.25 * 0.75 / 200.0_f64).sqrt();
    for images in [2, 6] {
        let (scores, pairs, identities) = coin_people(200, images);
        let errors = bootstrap.standard_errors(&scores, &pairs, &identities, 1.0);
        // Half of the pairs are genuine. 2,000 replicates estimate a deviation to 1.6 %.
        assert_abs_diff_eq!(errors.accuracy, expected / 2.0, epsilon = 0.08 * expected / 2.0);
        // The AUC is the accepted fraction plus half of the rest, which ties.
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

/// With two people half of the draws contain only one of them and are repeated.
#[test]
fn bootstrap_repeats_draws_without_impostor_pairs() {
    let identities = [8, 8, 9, 9];
    let pairs = balanced_pairs(&identities, 0).unwrap();
    let genuine: Vec<bool> = pairs.iter().map(|pair| pair.genuine).collect();
    let scores = PairScores::new(&[0.1, 0.9, 0.5, 0.6], &genuine).unwrap();
    let errors = IdentityBootstrap::default().standard_errors(&scores, &pairs, &identities, 0.55);
    assert_eq!(errors, StandardErrors { accuracy: 0.0, auc: 0.0 });
}

#[test]
#[should_panic(expected = "its score says genuine: true")]
fn contradicting_identities_panic() {
    let pairs = [Pair { first: 0, second: 1, genuine: true }, Pair { first: 0, second: 2, genuine: false }];
    let scores = PairScores::new(&[0.1, 0.9], &[true, false]).unwrap();
    IdentityBootstrap::default().standard_errors(&scores, &pairs, &[1, 2, 3], 0.5);
}
