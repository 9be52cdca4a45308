//! `cargo xtask train`: a network and its checkpoint, without scores.

use std::time::Instant;

use anyhow::Result;
use facenet::{CHECKPOINT_FILE, FacesReport, Progress, StoppedBy, Trainer, TrainingSummary, train, weights_sha256};
use facenet_data::shown;
use serde::Serialize;

use crate::arguments::{TrainingArguments, print};
use crate::interrupt;
use crate::progress_bar::Bar;

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

/// Trains and prints where the checkpoint is.
pub fn command(Arguments { training }: &Arguments) -> Result<()> {
    training.set_threads()?;
    let stop = interrupt::flag()?;
    let (recipe, seed, resumed) = training.training()?;
    let out = training.out()?;

    let bar = Bar::new();
    let loading = |done, of| bar.show(Progress::Loading { done, of });
    let (size, template) = (recipe.network.input, recipe.network.preprocessing.template);
    let start = Instant::now();
    let dataset = training.dataset().load(&training.data(), &recipe.crop, template, size, seed, Some(&loading));
    let dataset = dataset.map_err(|error| training.explain(error))?;
    let framed = FacesReport { framed: dataset.framed(), seconds_loading: start.elapsed().as_secs_f64() };
    let (faces, identities) = (dataset.training.faces.view(), &dataset.training.identities);
    let validation = dataset.validation();
    let mut trainer = match resumed {
        Some(checkpoint) => Trainer::resume(checkpoint, faces, identities).map_err(|error| training.explain(error))?,
        None => Trainer::new(recipe, faces, identities, seed)?,
    };
    let summary = train(&mut trainer, validation, &out, training.minutes, &stop, &|progress| bar.show(progress));
    bar.clear();
    let summary = summary?;

    let report = Report {
        dataset: dataset.name,
        network: trainer.network().description().name.clone(),
        seed,
        threads: rayon::current_num_threads(),
        stopped_by: summary.stopped_by,
        faces: framed,
        train: summary,
        weights_sha256: weights_sha256(trainer.network()),
        checkpoint: shown(&out.join(CHECKPOINT_FILE)),
    };
    let text = format!(
        "{}: {} trained on {} pictures of {} people, {} steps, {:.0} s ({})\n{}\n{} written",
        report.dataset,
        report.network,
        summary.images,
        summary.people,
        summary.steps,
        summary.seconds,
        summary.stopped_by,
        report.faces.framed,
        report.checkpoint
    );
    print(training.json, &report, &text)
}
