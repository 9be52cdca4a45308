//! The whole pipeline of the paper, from images of people to embeddings scored on unseen people.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use facenet_network::Checkpoint;
use serde::Serialize;

use facenet_recognition::{Embed, FaceSourceCounts, FlipAverage, RawPixels, network_sha256, weights_sha256};

use crate::dataset::labeled_faces::{Dataset, LabeledFaces};
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

/// Inputs of a run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The data set.
    pub dataset: DatasetSource,
    /// Folder of data sets.
    pub data: PathBuf,
    /// Where training starts.
    pub start: Start,
    /// Time limit of training, in minutes.
    pub minutes: Option<f64>,
    /// Output folder for the checkpoint; it must exist.
    pub out: PathBuf,
}

/// Where training starts.
#[derive(Clone, Debug)]
pub enum Start {
    /// A newly initialized network.
    Scratch {
        /// The recipe.
        recipe: Box<Recipe>,
        /// Seed of all random draws.
        seed: u64,
    },
    /// A checkpoint, with its recipe and seed.
    Checkpoint(Box<Checkpoint>),
}

impl Start {
    /// The recipe and the seed of all random draws.
    ///
    /// # Errors
    ///
    /// Those of [`Trainer::recipe_and_seed`].
    pub fn recipe_and_seed(&self) -> Result<(Recipe, u64), Error> {
        match self {
            Self::Scratch { recipe, seed } => Ok((Recipe::clone(recipe), *seed)),
            Self::Checkpoint(checkpoint) => Trainer::recipe_and_seed(checkpoint),
        }
    }
}

/// A finished run: the result and everything it was computed from.
#[derive(Clone, Debug)]
pub struct Run {
    /// The result.
    pub report: RunReport,
    /// The recipe.
    pub recipe: Recipe,
    /// The training history.
    pub history: History,
    /// The data set.
    pub dataset: Dataset,
    /// Scores of the embeddings, with details.
    pub embeddings: EvaluationDetails,
    /// Scores of the raw pixels, with details.
    pub pixels: EvaluationDetails,
}

/// The result of a run.
#[derive(Clone, Debug, Serialize)]
pub struct RunReport {
    /// The name of the data set.
    pub dataset: String,
    /// The name of the network.
    pub network: String,
    /// Seed of all random draws.
    pub seed: u64,
    /// Number of threads.
    pub threads: usize,
    /// Why training ended.
    pub stopped_by: StoppedBy,
    /// Wall time of the whole run, in seconds.
    pub seconds_total: f64,
    /// Hash of the network's description: see [`network_sha256`].
    pub network_sha256: String,
    /// Hash of all faces and identities.
    pub data_sha256: String,
    /// Hash of all parameters and statistics: see [`weights_sha256`].
    pub weights_sha256: String,
    /// Sources of the faces.
    pub faces: FacesReport,
    /// Summary of training.
    pub train: TrainingSummary,
    /// Size of the validation group, on which thresholds are chosen.
    pub validation: GroupSize,
    /// Size of the unseen group, which is scored.
    pub unseen: GroupSize,
    /// Scores on unseen people of the embeddings, each averaged over the face and its horizontal
    /// flip.
    #[serde(flatten)]
    pub embeddings: Evaluation,
    /// The same scores for raw pixels.
    pub pixels: Evaluation,
}

/// Sources of the faces of all groups.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct FacesReport {
    /// Number of faces from each source.
    #[serde(flatten, serialize_with = "aligned_cropped_painted")]
    pub sources: FaceSourceCounts,
    /// Wall time of loading, in seconds.
    pub seconds_loading: f64,
}

/// Size of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct GroupSize {
    /// Number of people.
    pub people: usize,
    /// Number of images.
    pub images: usize,
}

impl RunOptions {
    /// Loads the data set and counts the sources of its faces.
    ///
    /// # Errors
    ///
    /// Those of [`Start::recipe_and_seed`] and [`DatasetLoader::load`].
    pub fn load(&self, progress: Observer<'_>) -> Result<(Dataset, FacesReport), Error> {
        let start = Instant::now();
        let (recipe, seed) = self.start.recipe_and_seed()?;
        let loading = |done, of| progress(Progress::Loading { done, of });
        let loader = DatasetLoader::for_network(&self.dataset, &recipe.network);
        let loader = loader.data(&self.data).crop(recipe.crop).seed(seed).progress(&loading);
        let dataset = loader.load()?;
        let faces = FacesReport { sources: dataset.sources(), seconds_loading: start.elapsed().as_secs_f64() };
        Ok((dataset, faces))
    }

    /// Trains on the training people of a data set, from scratch or from a checkpoint.
    ///
    /// # Errors
    ///
    /// Those of [`Trainer::new`], [`Trainer::resume`] and [`train`].
    pub fn train<'a>(
        &self,
        dataset: &'a Dataset,
        stop: &AtomicBool,
        progress: Observer<'_>,
    ) -> Result<(Trainer<'a>, TrainingSummary), Error> {
        let (faces, identities) = (dataset.training.faces.view(), &dataset.training.identities);
        let mut trainer = match &self.start {
            Start::Scratch { recipe, seed } => Trainer::new(Recipe::clone(recipe), faces, identities, *seed)?,
            Start::Checkpoint(checkpoint) => Trainer::resume(Checkpoint::clone(checkpoint), faces, identities)?,
        };
        let summary = train(&mut trainer, dataset.validation(), &self.out, self.minutes, stop, progress)?;
        Ok((trainer, summary))
    }
}

/// Trains on the training people and scores the embeddings on the unseen people.
///
/// # Errors
///
/// If the data can't be read or does not fit the recipe, training diverges, or the checkpoint can't
/// be written. [`Error::Interrupted`] or [`Error::InterruptedEarly`] once `stop` is set.
pub fn run(options: &RunOptions, stop: &AtomicBool, progress: Observer<'_>) -> Result<Run, Error> {
    let start = Instant::now();
    let (_, seed) = options.start.recipe_and_seed()?;
    let (dataset, faces) = options.load(progress)?;
    let (trainer, summary) = options.train(&dataset, stop, progress)?;

    // Verification, identification and clustering of the unseen people; raw pixels are the
    // baseline.
    progress(Progress::Evaluating);
    let check_stop = || match stop.load(Ordering::Relaxed) {
        true => Err(Error::Interrupted { steps: summary.steps, checkpoint: options.out.join(CHECKPOINT_FILE) }),
        false => Ok(()),
    };
    let embedder = FlipAverage(trainer.embedder());
    check_stop()?;
    let embeddings = evaluate(&embedder, &dataset, seed)?;
    check_stop()?;
    let pixels = evaluate(&RawPixels { size: embedder.input_size() }, &dataset, seed)?;
    check_stop()?;
    let size = |group: &LabeledFaces| GroupSize { people: group.people.len(), images: group.images.len() };
    let report = RunReport {
        network: trainer.network().description().name.clone(),
        network_sha256: network_sha256(trainer.network().description()),
        data_sha256: dataset_sha256(&dataset),
        seed,
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
