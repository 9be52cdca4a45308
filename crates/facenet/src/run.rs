//! The whole chain of the paper, from pictures of people to embeddings that are scored on people never seen.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use serde::Serialize;

use crate::{
    DatasetSource, Embed, Error, Evaluation, Observer, Progress, RawPixels, Recipe, StoppedBy, Trainer,
    TrainingSummary, evaluate, train, weights_sha256,
};

/// What to run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The people.
    pub dataset: DatasetSource,
    /// The folder that data sets lie in.
    pub data: PathBuf,
    /// How the network is trained.
    pub recipe: Recipe,
    /// Decides every random draw.
    pub seed: u64,
    /// Training stops after so many minutes, if it has steps left then.
    pub minutes: Option<f64>,
    /// Where the checkpoint goes.
    pub checkpoint: PathBuf,
}

/// The result of a run.
#[derive(Clone, Debug, Serialize)]
pub struct RunReport {
    /// The name of the data set.
    pub dataset: String,
    /// The name of the network.
    pub network: String,
    /// The seed of every random draw.
    pub seed: u64,
    /// Threads that took part.
    pub threads: usize,
    /// Why training ended.
    pub stopped_by: StoppedBy,
    /// Time from the start to this report.
    pub seconds_total: f64,
    /// The hash of all parameters and statistics: see [`weights_sha256`].
    pub weights_sha256: String,
    /// What training took.
    pub train: TrainingSummary,
    /// Scores of the embeddings on people never seen.
    #[serde(flatten)]
    pub embeddings: Evaluation,
    /// The same scores of the raw pixels.
    pub pixels: Evaluation,
}

/// Trains on some people and scores the embeddings on others.
///
/// # Errors
///
/// If the data can't be read, the recipe does not fit it, training diverges or the checkpoint can't be written.
/// [`Error::Interrupted`] once `stop` is set: the checkpoint is written then, too.
pub fn run(options: &RunOptions, stop: &AtomicBool, progress: Observer<'_>) -> Result<RunReport, Error> {
    let start = Instant::now();
    let RunOptions { recipe, seed, .. } = options;

    // Faces of people to learn from, and of others.
    let loading = |done, of| progress(Progress::Loading { done, of });
    let dataset = options.dataset.load(&options.data, &recipe.crop, recipe.network.input, *seed, Some(&loading))?;

    // The embedding, learned by the triplet loss.
    let people = &dataset.training;
    let mut trainer = Trainer::new(recipe.clone(), people.faces.view(), &people.identities, *seed)?;
    let summary = train(&mut trainer, &options.checkpoint, options.minutes, stop, progress)?;
    if summary.stopped_by == StoppedBy::Interrupt {
        return Err(Error::Interrupted { steps: summary.steps, checkpoint: options.checkpoint.clone() });
    }

    // Verification, identification and clustering of the others, beside what the pixels alone give.
    progress(Progress::Evaluating);
    let embedder = trainer.embedder();
    let embeddings = evaluate(&embedder, &dataset, *seed)?;
    let pixels = evaluate(&RawPixels { size: embedder.input_size() }, &dataset, *seed)?;
    Ok(RunReport {
        network: embedder.description().name.clone(),
        seed: *seed,
        threads: rayon::current_num_threads(),
        stopped_by: summary.stopped_by,
        weights_sha256: weights_sha256(embedder.network()),
        train: summary,
        embeddings,
        pixels,
        seconds_total: start.elapsed().as_secs_f64(),
        dataset: dataset.name,
    })
}
