//! Each miner against its definition over all triples.

use facenet_neighbors::pairwise_squared_distances;
use facenet_triplet::{BatchAll, BatchHard, Miner, MinerKind, MiningBatch, NegativeChoice, SemiHard, Triplet};
use ndarray::{Array2, array};
use proptest::prelude::*;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};

const HARDEST: SemiHard = SemiHard { choice: NegativeChoice::Hardest };
const RANDOM: SemiHard = SemiHard { choice: NegativeChoice::Random };

#[derive(Clone, Debug)]
struct Batch {
    distances: Array2<f32>,
    identities: Vec<usize>,
    margin: f32,
    seed: u64,
}

impl Batch {
    fn view(&self) -> MiningBatch<'_> {
        MiningBatch::new(self.distances.view(), &self.identities, self.margin, self.seed)
    }

    fn mine(&self, miner: &dyn Miner) -> Vec<Triplet> {
        let mut triplets = Vec::new();
        miner.mine(&self.view(), &mut |triplet| triplets.push(triplet));
        triplets
    }

    fn pairs(&self) -> Vec<(usize, usize)> {
        let n = self.identities.len();
        let pairs = (0..n).flat_map(|a| (0..n).map(move |p| (a, p)));
        pairs.filter(|&(a, p)| a != p && self.identities[a] == self.identities[p]).collect()
    }

    fn negatives(&self, anchor: usize) -> Vec<usize> {
        (0..self.identities.len()).filter(|&n| self.identities[n] != self.identities[anchor]).collect()
    }

    fn distance(&self, i: usize, j: usize) -> f64 {
        f64::from(self.distances[[i, j]])
    }

    fn violating(&self, anchor: usize, positive: usize) -> Vec<usize> {
        let bound = self.distance(anchor, positive) + f64::from(self.margin);
        self.negatives(anchor).into_iter().filter(|&n| self.distance(anchor, n) < bound).collect()
    }

    fn semi_hard(&self, anchor: usize, positive: usize) -> Vec<usize> {
        let mut negatives = self.violating(anchor, positive);
        negatives.retain(|&n| self.distance(anchor, n) > self.distance(anchor, positive));
        negatives
    }
}

/// Batches with few distinct distances, so that ties and exactly met bounds are common, and some
/// with continuous distances.
fn batches() -> impl Strategy<Value = Batch> {
    (0_usize..24, 1_usize..6).prop_flat_map(|(n, people)| {
        let coarse = prop::collection::vec((0_u8..9).prop_map(|step| f32::from(step) * 0.125), n * n);
        let fine = prop::collection::vec(0.0_f32..1.5, n * n);
        let margin = prop_oneof![Just(0.0_f32), Just(0.25), Just(0.5), Just(0.2), Just(3.0)];
        (prop_oneof![3 => coarse, 1 => fine], prop::collection::vec(0..people, n), margin, any::<u64>()).prop_map(
            move |(values, identities, margin, seed)| {
                let distances =
                    Array2::from_shape_fn((n, n), |(i, j)| if i == j { 0.0 } else { values[i.min(j) * n + i.max(j)] });
                // Identities need be neither dense nor ordered.
                let identities = identities.into_iter().map(|person| (person * 37 + 11) % 101).collect();
                Batch { distances, identities, margin, seed }
            },
        )
    })
}

proptest! {
    #[test]
    fn semi_hard_selects_the_nearest_negative_beyond_the_positive(batch in batches()) {
        let mut expected = Vec::new();
        for (anchor, positive) in batch.pairs() {
            let mut best: Option<usize> = None;
            for negative in batch.semi_hard(anchor, positive) {
                if best.is_none_or(|best| batch.distance(anchor, negative) < batch.distance(anchor, best)) {
                    best = Some(negative);
                }
            }
            expected.extend(best.map(|negative| Triplet { anchor, positive, negative }));
        }
        prop_assert_eq!(batch.mine(&HARDEST), expected);
    }

    #[test]
    fn random_semi_hard_selects_one_of_the_semi_hard_negatives(batch in batches()) {
        let mut triplets = batch.mine(&RANDOM).into_iter();
        for (anchor, positive) in batch.pairs() {
            let negatives = batch.semi_hard(anchor, positive);
            if !negatives.is_empty() {
                let triplet = triplets.next().unwrap();
                prop_assert_eq!((triplet.anchor, triplet.positive), (anchor, positive));
                prop_assert!(negatives.contains(&triplet.negative));
            }
        }
        prop_assert_eq!(triplets.next(), None);
    }

    #[test]
    fn batch_hard_selects_the_farthest_positive_and_nearest_negative(batch in batches()) {
        let mut expected = Vec::new();
        for anchor in 0..batch.identities.len() {
            let positives = batch.pairs().into_iter().filter(|pair| pair.0 == anchor).map(|pair| pair.1);
            let positive = positives.reduce(|x, y| if batch.distance(anchor, y) > batch.distance(anchor, x) { y } else { x });
            let negatives = batch.negatives(anchor).into_iter();
            let negative = negatives.reduce(|x, y| if batch.distance(anchor, y) < batch.distance(anchor, x) { y } else { x });
            if let (Some(positive), Some(negative)) = (positive, negative) {
                expected.push(Triplet { anchor, positive, negative });
            }
        }
        prop_assert_eq!(batch.mine(&BatchHard), expected);
    }

    #[test]
    fn batch_all_selects_every_violating_triplet(batch in batches()) {
        let mut expected = Vec::new();
        for (anchor, positive) in batch.pairs() {
            let negatives = batch.violating(anchor, positive);
            expected.extend(negatives.into_iter().map(|negative| Triplet { anchor, positive, negative }));
        }
        prop_assert_eq!(batch.mine(&BatchAll), expected);
    }
}

