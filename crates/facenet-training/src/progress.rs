//! Progress of long-running work.

use crate::step_report::StepReport;

/// Progress of long-running work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Progress<'a> {
    /// Images are being loaded.
    Loading {
        /// Number done.
        done: usize,
        /// Total number.
        of: usize,
    },
    /// A training step is done.
    Training {
        /// Report of the step.
        step: &'a StepReport,
        /// Total number of steps.
        of: u64,
    },
    /// Faces are being embedded.
    Embedding {
        /// Number done.
        done: usize,
        /// Total number.
        of: usize,
    },
    /// Photos are being searched for faces.
    Detecting {
        /// Number done.
        done: usize,
        /// Total number.
        of: usize,
    },
    /// Scores are being computed.
    Evaluating,
}

/// A callback for progress; may be called from any thread.
pub type Observer<'a> = &'a (dyn Fn(Progress<'_>) + Sync);
