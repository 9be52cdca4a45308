use crate::verification::cross_validation::CrossValidation;
use crate::verification::pair_scores::PairScores;
use serde::Serialize;

/// Summary of verification scores.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VerificationReport {
    /// Number of pairs.
    pub pairs: usize,
    /// Fraction of pairs classified correctly.
    pub accuracy: f64,
    /// Standard error of the accuracy.
    pub standard_error: f64,
    /// Area under the ROC curve of all pairs.
    pub auc: f64,
    /// Equal error rate of all pairs.
    pub eer: f64,
    /// Largest squared distance that is accepted.
    pub threshold: f64,
}

impl VerificationReport {
    /// Scores at a threshold that was chosen on other people. The standard error comes from
    /// [`IdentityBootstrap`](crate::IdentityBootstrap).
    pub fn at_threshold(scores: &PairScores, threshold: f64, standard_error: f64) -> VerificationReport {
        VerificationReport::new(scores, scores.accuracy_at(threshold), standard_error, threshold)
    }

    /// Scores by cross-validation. The threshold is the mean over the folds.
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
