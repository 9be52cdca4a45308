//! Offline mining: subsets, triplets as indices into the data set, mini-batches for the loss.

use std::collections::{BTreeMap, BTreeSet};

use facenet_neighbors::pairwise_squared_distances;
use facenet_triplet::{
    BatchAll, Error, Miner, MiningBatch, NegativeChoice, OfflineSubset, OfflineTriplets, Reduction, SemiHard, Triplet,
    TripletLoss,
};
use ndarray::{Array2, Axis};
use ndarray_rand::RandomExt;
use ndarray_rand::rand::SeedableRng;
use ndarray_rand::rand_distr::StandardNormal;
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;

const SEMI_HARD: SemiHard = SemiHard { choice: NegativeChoice::Random };

fn embeddings(n: usize) -> Array2<f32> {
    Array2::random_using((n, 6), StandardNormal, &mut ChaCha8Rng::seed_from_u64(n as u64)) * 0.3
}

fn loss(margin: f32) -> TripletLoss<f32> {
    TripletLoss::new(margin, Reduction::Sum)
}

fn identities() -> Vec<usize> {
    (0..240).map(|i| i * 7 % 31).collect()
}

proptest! {
    #[test]
    fn subsets_always_contain_a_triplet(identities in prop::collection::vec(0_usize..9, 0..40), size in 0_usize..45, seed: u64) {
        match OfflineSubset::draw(&identities, size, seed, 3) {
            Ok(subset) => {
                prop_assert!(subset.images().is_sorted_by(|x, y| x < y));
                prop_assert_eq!(subset.images().len(), size.min(identities.len()));
                let mut counts = BTreeMap::<usize, usize>::new();
                for (&image, &identity) in subset.images().iter().zip(subset.identities()) {
                    prop_assert_eq!(identities[image], identity);
                    *counts.entry(identity).or_default() += 1;
                }
                prop_assert!(counts.len() >= 2 && counts.values().any(|&count| count >= 2));
            }
            Err(Error::TooFewImages { images }) => prop_assert!(images == size && size < 3),
            Err(Error::TooFewPeople { found }) => {
                prop_assert_eq!(identities.iter().collect::<BTreeSet<_>>().len(), found);
            }
            Err(error) => prop_assert_eq!(error, Error::NoPositivePair),
        }
    }

    #[test]
    fn batches_contain_every_triplet_once(size in 3_usize..120, capacity in 3_usize..40, round in 0_u64..50) {
        let subset = OfflineSubset::draw(&identities(), size, 1, round).unwrap();
        let mined = OfflineTriplets::mine(&subset, embeddings(size).view(), &SEMI_HARD, &loss(0.3), usize::MAX).unwrap();
        let batches = mined.batches(capacity).unwrap();
        let mut seen = Vec::new();
        for batch in &batches {
            prop_assert!(batch.images.len() <= capacity && !batch.triplets.is_empty());
            prop_assert_eq!(batch.images.iter().collect::<BTreeSet<_>>().len(), batch.images.len());
            let mut used = BTreeSet::new();
            for t in &batch.triplets {
                used.extend([t.anchor, t.positive, t.negative]);
                seen.push(Triplet {
                    anchor: batch.images[t.anchor],
                    positive: batch.images[t.positive],
                    negative: batch.images[t.negative],
                });
            }
            prop_assert!(used.into_iter().eq(0..batch.images.len()));
        }
        seen.sort_unstable();
        let mut expected = mined.triplets().to_vec();
        expected.sort_unstable();
        prop_assert_eq!(seen, expected);
        prop_assert_eq!(mined.batches(capacity).unwrap(), batches);
    }
}

#[test]
fn triplets_are_those_of_the_miner_as_indices_into_the_data_set() {
    let subset = OfflineSubset::draw(&identities(), 90, 2, 0).unwrap();
    let x = embeddings(90);
    let mined = OfflineTriplets::mine(&subset, x.view(), &BatchAll, &loss(0.2), usize::MAX).unwrap();
    let distances = pairwise_squared_distances(x.view()).unwrap();
    let mut expected = Vec::new();
    BatchAll.mine(&MiningBatch::new(distances.view(), subset.identities(), 0.2, 0), &mut |t| {
        let image = |i: usize| subset.images()[i];
        expected.push(Triplet { anchor: image(t.anchor), positive: image(t.positive), negative: image(t.negative) });
    });
    assert_eq!(mined.triplets(), expected);
    assert_eq!(mined.found(), expected.len() as u64);
    let identities = identities();
    assert!(
        mined.triplets().iter().all(|t| {
            identities[t.anchor] == identities[t.positive] && identities[t.anchor] != identities[t.negative]
        })
    );
}

