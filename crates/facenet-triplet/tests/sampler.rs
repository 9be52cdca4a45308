//! What the sampler promises of its batches.

use std::collections::{BTreeMap, BTreeSet};

use facenet_triplet::{BatchShape, Error, IdentitySampler};
use proptest::prelude::*;

fn shape(people: usize, faces: usize, negatives: usize) -> BatchShape {
    BatchShape { people, faces, negatives }
}

fn pictures_of(identities: &[usize]) -> BTreeMap<usize, usize> {
    let mut counts = BTreeMap::new();
    identities.iter().for_each(|&identity| *counts.entry(identity).or_default() += 1);
    counts
}

proptest! {
    #[test]
    fn batches_and_epochs_keep_their_promises(
        identities in prop::collection::vec(0_usize..15, 2..120),
        people in 1_usize..9,
        faces in 2_usize..7,
        negatives in 0_usize..6,
        seed: u64,
    ) {
        let available = pictures_of(&identities);
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
                // People first, one after the other, each with all the faces asked for or all there are.
                let mut rest = &batch[..];
                let mut seen = BTreeSet::new();
                for _ in 0..people {
                    let person = identities[rest[0]];
                    let given = available[&person].min(faces);
                    prop_assert!(given >= 2 && seen.insert(person));
                    prop_assert!(rest[..given].iter().all(|&picture| identities[picture] == person));
                    rest = &rest[given..];
                    *visits.entry(person).or_default() += 1;
                }
                let others: usize = available.iter().filter(|(person, _)| !seen.contains(person)).map(|x| x.1).sum();
                prop_assert_eq!(rest.len(), negatives.min(others));
                prop_assert!(rest.iter().all(|&picture| !seen.contains(&identities[picture])));
            }
            prop_assert_eq!(visits.len(), available.values().filter(|&&count| count >= 2).count());
            prop_assert!(visits.values().all(|&count| count == 1 || count == 2));
        }
    }
}

#[test]
fn people_and_pictures_are_visited_about_equally() {
    // 11 people of 7 pictures, 4 people of 3 faces per batch: 3 steps an epoch, 12 visits, one more than people.
    let identities: Vec<usize> = (0..77).map(|i| i % 11).collect();
    let sampler = IdentitySampler::new(&identities, shape(4, 3, 2)).unwrap();
    let (mut people, mut pictures, mut negatives) = ([0_u32; 11], [0_u32; 77], [0_u32; 77]);
    let epochs = 2_000;
    for step in 0..epochs * sampler.steps_per_epoch() {
        let batch = sampler.batch(5, step);
        batch[..12].iter().step_by(3).for_each(|&picture| people[identities[picture]] += 1);
        batch[..12].iter().for_each(|&picture| pictures[picture] += 1);
        batch[12..].iter().for_each(|&picture| negatives[picture] += 1);
    }
    let near = |counts: &[u32], total: f64| {
        let expected = total / counts.len() as f64;
        counts.iter().all(|&count| (f64::from(count) - expected).abs() < 5.0 * expected.sqrt())
    };
    assert!(people.iter().all(|&count| count >= 2_000));
    assert!(near(&people, 24_000.0) && near(&pictures, 72_000.0) && near(&negatives, 12_000.0));
}

#[test]
fn seeds_steps_and_epochs_differ() {
    let identities: Vec<usize> = (0..400).map(|i| i / 10).collect();
    let sampler = IdentitySampler::new(&identities, shape(8, 4, 4)).unwrap();
    let batches: BTreeSet<Vec<usize>> =
        (0..4).flat_map(|seed| (0..20).map(move |step| (seed, step))).map(|(s, t)| sampler.batch(s, t)).collect();
    assert_eq!(batches.len(), 80);
    // No overflow at the end of time.
    assert_eq!(sampler.batch(u64::MAX, u64::MAX).len(), 36);
}

#[test]
fn sets_and_shapes_without_triplets_are_errors() {
    let error = |identities: &[usize], shape| IdentitySampler::new(identities, shape).unwrap_err();
    assert_eq!(error(&[], shape(2, 2, 0)), Error::TooFewPeople { found: 0 });
    assert_eq!(error(&[4, 4, 4], shape(1, 2, 1)), Error::TooFewPeople { found: 1 });
    assert_eq!(error(&[1, 2, 3], shape(2, 2, 0)), Error::NoPositivePair);
    assert_eq!(error(&[1, 1, 2], shape(2, 2, 0)), Error::TooFewPeopleForBatch { wanted: 2, found: 1 });
    assert_eq!(error(&[1, 1, 2], shape(1, 2, 0)), Error::BatchWithoutTriplets { people: 1, negatives: 0 });
    assert_eq!(error(&[1, 1, 2], shape(0, 2, 9)), Error::BatchWithoutTriplets { people: 0, negatives: 9 });
    assert_eq!(error(&[1, 1, 2, 2], shape(2, 1, 0)), Error::TooFewFaces { faces: 1 });
    assert_eq!(
        error(&[1, 1, 2], shape(2, 2, 0)).to_string(),
        "a batch of 2 people needs as many with at least two pictures, found 1"
    );
    // One person with a positive and another one's single picture are a triplet.
    let sampler = IdentitySampler::new(&[1, 1, 2], shape(1, 40, 5)).unwrap();
    let mut batch = sampler.batch(0, 0);
    batch.sort_unstable();
    assert_eq!(batch, [0, 1, 2]);
}

#[test]
fn a_large_request_does_not_allocate_it() {
    let sampler = IdentitySampler::new(&[1, 1, 2, 2], shape(2, usize::MAX, usize::MAX)).unwrap();
    assert_eq!(sampler.batch(0, 0).len(), 4);
}
