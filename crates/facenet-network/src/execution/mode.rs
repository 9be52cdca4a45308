//! Training or evaluation.

/// Whether a forward pass is part of training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Batch normalization uses the mean and variance of the batch; dropout is active, with masks
    /// that depend on seed and step.
    Train {
        /// Seed of the run.
        seed: u64,
        /// Training step.
        step: u64,
    },
    /// Batch normalization uses the running statistics; no dropout. Each embedding depends on its
    /// own face only.
    Eval,
}