#[test]
fn random_negatives_are_uniform_and_follow_the_seed() {
    // Rows 0 and 1 show person 0, the rest person 1. Rows 2 to 6 are semi-hard for anchor 0.
    let distances = [0.0, 0.1, 0.11, 0.15, 0.2, 0.25, 0.29, 0.3, 0.5, 0.1, 0.05_f32];
    let identities = vec![0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1];
    let n = distances.len();
    let distances = Array2::from_shape_fn((n, n), |(i, j)| if i.min(j) == 0 { distances[i.max(j)] } else { 5.0 });
    let mut batch = Batch { distances, identities, margin: 0.1999, seed: 0 };
    let draws = 20_000;
    let mut counts = [0_u32; 11];
    for seed in 0..draws {
        batch.seed = seed;
        let triplets = batch.mine(&RANDOM);
        assert_eq!(triplets, batch.mine(&RANDOM));
        counts[triplets.iter().find(|triplet| triplet.anchor == 0).unwrap().negative] += 1;
    }
    assert_eq!(counts.iter().sum::<u32>(), counts[2..7].iter().sum());
    // Five standard deviations of a binomial count with probability 1/5.
    let expected = f64::from(draws as u32) / 5.0;
    assert!(counts[2..7].iter().all(|&count| (f64::from(count) - expected).abs() < 5.0 * (expected * 0.8).sqrt()));
}

#[test]
fn threads_and_many_anchors_do_not_change_the_order() {
    let n = 600;
    let distances =
        Array2::from_shape_fn((n, n), |(i, j)| if i == j { 0.0 } else { ((i * j + i + j) % 97) as f32 * 0.02 });
    let batch = Batch { distances, identities: (0..n).map(|i| i % 75).collect(), margin: 0.2, seed: 9 };
    let run = |threads, miner: &dyn Miner| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| batch.mine(miner))
    };
    for miner in [&HARDEST as &dyn Miner, &RANDOM, &BatchHard, &BatchAll] {
        let triplets = run(1, miner);
        assert_eq!(triplets, run(4, miner));
        assert!(triplets.is_sorted() && triplets.len() >= n);
    }
}

#[test]
fn without_positives_or_negatives_there_are_no_triplets() {
    for identities in [vec![], vec![3], vec![3, 3, 3], vec![1, 2, 3]] {
        let n = identities.len();
        let batch = Batch { distances: Array2::zeros((n, n)), identities, margin: 0.2, seed: 0 };
        for miner in [&HARDEST as &dyn Miner, &RANDOM, &BatchHard, &BatchAll] {
            assert_eq!(batch.mine(miner), []);
        }
    }
}

#[test]
fn identical_embeddings_violate_the_margin_but_are_not_semi_hard() {
    let batch = Batch { distances: Array2::zeros((6, 6)), identities: vec![0, 0, 1, 1, 2, 2], margin: 0.2, seed: 0 };
    assert_eq!(batch.mine(&HARDEST), []);
    assert_eq!(batch.mine(&RANDOM), []);
    assert_eq!(batch.mine(&BatchHard).len(), 6);
    assert_eq!(batch.mine(&BatchAll).len(), 6 * 4);
}

#[test]
fn nan_distances_are_never_mined() {
    let embeddings = array![[1.0_f32, 0.0], [0.0, 0.0], [0.9, 0.1], [0.8, 0.2], [0.7, 0.0], [0.6, 0.3]];
    let mut distances = pairwise_squared_distances(embeddings.view()).unwrap();
    for image in [1, 4] {
        distances.row_mut(image).fill(f32::NAN);
        distances.column_mut(image).fill(f32::NAN);
    }
    let batch = Batch { distances, identities: vec![0, 0, 0, 1, 1, 1], margin: 2.0, seed: 0 };
    for miner in [&HARDEST as &dyn Miner, &RANDOM, &BatchHard, &BatchAll] {
        let triplets = batch.mine(miner);
        assert!(!triplets.is_empty());
        assert!(triplets.iter().all(|t| [t.anchor, t.positive, t.negative].iter().all(|i| ![1, 4].contains(i))));
    }
}

#[test]
fn miner_kinds_deserialize_from_snake_case_names() {
    let distances = Array2::from_shape_fn((12, 12), |(i, j)| if i == j { 0.0 } else { ((i + j) % 7) as f32 * 0.1 });
    let batch = Batch { distances, identities: (0..12).map(|i| i / 4).collect(), margin: 0.3, seed: 4 };
    let miners: [(&str, &dyn Miner); 4] =
        [("semi_hard", &HARDEST), ("semi_hard_random", &RANDOM), ("batch_hard", &BatchHard), ("batch_all", &BatchAll)];
    for (name, miner) in miners {
        let deserializer: StrDeserializer<'_, Error> = name.into_deserializer();
        let kind = MinerKind::deserialize(deserializer).unwrap();
        assert_eq!(batch.mine(&*kind.miner()), batch.mine(miner), "{name}");
    }
}

#[test]
#[should_panic(expected = "squared distances [2, 2] do not match identities [3]")]
fn a_wrong_shape_panics() {
    let _ = MiningBatch::new(Array2::zeros((2, 2)).view(), &[0, 0, 1], 0.2, 0);
}

#[test]
#[should_panic(expected = "margin must be finite and non-negative, got NaN")]
fn a_nan_margin_panics() {
    let _ = MiningBatch::new(Array2::zeros((1, 1)).view(), &[0], f32::NAN, 0);
}
