//! The whole chain of the paper, from pictures of people to embeddings that are scored on people never seen.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use facenet_network::Checkpoint;
use serde::Serialize;

use facenet_recognition::{Embed, FaceSourceCounts, FlipAverage, RawPixels, network_sha256, weights_sha256};

use crate::dataset::labelled_faces::{Dataset, LabelledFaces};
use crate::dataset::loader::DatasetLoader;
use crate::dataset::source::DatasetSource;
use crate::error::Error;
use crate::evaluation::{Evaluation, EvaluationDetails, evaluate};
use crate::face_counts::aligned_cropped_painted;
use crate::hash::dataset_sha256;
use crate::history::History;
use crate::progress::{Observer, Progress};
use crate::recipe::Recipe;
use crate::trainer::Trainer;
use crate::training::{CHECKPOINT_FILE, StoppedBy, TrainingSummary, train};

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
}

/// A finished run: the result, and everything that it was computed from.
#[derive(Clone, Debug)]
pub struct Run {
    /// The result.
    pub report: RunReport,
    /// How the network was trained.
    pub recipe: Recipe,
    /// How training went.
    pub history: History,
    /// The people.
    pub dataset: Dataset,
    /// What the embeddings made of the unseen people.
    pub embeddings: EvaluationDetails,
    /// What the raw pixels made of them.
    pub pixels: EvaluationDetails,
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
}

/// How the faces of all groups came out of their pictures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct FacesReport {
    /// How many in which way.
    #[serde(flatten, serialize_with = "aligned_cropped_painted")]
    pub sources: FaceSourceCounts,
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

impl RunOptions {
    /// Loads the people, and reports how their faces were cut out.
    ///
    /// # Errors
    ///
    /// As [`DatasetLoader::load`].
    pub fn load(&self, progress: Observer<'_>) -> Result<(Dataset, FacesReport), Error> {
        let start = Instant::now();
        let loading = |done, of| progress(Progress::Loading { done, of });
        let loader = DatasetLoader::for_network(&self.dataset, &self.recipe.network);
        let loader = loader.data(&self.data).crop(self.recipe.crop).seed(self.seed).progress(&loading);
        let dataset = loader.load()?;
        let faces = FacesReport { sources: dataset.sources(), seconds_loading: start.elapsed().as_secs_f64() };
        Ok((dataset, faces))
    }

    /// Trains on the training people of a data set, from the start or from a checkpoint.
    ///
    /// # Errors
    ///
    /// As [`Trainer::new`], [`Trainer::resume`] and [`train`].
    pub fn train<'a>(
        &self,
        dataset: &'a Dataset,
        stop: &AtomicBool,
        progress: Observer<'_>,
    ) -> Result<(Trainer<'a>, TrainingSummary), Error> {
        let (faces, identities) = (dataset.training.faces.view(), &dataset.training.identities);
        let mut trainer = match &self.resume {
            Some(checkpoint) => Trainer::resume(checkpoint.clone(), faces, identities)?,
            None => Trainer::new(self.recipe.clone(), faces, identities, self.seed)?,
        };
        let summary = train(&mut trainer, dataset.validation(), &self.out, self.minutes, stop, progress)?;
        Ok((trainer, summary))
    }
}

/// Trains on some people and scores the embeddings on others.
///
/// # Errors
///
/// If the data can't be read, the recipe does not fit it, training diverges or the checkpoint can't be written.
/// [`Error::Interrupted`] or [`Error::InterruptedEarly`] once `stop` is set.
pub fn run(options: &RunOptions, stop: &AtomicBool, progress: Observer<'_>) -> Result<Run, Error> {
    let start = Instant::now();

    // Faces of people to learn from, and of others.
    let (dataset, faces) = options.load(progress)?;

    // The embedding, learned by the triplet loss.
    let (trainer, summary) = options.train(&dataset, stop, progress)?;

    // Verification, identification and clustering of the others, beside what the pixels alone give.
    progress(Progress::Evaluating);
    let go_on = || match stop.load(Ordering::Relaxed) {
        true => Err(Error::Interrupted { steps: summary.steps, checkpoint: options.out.join(CHECKPOINT_FILE) }),
        false => Ok(()),
    };
    let embedder = FlipAverage(trainer.embedder());
    go_on()?;
    let embeddings = evaluate(&embedder, &dataset, options.seed)?;
    go_on()?;
    let pixels = evaluate(&RawPixels { size: embedder.input_size() }, &dataset, options.seed)?;
    go_on()?;
    let size = |group: &LabelledFaces| GroupSize { people: group.people.len(), images: group.pictures.len() };
    let report = RunReport {
        network: trainer.network().description().name.clone(),
        network_sha256: network_sha256(trainer.network().description()),
        data_sha256: dataset_sha256(&dataset),
        seed: options.seed,
        threads: rayon::current_num_threads(),
        stopped_by: summary.stopped_by,
        weights_sha256: weights_sha256(trainer.network()),
        faces,
        train: summary,
        validation: size(&dataset.validation),
        unseen: size(&dataset.unseen),
        embeddings: embeddings.evaluation.clone(),
        pixels: pixels.evaluation.clone(),
        seconds_total: start.elapsed().as_secs_f64(),
        dataset: dataset.name.clone(),
    };
    let (recipe, history) = (trainer.recipe().clone(), trainer.history().clone());
    Ok(Run { report, recipe, history, dataset, embeddings, pixels })
}
