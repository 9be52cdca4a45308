//! The report of a training step.

use facenet_triplet::LossStatistics;
use serde::Serialize;

/// The report of a training step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct StepReport {
    /// Step, from 0.
    pub step: u64,
    /// Images in the batch.
    #[serde(rename = "pictures")]
    pub images: usize,
    /// Learning rate.
    pub learning_rate: f64,
    /// Norm of the gradient before clipping.
    pub gradient_norm: f64,
    /// The loss and statistics of its triplets.
    #[serde(flatten)]
    pub loss: LossStatistics,
}
