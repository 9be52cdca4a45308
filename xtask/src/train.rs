//! `cargo xtask train`: trains a network and writes its checkpoint, without scores.

use anyhow::Result;
use facenet_cli::output::print::print;
use facenet_cli::output::progress_bar::Bar;
use facenet_data::escape_path;
use facenet_recognition::weights_sha256;
use facenet_training::{CHECKPOINT_FILE, FacesReport, StoppedBy, TrainingSummary};
use serde::Serialize;

use crate::arguments::TrainingArguments;
use crate::{interrupt, progress};

/// The arguments of the command.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    training: TrainingArguments,
}

#[derive(Serialize)]
struct Report {
    dataset: String,
    network: String,
    seed: u64,
    threads: usize,
    stopped_by: StoppedBy,
    faces: FacesReport,
    train: TrainingSummary,
    weights_sha256: String,
    checkpoint: String,
}

/// Trains and prints a summary.
pub fn command(Arguments { training }: &Arguments) -> Result<()> {
    training.set_threads()?;
    let stop = interrupt::flag()?;
    let options = training.options()?;
    let bar = Bar::new();
    let observer = |step: facenet_training::Progress<'_>| progress::show(&bar, step);
    let (dataset, faces) = options.load(&observer).map_err(|error| training.explain(error))?;
    let trained = options.train(&dataset, &stop, &observer);
    bar.clear();
    let (trainer, summary) = trained.map_err(|error| training.explain(error))?;

    let report = Report {
        dataset: dataset.name.clone(),
        network: trainer.network().description().name.clone(),
        seed: trainer.seed(),
        threads: rayon::current_num_threads(),
        stopped_by: summary.stopped_by,
        faces,
        train: summary,
        weights_sha256: weights_sha256(trainer.network()),
        checkpoint: escape_path(&options.out.join(CHECKPOINT_FILE)),
    };
    let text = format!(
        "{}: {} trained on {} images of {} people, {} steps, {:.0} s ({})\n{}\n{} written",
        report.dataset,
        report.network,
        summary.images,
        summary.people,
        summary.steps,
        summary.seconds,
        summary.stopped_by,
        report.faces.sources,
        report.checkpoint
    );
    print(training.json, &report, &text)
}
