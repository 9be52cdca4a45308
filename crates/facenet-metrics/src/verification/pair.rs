use crate::Error;
use ndarray::ArrayView2;
use ndarray_rand::rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use std::collections::BTreeSet;

/// Keeps these draws apart from the bootstrap's under one seed.
const PAIR_STREAM: u64 = u64::from_be_bytes(*b"dif pair");

/// Two pictures, and whether they show the same identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair {
    /// Index of one picture.
    pub first: usize,
    /// Index of the other.
    pub second: usize,
    /// Whether both show one identity.
    pub same: bool,
}

/// All pairs of the same identity, then as many pairs of different identities, drawn without repetition.
///
/// Each unordered pair of different pictures is equally likely; where fewer of different identities exist than of the same,
/// all are taken. Both halves are sorted, with `first < second`. The list depends on `identities` and `seed` alone. Time and memory
/// grow with the number of pairs returned, not with the square of the number of pictures.
///
/// # Errors
/// [`Error::NoSamePairs`] if nobody has two pictures, [`Error::NoDifferentPairs`] if there is at most one identity.
pub fn balanced_pairs(identities: &[usize], seed: u64) -> Result<Vec<Pair>, Error> {
    // Pictures ordered by identity: the pictures of another identity that follow picture p are the tail behind p's group.
    let mut pictures: Vec<usize> = (0..identities.len()).collect();
    pictures.sort_by_key(|&picture| identities[picture]);

    let mut pairs = Vec::new();
    // before[p] = pairs of different identities whose earlier picture stands in front of position p; tail[p] = where p's group ends.
    let (mut before, mut tail) = (Vec::with_capacity(pictures.len()), Vec::with_capacity(pictures.len()));
    let mut different = 0u64;
    for group in pictures.chunk_by(|&a, &b| identities[a] == identities[b]) {
        let end = tail.len() + group.len();
        for (i, &first) in group.iter().enumerate() {
            pairs.extend(group[i + 1..].iter().map(|&second| Pair { first, second, same: true }));
            before.push(different);
            tail.push(end);
            different += (pictures.len() - end) as u64;
        }
    }
    if pairs.is_empty() {
        return Err(Error::NoSamePairs);
    }
    if different == 0 {
        return Err(Error::NoDifferentPairs);
    }
    pairs.sort_unstable();

    let wanted = different.min(pairs.len() as u64);
    let same_pairs = pairs.len();
    for index in distinct_numbers(different, wanted, seed) {
        let position = before.partition_point(|&start| start <= index) - 1;
        let (a, b) = (pictures[position], pictures[tail[position] + (index - before[position]) as usize]);
        pairs.push(Pair { first: a.min(b), second: a.max(b), same: false });
    }
    pairs[same_pairs..].sort_unstable();
    Ok(pairs)
}

/// `count` distinct numbers below `bound`, each set equally likely (Floyd's sampling: Bentley and Floyd, CACM 30(9), 1987).
fn distinct_numbers(bound: u64, count: u64, seed: u64) -> BTreeSet<u64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(PAIR_STREAM);
    let mut chosen = BTreeSet::new();
    for top in bound - count..bound {
        let number = rng.gen_range(0..=top);
        if !chosen.insert(number) {
            chosen.insert(top);
        }
    }
    chosen
}

/// Squared Euclidean distance of each pair, summed in double precision.
///
/// ```text
/// d(a, b) = Σ_k (a_k - b_k)²
/// ```
///
/// Rows are taken as they are: normalise them first where the embeddings are meant to lie on the unit sphere.
///
/// # Shapes
/// `embeddings`: pictures x dimension; the result has one distance per pair.
///
/// # Panics
/// If a pair names a picture beyond the rows.
#[track_caller]
pub fn squared_distances(embeddings: ArrayView2<'_, f32>, pairs: &[Pair]) -> Vec<f64> {
    let rows = embeddings.nrows();
    if let Some(pair) = pairs.iter().find(|pair| pair.first.max(pair.second) >= rows) {
        panic!("{pair:?} names a picture beyond embeddings of shape {:?}", embeddings.shape());
    }
    pairs
        .par_iter()
        .with_min_len(256)
        .map(|pair| {
            let (first, second) = (embeddings.row(pair.first), embeddings.row(pair.second));
            first.iter().zip(second).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum()
        })
        .collect()
}
