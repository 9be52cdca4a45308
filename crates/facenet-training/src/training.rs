//! The training loop: time limit, checkpoints, interruption.

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

/// Steps between checkpoints.
const CHECKPOINT_EVERY: u64 = 100;

/// Why training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StoppedBy {
    /// All steps of the recipe are done.
    Steps,
    /// The time limit was reached.
    Minutes,
}

impl fmt::Display for StoppedBy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Steps => "all steps done",
            Self::Minutes => "time limit reached",
        })
    }
}

/// Summary of training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TrainingSummary {
    /// Number of training people.
    pub people: usize,
    /// Number of training images.
    pub images: usize,
    /// Number of steps, including those before resuming.
    pub steps: u64,
    /// Wall time of the steps in seconds, not including those before resuming.
    pub seconds: f64,
    /// Why it ended.
    #[serde(skip)]
    pub stopped_by: StoppedBy,
}

/// File name of the checkpoint in an output folder.
pub const CHECKPOINT_FILE: &str = "checkpoint.safetensors";
/// File name of a run's result in an output folder.
pub const RESULT_FILE: &str = "result.json";
/// File name of a run's report page in an output folder.
pub const REPORT_FILE: &str = "report.html";

/// Trains until all steps are done or the time limit is reached; at least one step, if any is left.
///
/// Writes [`CHECKPOINT_FILE`] to the folder `out` every 100 steps and at the end, and removes the
/// [`RESULT_FILE`] and [`REPORT_FILE`] of an earlier run. The final checkpoint, but not one after
/// an interruption, includes a calibration fitted on `validation` if there is one: see
/// [`calibrate`].
///
/// # Errors
///
/// If the folder is not writable, before the first step; if training diverges; once `stop` is set:
/// [`Error::Interrupted`] after writing the checkpoint, or [`Error::InterruptedEarly`] before the
/// first step.
///
/// # Panics
///
/// If the validation faces differ in size from the training faces, or a pair's index is out of
/// bounds.
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

/// Checks that the folder is writable, and removes the results of an earlier run.
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
