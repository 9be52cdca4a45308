use crate::error::Error;
use ndarray::ArrayView2;
use ndarray_rand::rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use std::collections::BTreeSet;

/// Separates these draws from those of the bootstrap under the same seed.
const PAIR_STREAM: u64 = u64::from_be_bytes(*b"dif pair");

/// A verification pair: two rows of an embedding matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair {
    /// Row of the first embedding.
    pub first: usize,
    /// Row of the second embedding.
    pub second: usize,
    /// Whether both have the same identity (genuine pair) or not (impostor pair).
    pub genuine: bool,
}

/// All genuine pairs, followed by as many impostor pairs sampled without replacement.
///
/// Every unordered impostor pair is equally likely; if there are fewer impostor than genuine pairs,
/// all are used. Both halves are sorted, with `first < second`. The list depends only on
/// `identities` and `seed`. Time and memory grow with the number of pairs returned, not with the
/// square of the number of images.
///
/// # Errors
///
/// [`Error::NoGenuinePairs`] if no identity has two images, [`Error::NoImpostorPairs`] if there is
/// at most one identity.
pub fn balanced_pairs(identities: &[usize], seed: u64) -> Result<Vec<Pair>, Error> {
    // Images sorted by identity. The later images of other identities are the tail after an image's
    // group.
    let mut images: Vec<usize> = (0..identities.len()).collect();
    images.sort_by_key(|&image| identities[image]);

    let mut pairs = Vec::new();
    // For each position p in the sorted order: before[p] = impostor pairs whose earlier image
    // precedes p; tail[p] = end of p's group.
    let (mut before, mut tail) = (Vec::with_capacity(images.len()), Vec::with_capacity(images.len()));
    let mut impostors = 0u64;
    for group in images.chunk_by(|&a, &b| identities[a] == identities[b]) {
        let end = tail.len() + group.len();
        for (i, &first) in group.iter().enumerate() {
            pairs.extend(group[i + 1..].iter().map(|&second| Pair { first, second, genuine: true }));
            before.push(impostors);
            tail.push(end);
            impostors += (images.len() - end) as u64;
        }
    }
    if pairs.is_empty() {
        return Err(Error::NoGenuinePairs);
    }
    if impostors == 0 {
        return Err(Error::NoImpostorPairs);
    }
    pairs.sort_unstable();

    let sample_size = impostors.min(pairs.len() as u64);
    let genuine_pairs = pairs.len();
    for index in sample_without_replacement(impostors, sample_size, seed) {
        let position = before.partition_point(|&start| start <= index) - 1;
        let (a, b) = (images[position], images[tail[position] + (index - before[position]) as usize]);
        pairs.push(Pair { first: a.min(b), second: a.max(b), genuine: false });
    }
    pairs[genuine_pairs..].sort_unstable();
    Ok(pairs)
}

/// A uniform sample of `count` distinct integers below `bound` (Floyd's algorithm: Bentley and
/// Floyd, CACM 30(9), 1987).
fn sample_without_replacement(bound: u64, count: u64, seed: u64) -> BTreeSet<u64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(PAIR_STREAM);
    let mut chosen = BTreeSet::new();
    for top in bound - count..bound {
        let candidate = rng.gen_range(0..=top);
        if !chosen.insert(candidate) {
            chosen.insert(top);
        }
    }
    chosen
}

/// Squared Euclidean distances of a list of pairs, summed in double precision.
///
/// ```text
/// d(a, b) = Σ_k (a_k - b_k)²
/// ```
///
/// Embeddings are not normalized; normalize them first if they should lie on the unit sphere.
///
/// # Shapes
///
/// `embeddings`: `[images, dimension]`, the result has one distance per pair.
///
/// # Panics
///
/// Panics if a row of a pair is out of bounds.
#[track_caller]
pub fn squared_distances_of_pairs(embeddings: ArrayView2<'_, f32>, pairs: &[Pair]) -> Vec<f64> {
    let rows = embeddings.nrows();
    if let Some(pair) = pairs.iter().find(|pair| pair.first.max(pair.second) >= rows) {
        panic!("{pair:?} is out of bounds for embeddings of shape {:?}", embeddings.shape());
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