#[test]
fn gradients_of_mini_batches_add_up_to_the_full_gradient() {
    let all = identities();
    let subset = OfflineSubset::draw(&all, 60, 3, 1).unwrap();
    let mined = OfflineTriplets::mine(&subset, embeddings(60).view(), &BatchAll, &loss(0.2), 500).unwrap();
    let x = embeddings(all.len()).mapv(f64::from);
    let mut loss = TripletLoss::new(0.2, Reduction::Sum);
    let mut gradient = |images: &[usize], triplets: &[Triplet]| {
        let x = x.select(Axis(0), images);
        let distances = pairwise_squared_distances(x.view()).unwrap();
        let mut dx = Array2::zeros(x.dim());
        let mut batch = loss.begin(distances.view());
        triplets.iter().for_each(|&triplet| batch.add(triplet));
        (batch.backward(x.view(), dx.view_mut()).loss, dx)
    };
    let everything: Vec<usize> = (0..all.len()).collect();
    let (whole, dwhole) = gradient(&everything, mined.triplets());
    let (mut sum, mut dsum) = (0.0, Array2::<f64>::zeros(x.dim()));
    for batch in mined.batches(20).unwrap() {
        let (loss, dx) = gradient(&batch.images, &batch.triplets);
        sum += loss;
        batch.images.iter().zip(dx.outer_iter()).for_each(|(&i, dx)| dsum.row_mut(i).scaled_add(1.0, &dx));
    }
    approx::assert_relative_eq!(sum, whole, max_relative = 1e-12);
    approx::assert_abs_diff_eq!(dsum, dwhole, epsilon = 1e-10);
}

#[test]
fn a_limit_keeps_a_uniform_sample() {
    let mut counts = BTreeMap::<Triplet, u32>::new();
    let rounds = 4_000;
    let identities = [0, 0, 1, 1, 2];
    for round in 0..rounds {
        let subset = OfflineSubset::draw(&identities, 5, 4, round).unwrap();
        let mined = OfflineTriplets::mine(&subset, Array2::zeros((5, 2)).view(), &BatchAll, &loss(0.2), 3).unwrap();
        assert_eq!((mined.found(), mined.triplets().len()), (12, 3));
        mined.triplets().iter().for_each(|&triplet| *counts.entry(triplet).or_default() += 1);
    }
    // Each in a quarter of the rounds, within five standard deviations of a binomial count.
    assert_eq!(counts.len(), 12);
    assert!(counts.values().all(|&count| (f64::from(count) - 1_000.0).abs() < 5.0 * 750_f64.sqrt()));
}

#[test]
fn draws_depend_on_round_and_seed_and_are_reproducible() {
    let draw = |seed, round| OfflineSubset::draw(&identities(), 50, seed, round).unwrap();
    assert_eq!(draw(1, 2), draw(1, 2));
    assert_ne!(draw(1, 2).images(), draw(1, 3).images());
    assert_ne!(draw(1, 2).images(), draw(2, 2).images());
    let mine =
        |round| OfflineTriplets::mine(&draw(1, round), embeddings(50).view(), &SEMI_HARD, &loss(0.2), 40).unwrap();
    assert_eq!(mine(2), mine(2));
    assert_ne!(mine(2).triplets(), mine(3).triplets());
}

#[test]
fn no_triplets_give_no_batches_and_a_batch_below_three_images_is_an_error() {
    let subset = OfflineSubset::draw(&[0, 0, 1], 3, 0, 0).unwrap();
    let mined = OfflineTriplets::mine(&subset, Array2::zeros((3, 2)).view(), &SEMI_HARD, &loss(0.2), 10).unwrap();
    assert_eq!(mined.batches(3), Ok(vec![]));
    assert_eq!(mined.batches(2), Err(Error::TooFewImages { images: 2 }));
}
