//! The loop around [`Trainer::step`]: until when, and what is kept.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use facenet_network::Checkpoint;
use serde::Serialize;

use facenet_recognition::{ValidationPairs, calibrate, calibration_text, write_checkpoint};

use crate::error::Error;
use crate::progress::{Observer, Progress};
use crate::trainer::Trainer;

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
}

impl fmt::Display for StoppedBy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Steps => "all steps done",
            Self::Minutes => "time was up",
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

/// The name of the checkpoint in a folder for outputs.
pub const CHECKPOINT_FILE: &str = "checkpoint.safetensors";
/// The name of a run's result in a folder for outputs.
pub const RESULT_FILE: &str = "result.json";
/// The name of a run's page in a folder for outputs.
pub const REPORT_FILE: &str = "report.html";

/// Trains until all steps are done or the minutes are up; at least one step, if any is left.
///
/// Writes [`CHECKPOINT_FILE`] to the folder `out` every 100 steps and at the end, and takes away the [`RESULT_FILE`] and
/// [`REPORT_FILE`] of an earlier run, which would not belong to it. The checkpoint at the end, but not one after an
/// interruption, has the calibration that `validation` gives, if it gives one: see [`calibrate`].
///
/// # Errors
///
/// If the folder can't be written to, before the first step; if training diverges; once `stop` is set:
/// [`Error::Interrupted`], after the checkpoint is written, or [`Error::InterruptedEarly`] before the first step.
///
/// # Panics
///
/// If the validation faces are not of the size of those that are learned from, or a pair names none of them.
pub fn train(
    trainer: &mut Trainer<'_>,
    validation: ValidationPairs<'_>,
    out: &Path,
    minutes: Option<f64>,
    stop: &AtomicBool,
    progress: Observer<'_>,
) -> Result<TrainingSummary, Error> {
    let checkpoint = out.join(CHECKPOINT_FILE);
    let start = Instant::now();
    let limit = minutes.and_then(|minutes| Duration::try_from_secs_f64(60.0 * minutes).ok());
    let steps = trainer.recipe().steps;
    if stop.load(Ordering::Relaxed) {
        return Err(Error::InterruptedEarly);
    }
    prepare(out)?;
    let mut stopped_by = StoppedBy::Steps;
    while trainer.steps_done() < steps {
        let step = trainer.step()?;
        progress(Progress::Training { step: &step, of: steps });
        if trainer.steps_done() == steps {
            break;
        }
        if stop.load(Ordering::Relaxed) {
            write_checkpoint(&checkpoint, &trainer.checkpoint())?;
            return Err(Error::Interrupted { steps: trainer.steps_done(), checkpoint });
        }
        if limit.is_some_and(|limit| start.elapsed() >= limit) {
            stopped_by = StoppedBy::Minutes;
            break;
        }
        if trainer.steps_done().is_multiple_of(CHECKPOINT_EVERY) {
            write_checkpoint(&checkpoint, &trainer.checkpoint())?;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let calibration = calibrate(&trainer.embedder(), validation).as_ref().map(calibration_text);
    write_checkpoint(&checkpoint, &Checkpoint { calibration, ..trainer.checkpoint() })?;
    let (people, images) = trainer.people_and_images();
    Ok(TrainingSummary { people, images, steps: trainer.steps_done(), seconds, stopped_by })
}

/// Tries whether files can be made in the folder, and takes away the results of an earlier run.
fn prepare(out: &Path) -> Result<(), Error> {
    let failed = |path: &Path, source| facenet_data::Error::Write { path: path.to_owned(), source };
    tempfile::tempfile_in(out).map_err(|source| failed(out, source))?;
    for file in [RESULT_FILE, REPORT_FILE].map(|name| out.join(name)) {
        match fs::remove_file(&file) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(failed(&file, source).into()),
            _ => (),
        }
    }
    Ok(())
}
