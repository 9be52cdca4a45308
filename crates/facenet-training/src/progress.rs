//! What long work reports while it goes on.

use crate::step_report::StepReport;

/// What long work tells while it goes on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Progress<'a> {
    /// Pictures are loaded.
    Loading {
        /// How many are there.
        done: usize,
        /// Of how many.
        of: usize,
    },
    /// A step of training was done.
    Training {
        /// What it did.
        step: &'a StepReport,
        /// How many steps there are.
        of: u64,
    },
    /// Faces are embedded.
    Embedding {
        /// How many are.
        done: usize,
        /// Of how many.
        of: usize,
    },
    /// Scores are computed.
    Evaluating,
}

/// Who is told, from any thread.
pub type Observer<'a> = &'a (dyn Fn(Progress<'_>) + Sync);
