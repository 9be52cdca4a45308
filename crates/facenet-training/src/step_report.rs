//! What a training step reports.

use facenet_triplet::LossStatistics;
use serde::Serialize;

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct StepReport {
    /// Which step, from 0.
    pub step: u64,
    /// Pictures in the batch.
    pub pictures: usize,
    /// The rate of descent.
    pub learning_rate: f64,
    /// The norm of the gradient, before it was clipped.
    pub gradient_norm: f64,
    /// The loss and what its triplets were like.
    #[serde(flatten)]
    pub loss: LossStatistics,
}
