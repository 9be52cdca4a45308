use crate::error::Error;
use crate::verification::pair::{Pair, squared_distances_of_pairs};
use ndarray::ArrayView2;

/// Squared distances of genuine and impostor pairs, the input of all verification scores.
///
/// A pair is *accepted* if its squared distance is **at most** the threshold (paper, section 4).
/// There is at least one genuine and one impostor pair and every distance is finite, so all scores
/// are defined. The order of the pairs is kept, because folds depend on it.
#[derive(Clone, Debug)]
pub struct PairScores {
    squared_distances: Vec<f64>,
    genuine: Vec<bool>,
    /// Indices of the pairs by ascending distance.
    order: Vec<usize>,
    genuine_pairs: usize,
}

/// The number of pairs with a given distance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DistanceCount {
    pub(crate) squared_distance: f64,
    pub(crate) genuine: usize,
    pub(crate) impostor: usize,
}

impl PairScores {
    /// Scores pairs by the squared Euclidean distance of their embeddings.
    ///
    /// # Shapes
    ///
    /// `embeddings`: `[images, dimension]`. They are not normalized.
    ///
    /// # Errors
    ///
    /// [`Error::NotFiniteDistance`], [`Error::NoGenuinePairs`], [`Error::NoImpostorPairs`].
    ///
    /// # Panics
    ///
    /// Panics if a row of a pair is out of bounds.
    #[track_caller]
    pub fn from_embeddings(embeddings: ArrayView2<'_, f32>, pairs: &[Pair]) -> Result<PairScores, Error> {
        let genuine: Vec<bool> = pairs.iter().map(|pair| pair.genuine).collect();
        PairScores::new(&squared_distances_of_pairs(embeddings, pairs), &genuine)
    }

    /// Takes squared distances and, for each, whether the pair is genuine.
    ///
    /// # Errors
    ///
    /// [`Error::NotFiniteDistance`], [`Error::NoGenuinePairs`], [`Error::NoImpostorPairs`].
    ///
    /// # Panics
    ///
    /// Panics if the slices differ in length.
    #[track_caller]
    pub fn new<D: Copy + Into<f64>>(squared_distances: &[D], genuine: &[bool]) -> Result<PairScores, Error> {
        assert_eq!(
            squared_distances.len(),
            genuine.len(),
            "{} distances, {} genuine flags",
            squared_distances.len(),
            genuine.len()
        );
        let squared_distances: Vec<f64> = squared_distances.iter().map(|&distance| distance.into()).collect();
        if let Some(pair) = squared_distances.iter().position(|distance| !distance.is_finite()) {
            return Err(Error::NotFiniteDistance { pair, value: squared_distances[pair] });
        }
        let genuine_pairs = genuine.iter().filter(|&&genuine| genuine).count();
        if genuine_pairs == 0 {
            return Err(Error::NoGenuinePairs);
        }
        if genuine_pairs == genuine.len() {
            return Err(Error::NoImpostorPairs);
        }
        let mut order: Vec<usize> = (0..genuine.len()).collect();
        order.sort_by(|&a, &b| squared_distances[a].total_cmp(&squared_distances[b]));
        Ok(PairScores { squared_distances, genuine: genuine.to_vec(), order, genuine_pairs })
    }

    /// Number of pairs.
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.genuine.len()
    }

    /// Number of genuine pairs.
    pub fn genuine_pairs(&self) -> usize {
        self.genuine_pairs
    }

    /// Number of impostor pairs.
    pub fn impostor_pairs(&self) -> usize {
        self.len() - self.genuine_pairs
    }

    /// Squared distance of each pair, in the given order.
    pub fn squared_distances(&self) -> &[f64] {
        &self.squared_distances
    }

    /// Whether each pair is genuine, in the given order.
    pub fn genuine(&self) -> &[bool] {
        &self.genuine
    }

    /// Indices of the pairs by ascending distance.
    pub(crate) fn order(&self) -> &[usize] {
        &self.order
    }

    /// Whether a threshold classifies a pair correctly.
    pub(crate) fn is_correct(&self, pair: usize, threshold: f64) -> bool {
        (self.squared_distances[pair] <= threshold) == self.genuine[pair]
    }

    /// Fraction of pairs that a threshold classifies correctly.
    ///
    /// ```text
    /// accuracy(t) = (#{genuine: d <= t} + #{impostor: d > t}) / pairs
    /// ```
    pub fn accuracy_at(&self, threshold: f64) -> f64 {
        (0..self.len()).filter(|&pair| self.is_correct(pair, threshold)).count() as f64 / self.len() as f64
    }

    /// Counts of the pairs selected by `keep` per distinct distance, ascending.
    pub(crate) fn distance_counts(&self, keep: impl Fn(usize) -> bool) -> Vec<DistanceCount> {
        let mut counts: Vec<DistanceCount> = Vec::new();
        for &pair in self.order.iter().filter(|&&pair| keep(pair)) {
            let squared_distance = self.squared_distances[pair];
            let (genuine, impostor) = (usize::from(self.genuine[pair]), usize::from(!self.genuine[pair]));
            match counts.last_mut() {
                Some(count) if count.squared_distance == squared_distance => {
                    count.genuine += genuine;
                    count.impostor += impostor;
                }
                _ => counts.push(DistanceCount { squared_distance, genuine, impostor }),
            }
        }
        counts
    }
}
