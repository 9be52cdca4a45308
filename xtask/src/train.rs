//! `cargo xtask train`: a network and its checkpoint, without scores.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use facenet::{Error, Progress, StoppedBy, Trainer, TrainingSummary, read_checkpoint, train, weights_sha256};
use serde::Serialize;

use crate::arguments::{TrainingArguments, print};
use crate::interrupt;
use crate::progress_bar::Bar;

/// The arguments of the command.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    training: TrainingArguments,
    /// Go on where this checkpoint was written, with its recipe and seed, on the same --dataset
    #[arg(long, value_name = "FILE", conflicts_with_all = ["recipe", "steps"])]
    resume: Option<PathBuf>,
}

#[derive(Serialize)]
struct Report {
    dataset: String,
    network: String,
    seed: u64,
    threads: usize,
    stopped_by: StoppedBy,
    train: TrainingSummary,
    weights_sha256: String,
    checkpoint: PathBuf,
}

/// Trains and prints where the checkpoint is.
pub fn command(Arguments { training, resume }: &Arguments) -> Result<()> {
    training.set_threads()?;
    let stop = interrupt::flag()?;
    let resumed = resume.as_deref().map(read_checkpoint).transpose()?;
    let (recipe, seed) = match (resume, &resumed) {
        (Some(path), Some(checkpoint)) => {
            Trainer::recipe_and_seed(checkpoint).with_context(|| format!("in {}", path.display()))?
        }
        _ => (training.recipe()?, training.seed),
    };
    let checkpoint = training.out()?.join("checkpoint.safetensors");

    let bar = Bar::new();
    let loading = |done, of| bar.show(Progress::Loading { done, of });
    let size = recipe.network.input;
    let dataset = training.dataset().load(&training.data(), &recipe.crop, size, seed, Some(&loading));
    let dataset = dataset.map_err(|error| training.explain(error))?;
    let (faces, identities) = (dataset.training.faces.view(), &dataset.training.identities);
    let mut trainer = match resumed {
        Some(checkpoint) => Trainer::resume(checkpoint, faces, identities)?,
        None => Trainer::new(recipe, faces, identities, seed)?,
    };
    let summary = train(&mut trainer, &checkpoint, training.minutes, &stop, &|progress| bar.show(progress));
    bar.clear();
    let summary = summary?;
    if summary.stopped_by == StoppedBy::Interrupt {
        bail!(Error::Interrupted { steps: summary.steps, checkpoint });
    }

    let embedder = trainer.embedder();
    let report = Report {
        dataset: dataset.name,
        network: embedder.description().name.clone(),
        seed,
        threads: rayon::current_num_threads(),
        stopped_by: summary.stopped_by,
        train: summary,
        weights_sha256: weights_sha256(embedder.network()),
        checkpoint,
    };
    let text = format!(
        "{}: {} trained on {} pictures of {} people, {} steps, {:.0} s ({})\n{} written",
        report.dataset,
        report.network,
        summary.images,
        summary.people,
        summary.steps,
        summary.seconds,
        summary.stopped_by,
        report.checkpoint.display()
    );
    print(training.json, &report, &text)
}
