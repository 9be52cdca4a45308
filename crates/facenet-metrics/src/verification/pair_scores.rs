pub mod folds;
pub mod roc;
pub mod threshold;

use crate::Error;
use folds::CrossValidation;
use serde::Serialize;

/// Squared distances of pairs of pictures, and which of the pairs show one person twice.
///
/// A pair is *accepted*, that is called "same", where its distance is **at most** the threshold (paper, section 4). There is at least one
/// pair of each kind and every distance is finite, so all scores are defined. The order of the pairs is kept: folds rely on it.
#[derive(Clone, Debug)]
pub struct PairScores {
    squared_distances: Vec<f64>,
    same: Vec<bool>,
    /// Indices of the pairs by rising distance.
    order: Vec<usize>,
    same_pairs: usize,
}

/// All pairs at one distance: the amount by which accepting them changes the counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) squared_distance: f64,
    pub(crate) same: usize,
    pub(crate) different: usize,
}

impl PairScores {
    /// Takes the distances and, for each, whether the pair shows the same identity.
    ///
    /// # Errors
    /// [`Error::NotFiniteDistance`], [`Error::NoSamePairs`], [`Error::NoDifferentPairs`].
    ///
    /// # Panics
    /// If the two slices differ in length.
    #[track_caller]
    pub fn new<D: Copy + Into<f64>>(squared_distances: &[D], same: &[bool]) -> Result<PairScores, Error> {
        assert_eq!(squared_distances.len(), same.len(), "{} distances, {} flags", squared_distances.len(), same.len());
        let squared_distances: Vec<f64> = squared_distances.iter().map(|&distance| distance.into()).collect();
        if let Some(pair) = squared_distances.iter().position(|distance| !distance.is_finite()) {
            return Err(Error::NotFiniteDistance { pair, value: squared_distances[pair] });
        }
        let same_pairs = same.iter().filter(|&&same| same).count();
        if same_pairs == 0 {
            return Err(Error::NoSamePairs);
        }
        if same_pairs == same.len() {
            return Err(Error::NoDifferentPairs);
        }
        let mut order: Vec<usize> = (0..same.len()).collect();
        order.sort_by(|&a, &b| squared_distances[a].total_cmp(&squared_distances[b]));
        Ok(PairScores { squared_distances, same: same.to_vec(), order, same_pairs })
    }

    /// Number of pairs.
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.same.len()
    }

    /// Number of pairs of the same identity.
    pub fn same_pairs(&self) -> usize {
        self.same_pairs
    }

    /// Number of pairs of different identities.
    pub fn different_pairs(&self) -> usize {
        self.len() - self.same_pairs
    }

    /// The distances, in the order given.
    pub fn squared_distances(&self) -> &[f64] {
        &self.squared_distances
    }

    /// Whether each pair shows the same identity, in the order given.
    pub fn same(&self) -> &[bool] {
        &self.same
    }

    /// Indices of the pairs by rising distance.
    pub(crate) fn order(&self) -> &[usize] {
        &self.order
    }

    /// Whether a threshold decides a pair rightly.
    pub(crate) fn is_correct(&self, pair: usize, threshold: f64) -> bool {
        (self.squared_distances[pair] <= threshold) == self.same[pair]
    }

    /// Share of pairs that a threshold decides rightly.
    ///
    /// ```text
    /// accuracy(t) = (#{same: d <= t} + #{different: d > t}) / pairs
    /// ```
    pub fn accuracy_at(&self, threshold: f64) -> f64 {
        (0..self.len()).filter(|&pair| self.is_correct(pair, threshold)).count() as f64 / self.len() as f64
    }

    /// The pairs that `keep` lets through, grouped by distance, rising.
    pub(crate) fn steps(&self, keep: impl Fn(usize) -> bool) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        for &pair in self.order.iter().filter(|&&pair| keep(pair)) {
            let squared_distance = self.squared_distances[pair];
            let (same, different) = (usize::from(self.same[pair]), usize::from(!self.same[pair]));
            match steps.last_mut() {
                Some(step) if step.squared_distance == squared_distance => {
                    step.same += same;
                    step.different += different;
                }
                _ => steps.push(Step { squared_distance, same, different }),
            }
        }
        steps
    }
}

/// The scores of verification in one record.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VerificationReport {
    /// Number of pairs.
    pub pairs: usize,
    /// Share of pairs decided rightly.
    pub accuracy: f64,
    /// Standard error of the accuracy.
    pub standard_error: f64,
    /// Area under the ROC curve of all pairs.
    pub auc: f64,
    /// Equal error rate of all pairs.
    pub eer: f64,
    /// Squared distance up to which a pair is called "same".
    pub threshold: f64,
}

impl VerificationReport {
    /// Scores at a threshold chosen elsewhere, on other people; the standard error comes from
    /// [`IdentityBootstrap`](crate::IdentityBootstrap).
    pub fn at_threshold(scores: &PairScores, threshold: f64, standard_error: f64) -> VerificationReport {
        VerificationReport::new(scores, scores.accuracy_at(threshold), standard_error, threshold)
    }

    /// Scores by cross-validation; the threshold is the mean of the folds'.
    pub fn cross_validated(scores: &PairScores, result: &CrossValidation) -> VerificationReport {
        let threshold = result.folds.iter().map(|fold| fold.threshold).sum::<f64>() / result.folds.len() as f64;
        VerificationReport::new(scores, result.accuracy, result.standard_error, threshold)
    }

    fn new(scores: &PairScores, accuracy: f64, standard_error: f64, threshold: f64) -> VerificationReport {
        let roc = scores.roc();
        let (auc, eer) = (roc.auc(), roc.equal_error_rate());
        VerificationReport { pairs: scores.len(), accuracy, standard_error, auc, eer, threshold }
    }
}
