use crate::error::Error;
use crate::verification::pair_scores::PairScores;
use crate::verification::threshold::{ThresholdAccuracy, ThresholdSearch, best_threshold};
use serde::Serialize;

/// Mean and spread of the accuracies of folds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct FoldSummary {
    /// Mean accuracy.
    pub accuracy: f64,
    /// Standard error of the mean: the sample deviation (n - 1) divided by the root of n. Reported
    /// by the paper and by LFW's results page.
    pub standard_error: f64,
    /// Population standard deviation (n). Reported by davidsandberg/facenet, OpenFace and
    /// insightface; three times as large for ten folds.
    pub standard_deviation: f64,
}

impl FoldSummary {
    /// Summarizes the accuracies of at least two folds.
    ///
    /// ```text
    /// S = Σ (a_k - mean)²
    /// standard error     = sqrt(S / (n - 1)) / sqrt(n)
    /// standard deviation = sqrt(S / n)
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if there are fewer than two.
    #[track_caller]
    pub fn new(accuracies: &[f64]) -> FoldSummary {
        assert!(accuracies.len() >= 2, "need at least two folds, got {}", accuracies.len());
        let count = accuracies.len() as f64;
        let accuracy = accuracies.iter().sum::<f64>() / count;
        let squares: f64 = accuracies.iter().map(|fold| (fold - accuracy).powi(2)).sum();
        FoldSummary {
            accuracy,
            standard_error: (squares / (count - 1.0) / count).sqrt(),
            standard_deviation: (squares / count).sqrt(),
        }
    }
}

/// Result of cross-validation over folds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CrossValidation {
    /// Mean accuracy of the folds.
    pub accuracy: f64,
    /// Standard error of the mean: see [`FoldSummary::standard_error`].
    pub standard_error: f64,
    /// Population standard deviation of the folds' accuracies: see
    /// [`FoldSummary::standard_deviation`].
    pub standard_deviation: f64,
    /// For each fold, the threshold chosen on all other folds and the accuracy on this one.
    pub folds: Vec<ThresholdAccuracy>,
}

impl PairScores {
    /// Cross-validation as in LFW's View 2: each fold is scored at the threshold with the highest
    /// accuracy on all other folds together.
    ///
    /// Folds are consecutive ranges of the pairs. Their lengths are given by the header of the pair
    /// list: `10<TAB>300` means ten folds of 300 genuine and 300 impostor pairs, `&[600; 10]` here.
    ///
    /// # Errors
    ///
    /// [`Error::TooFewFolds`], [`Error::EmptyFold`], and [`Error::FoldLengthMismatch`] if the folds
    /// do not add up to the list: a missing pair would shift all later folds.
    ///
    /// # Panics
    ///
    /// Panics if the grid is invalid: see [`PairScores::best_threshold`].
    ///
    /// Source: Huang et al., "Labeled Faces in the Wild", 2007; FaceNet, section 5.6.
    #[track_caller]
    pub fn cross_validate(&self, fold_lengths: &[usize], search: ThresholdSearch) -> Result<CrossValidation, Error> {
        if fold_lengths.len() < 2 {
            return Err(Error::TooFewFolds { folds: fold_lengths.len() });
        }
        if let Some(fold) = fold_lengths.iter().position(|&length| length == 0) {
            return Err(Error::EmptyFold { fold });
        }
        let in_folds = fold_lengths.iter().fold(0usize, |sum, &length| sum.saturating_add(length));
        if in_folds != self.len() {
            return Err(Error::FoldLengthMismatch { in_folds, pairs: self.len() });
        }
        let mut folds = Vec::with_capacity(fold_lengths.len());
        let mut start = 0;
        for &length in fold_lengths {
            let held_out = start..start + length;
            let threshold = best_threshold(&self.distance_counts(|pair| !held_out.contains(&pair)), search).threshold;
            let correct = held_out.clone().filter(|&pair| self.is_correct(pair, threshold)).count();
            folds.push(ThresholdAccuracy { threshold, accuracy: correct as f64 / length as f64 });
            start = held_out.end;
        }
        let accuracies: Vec<f64> = folds.iter().map(|fold| fold.accuracy).collect();
        let FoldSummary { accuracy, standard_error, standard_deviation } = FoldSummary::new(&accuracies);
        Ok(CrossValidation { accuracy, standard_error, standard_deviation, folds })
    }
}
