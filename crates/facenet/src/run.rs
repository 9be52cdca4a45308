//! The whole chain of the paper, from pictures of people to embeddings that are scored on people never seen.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use facenet_network::Checkpoint;
use serde::Serialize;

use crate::checkpoint_file::dataset_sha256;
use crate::{
    CHECKPOINT_FILE, DatasetSource, Embed, Error, Evaluation, FramedFaces, LabelledFaces, MirrorAverage, Observer,
    Progress, Provenance, RawPixels, Recipe, Report, StoppedBy, Trainer, TrainingSummary, evaluate, network_sha256,
    train, weights_sha256,
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
    /// Where the checkpoint goes: a folder that exists.
    pub out: PathBuf,
    /// Where training stands already; its recipe and its seed are those above.
    pub resume: Option<Checkpoint>,
    /// What the results say about where they come from.
    pub provenance: Provenance,
}

/// What a run leaves beside its checkpoint.
#[derive(Clone, Debug)]
pub struct Run {
    /// The result.
    pub report: RunReport,
    /// The result to look at: see [`Report::html`].
    pub page: String,
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
    /// The hash of the network's description: see [`network_sha256`].
    pub network_sha256: String,
    /// The hash of all faces, and who is in them.
    pub data_sha256: String,
    /// The hash of all parameters and statistics: see [`weights_sha256`].
    pub weights_sha256: String,
    /// Where the faces come from.
    pub faces: FacesReport,
    /// What training took.
    pub train: TrainingSummary,
    /// Who thresholds were chosen on.
    pub validation: GroupSize,
    /// Who was scored.
    pub unseen: GroupSize,
    /// Scores of the embeddings, each averaged with that of the mirrored face, on people never seen.
    #[serde(flatten)]
    pub embeddings: Evaluation,
    /// The same scores of the raw pixels.
    pub pixels: Evaluation,
    /// Where all that comes from.
    pub provenance: Provenance,
}

/// How the faces of all groups came out of their pictures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct FacesReport {
    /// How many in which way.
    #[serde(flatten)]
    pub framed: FramedFaces,
    /// Time that it took.
    pub seconds_loading: f64,
}

/// How many people and pictures a group has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct GroupSize {
    /// People.
    pub people: usize,
    /// Pictures of them.
    pub images: usize,
}

/// Trains on some people and scores the embeddings on others.
///
/// # Errors
///
/// If the data can't be read, the recipe does not fit it, training diverges or the checkpoint can't be written.
/// [`Error::Interrupted`] or [`Error::InterruptedEarly`] once `stop` is set.
pub fn run(options: &RunOptions, stop: &AtomicBool, progress: Observer<'_>) -> Result<Run, Error> {
    let start = Instant::now();
    let RunOptions { recipe, seed, .. } = options;

    // Faces of people to learn from, and of others.
    let loading = |done, of| progress(Progress::Loading { done, of });
    let (size, template) = (recipe.network.input, recipe.network.preprocessing.template);
    let dataset = options.dataset.load(&options.data, &recipe.crop, template, size, *seed, Some(&loading))?;
    let faces = FacesReport { framed: dataset.framed(), seconds_loading: start.elapsed().as_secs_f64() };

    // The embedding, learned by the triplet loss.
    let people = &dataset.training;
    let mut trainer = match &options.resume {
        Some(checkpoint) => Trainer::resume(checkpoint.clone(), people.faces.view(), &people.identities)?,
        None => Trainer::new(recipe.clone(), people.faces.view(), &people.identities, *seed)?,
    };
    let summary = train(&mut trainer, dataset.validation(), &options.out, options.minutes, stop, progress)?;

    // Verification, identification and clustering of the others, beside what the pixels alone give.
    progress(Progress::Evaluating);
    let go_on = || match stop.load(Ordering::Relaxed) {
        true => Err(Error::Interrupted { steps: summary.steps, checkpoint: options.out.join(CHECKPOINT_FILE) }),
        false => Ok(()),
    };
    let embedder = MirrorAverage(trainer.embedder());
    go_on()?;
    let embeddings = evaluate(&embedder, &dataset, *seed)?;
    go_on()?;
    let pixels = evaluate(&RawPixels { size: embedder.input_size() }, &dataset, *seed)?;
    go_on()?;
    let size = |group: &LabelledFaces| GroupSize { people: group.people.len(), images: group.pictures.len() };
    let report = RunReport {
        network: trainer.network().description().name.clone(),
        network_sha256: network_sha256(trainer.network().description()),
        data_sha256: dataset_sha256(&dataset),
        seed: *seed,
        threads: rayon::current_num_threads(),
        stopped_by: summary.stopped_by,
        weights_sha256: weights_sha256(trainer.network()),
        faces,
        train: summary,
        validation: size(&dataset.validation),
        unseen: size(&dataset.unseen),
        embeddings: embeddings.evaluation.clone(),
        pixels: pixels.evaluation.clone(),
        provenance: options.provenance.clone(),
        seconds_total: start.elapsed().as_secs_f64(),
        dataset: dataset.name.clone(),
    };
    let page = Report {
        run: &report,
        recipe: trainer.recipe(),
        history: trainer.history(),
        unseen: &dataset.unseen,
        unseen_pairs: &dataset.unseen_pairs,
        embeddings: &embeddings,
        pixels: &pixels,
    };
    let page = page.html();
    Ok(Run { report, page })
}
