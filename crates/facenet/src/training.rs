//! The loop around [`Trainer::step`]: until when, and what is kept.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::checkpoint_file::write_checkpoint;
use crate::{Error, Observer, Progress, Trainer};

/// Steps between two checkpoints.
const CHECKPOINT_EVERY: u64 = 100;

/// Why training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StoppedBy {
    /// All steps of the recipe were done.
    Steps,
    /// The time was up.
    Minutes,
    /// Someone asked for it.
    Interrupt,
}

impl fmt::Display for StoppedBy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Steps => "all steps done",
            Self::Minutes => "time was up",
            Self::Interrupt => "interrupted",
        })
    }
}

/// What training took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TrainingSummary {
    /// People trained on.
    pub people: usize,
    /// Pictures of them.
    pub images: usize,
    /// Steps of descent, those before a resumption included.
    pub steps: u64,
    /// Time that the steps took, those before a resumption not included.
    pub seconds: f64,
    /// Why it ended.
    #[serde(skip)]
    pub stopped_by: StoppedBy,
}

/// Trains until all steps are done, the minutes are up, or `stop` is set; at least one step, if any is left.
///
/// Writes the checkpoint every 100 steps and at the end, whatever the reason.
///
/// # Errors
///
/// If training diverges or the checkpoint can't be written.
pub fn train(
    trainer: &mut Trainer<'_>,
    checkpoint: &Path,
    minutes: Option<f64>,
    stop: &AtomicBool,
    progress: Observer<'_>,
) -> Result<TrainingSummary, Error> {
    let start = Instant::now();
    let limit = minutes.and_then(|minutes| Duration::try_from_secs_f64(60.0 * minutes).ok());
    let steps = trainer.recipe().steps;
    let mut stopped_by = StoppedBy::Steps;
    while trainer.steps_done() < steps {
        let step = trainer.step()?;
        progress(Progress::Training { step: &step, of: steps });
        if stop.load(Ordering::Relaxed) {
            stopped_by = StoppedBy::Interrupt;
            break;
        }
        if limit.is_some_and(|limit| start.elapsed() >= limit) && trainer.steps_done() < steps {
            stopped_by = StoppedBy::Minutes;
            break;
        }
        if trainer.steps_done().is_multiple_of(CHECKPOINT_EVERY) && trainer.steps_done() < steps {
            write_checkpoint(checkpoint, &trainer.checkpoint())?;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    write_checkpoint(checkpoint, &trainer.checkpoint())?;
    let (people, images) = trainer.people_and_images();
    Ok(TrainingSummary { people, images, steps: trainer.steps_done(), seconds, stopped_by })
}
