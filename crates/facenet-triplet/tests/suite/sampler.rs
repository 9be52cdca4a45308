//! The documented guarantees of the sampler's batches.

use std::collections::{BTreeMap, BTreeSet};

use facenet_triplet::{BatchShape, Error, IdentitySampler};
use proptest::prelude::*;

fn shape(people: usize, faces: usize, negatives: usize) -> BatchShape {
    BatchShape { people, faces, negatives }
}

fn images_per_identity(identities: &[usize]) -> BTreeMap<usize, usize> {
    let mut counts = BTreeMap::new();
    identities.iter().for_each(|&identity| *counts.entry(identity).or_default() += 1);
    counts
}

proptest! {
    #[test]
    fn batches_and_epochs_keep_the_documented_guarantees(
        identities in prop::collection::vec(0_usize..15, 2..120),
        people in 1_usize..9,
        faces in 2_usize..7,
        negatives in 0_usize..6,
        seed: u64,
    ) {
        let available = images_per_identity(&identities);
        let Ok(sampler) = IdentitySampler::new(&identities, shape(people, faces, negatives)) else {
            let eligible = available.values().filter(|&&count| count >= 2).count();
            prop_assert!(available.len() < 2 || eligible < people || (people == 1 && negatives == 0));
            return Ok(());
        };
        for epoch in 0..3 {
            let mut visits = BTreeMap::<usize, usize>::new();
            for step in epoch * sampler.steps_per_epoch()..(epoch + 1) * sampler.steps_per_epoch() {
                let batch = sampler.batch(seed, step);
                prop_assert_eq!(&batch, &sampler.batch(seed, step));
                prop_assert_eq!(batch.iter().collect::<BTreeSet<_>>().len(), batch.len());
                // Identity by identity, each with the requested number of faces or all it has.
                let mut rest = &batch[..];
                let mut seen = BTreeSet::new();
                for _ in 0..people {
                    let person = identities[rest[0]];
                    let given = available[&person].min(faces);
                    prop_assert!(given >= 2 && seen.insert(person));
                    prop_assert!(rest[..given].iter().all(|&image| identities[image] == person));
                    rest = &rest[given..];
                    *visits.entry(person).or_default() += 1;
                }
                let others: usize = available.iter().filter(|(person, _)| !seen.contains(person)).map(|x| x.1).sum();
                prop_assert_eq!(rest.len(), negatives.min(others));
                prop_assert!(rest.iter().all(|&image| !seen.contains(&identities[image])));
            }
            prop_assert_eq!(visits.len(), available.values().filter(|&&count| count >= 2).count());
            prop_assert!(visits.values().all(|&count| count == 1 || count == 2));
        }
    }
}

#[test]
fn people_and_images_are_visited_about_equally() {
    // 11 people with 7 images, batches of 4 people with 3 faces: 3 steps per epoch make 12 visits,
    // one more than there are people.
    let identities: Vec<usize> = (0..77).map(|i| i % 11).collect();
    let sampler = IdentitySampler::new(&identities, shape(4, 3, 2)).unwrap();
    let (mut people, mut images, mut negatives) = ([0_u32; 11], [0_u32; 77], [0_u32; 77]);
    let epochs = 2_000;
    for step in 0..epochs * sampler.steps_per_epoch() {
        let batch = sampler.batch(5, step);
        batch[..12].iter().step_by(3).for_each(|&image| people[identities[image]] += 1);
        batch[..12].iter().for_each(|&image| images[image] += 1);
        batch[12..].iter().for_each(|&image| negatives[image] += 1);
    }
    let near = |counts: &[u32], total: f64| {
        let expected = total / counts.len() as f64;
        counts.iter().all(|&count| (f64::from(count) - expected).abs() < 5.0 * expected.sqrt())
    };
    assert!(people.iter().all(|&count| count >= 2_000));
    assert!(near(&people, 24_000.0) && near(&images, 72_000.0) && near(&negatives, 12_000.0));
}

#[test]
fn seeds_steps_and_epochs_differ() {
    let identities: Vec<usize> = (0..400).map(|i| i / 10).collect();
    let sampler = IdentitySampler::new(&identities, shape(8, 4, 4)).unwrap();
    let batches: BTreeSet<Vec<usize>> =
        (0..4).flat_map(|seed| (0..20).map(move |step| (seed, step))).map(|(s, t)| sampler.batch(s, t)).collect();
    assert_eq!(batches.len(), 80);
    // The largest seed and step do not overflow.
    assert_eq!(sampler.batch(u64::MAX, u64::MAX).len(), 36);
}

#[test]
fn data_sets_and_shapes_without_triplets_are_errors() {
    let error = |identities: &[usize], shape| IdentitySampler::new(identities, shape).unwrap_err();
    assert_eq!(error(&[], shape(2, 2, 0)), Error::TooFewPeople { found: 0 });
    assert_eq!(error(&[4, 4, 4], shape(1, 2, 1)), Error::TooFewPeople { found: 1 });
    assert_eq!(error(&[1, 2, 3], shape(2, 2, 0)), Error::NoPositivePair);
    assert_eq!(error(&[1, 1, 2], shape(2, 2, 0)), Error::TooFewPeopleForBatch { requested: 2, found: 1 });
    assert_eq!(error(&[1, 1, 2], shape(1, 2, 0)), Error::BatchWithoutTriplets { people: 1, negatives: 0 });
    assert_eq!(error(&[1, 1, 2], shape(0, 2, 9)), Error::BatchWithoutTriplets { people: 0, negatives: 9 });
    assert_eq!(error(&[1, 1, 2, 2], shape(2, 1, 0)), Error::TooFewFaces { faces: 1 });
    assert_eq!(
        error(&[1, 1, 2], shape(2, 2, 0)).to_string(),
        "a batch of 2 people needs that many with at least two images, found 1"
    );
    // One person with two images and one with a single image make a triplet.
    let sampler = IdentitySampler::new(&[1, 1, 2], shape(1, 40, 5)).unwrap();
    let mut batch = sampler.batch(0, 0);
    batch.sort_unstable();
    assert_eq!(batch, [0, 1, 2]);
}

#[test]
fn an_oversized_shape_allocates_only_what_exists() {
    let sampler = IdentitySampler::new(&[1, 1, 2, 2], shape(2, usize::MAX, usize::MAX)).unwrap();
    assert_eq!(sampler.batch(0, 0).len(), 4);
}
