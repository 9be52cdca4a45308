//! Verification on published lists of pairs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use facenet_data::{CoordinateSystem, Crop, LandmarkList, Landmarks, PairList};
use facenet_metrics::{Calibration, Pair, PairScores, ThresholdSearch};
use ndarray::{Array2, s};
use serde::Serialize;

use facenet_recognition::{Detect, Embed, Embedder, FaceSource, FaceSourceCounts};

use crate::dataset::image_folder::ImageFolder;
use crate::dataset::lfw;
use crate::dataset::source::DatasetSource;
use crate::error::Error;
use crate::face_counts::aligned_cropped_painted;
use crate::progress::{Observer, Progress};
use crate::recipe::Recipe;

/// Images held in memory at a time.
const PART: usize = 256;
/// False accept rates at which validation rates are reported.
const FALSE_ACCEPT_RATES: [f64; 3] = [1e-3, 1e-2, 1e-1];

/// Verification scores on a pair list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PairListEvaluation {
    /// Mean accuracy over folds, each at the threshold that is best on the other folds. View 1:
    /// accuracy on its test list at the threshold that is best on its training list.
    pub accuracy: f64,
    /// Standard error of the mean over folds, `s / sqrt(folds)`. View 1: that of a proportion,
    /// `sqrt(a (1 - a) / pairs)`.
    pub standard_error: f64,
    /// Population standard deviation of the folds' accuracies, if there are folds.
    pub standard_deviation: Option<f64>,
    /// Area under the ROC curve of all pairs.
    pub auc: f64,
    /// Equal error rate: where the false accept rate equals the false reject rate.
    pub eer: f64,
    /// Validation rates at bounds on the false accept rate.
    pub val_at_far: Vec<ValidationRateAt>,
    /// Threshold of each fold, a squared distance.
    pub thresholds: Vec<f64>,
    /// View 1 only: the calibration fitted on its training list, if the fit exists.
    pub calibration: Option<Calibration>,
    /// Number of pairs.
    pub pairs: usize,
    /// Sources of the faces.
    #[serde(serialize_with = "aligned_cropped_painted")]
    pub faces: FaceSourceCounts,
    /// Number of images in which the detector finds no face at the listed landmarks.
    pub doubtful: usize,
    /// Wall time in seconds.
    pub seconds: f64,
}

/// A validation rate over all pairs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ValidationRateAt {
    /// Bound on the false accept rate.
    pub far: f64,
    /// Largest false accept rate within the bound. `None` if there are too few impostor pairs to resolve it.
    pub achieved_far: Option<f64>,
    /// Validation rate: the fraction of genuine pairs accepted. `None` if there are too few impostor pairs.
    pub val: Option<f64>,
}

/// The two protocols of Labeled Faces in the Wild (Huang et al. 2007).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LfwView {
    /// Model selection: the threshold from `pairsDevTrain.txt`, the accuracy on `pairsDevTest.txt`.
    One,
    /// Performance reporting: the ten folds of `pairs.txt`.
    Two,
}

/// Verification on one of LFW's views. `folder` holds `images`, `protocol` and, if faces are to be
/// aligned, the list of landmarks. With a detector faces are aligned by it, the most central one of each
/// image, and not by the list.
///
/// # Errors
///
/// If a list or an image can't be read, a person is in both lists of View 1, or an embedding is not
/// finite.
pub fn evaluate_lfw(
    embedder: &Embedder,
    folder: &Path,
    view: LfwView,
    detector: Option<&dyn Detect>,
    progress: Observer<'_>,
) -> Result<PairListEvaluation, Error> {
    let images = folder.join("images");
    let (landmarks, coordinates) = match detector {
        Some(_) => (None, CoordinateSystem::Image),
        None => (lfw::landmarks(folder)?, CoordinateSystem::Lfw),
    };
    let image_folder = ImageFolder { root: &images, landmarks, coordinates, detector };
    let list = |name: &str| PairList::read(&folder.join("protocol").join(name));
    // Of images that are not aligned.
    let crop = Recipe::for_dataset(&DatasetSource::Lfw).crop;
    match view {
        LfwView::Two => evaluate(embedder, &list("pairs.txt")?, None, &image_folder, &crop, progress),
        LfwView::One => {
            let (training, test) = (list("pairsDevTrain.txt")?, list("pairsDevTest.txt")?);
            check_no_common_person(&training, &test)?;
            evaluate(embedder, &test, Some(&training), &image_folder, &crop, progress)
        }
    }
}

/// View 1's training and test lists must not share people.
fn check_no_common_person(training: &PairList, test: &PairList) -> Result<(), Error> {
    let trained: BTreeSet<&str> = training.images.iter().map(|image| &*image.person).collect();
    match test.images.iter().find(|image| trained.contains(&*image.person)) {
        None => Ok(()),
        Some(image) => Err(Error::SeenAndUnseen {
            person: image.person.clone(),
            training: training.path.clone(),
            unseen: test.path.clone(),
        }),
    }
}

/// Verification on a pair list in LFW's format with several folds. For a network that takes aligned faces
/// an image is aligned by the list of landmarks, else by the most central face that the detector finds in it;
/// otherwise the whole image is the face.
///
/// # Errors
///
/// If the list has a single fold, an image can't be read, or an embedding is not finite.
pub fn evaluate_pair_list(
    embedder: &Embedder,
    list: &PairList,
    images: &Path,
    landmarks: Option<LandmarkList>,
    detector: Option<&dyn Detect>,
    progress: Observer<'_>,
) -> Result<PairListEvaluation, Error> {
    let image_folder = ImageFolder { root: images, landmarks, coordinates: CoordinateSystem::Image, detector };
    evaluate(embedder, list, None, &image_folder, &Crop::Whole, progress)
}

fn evaluate(
    embedder: &Embedder,
    list: &PairList,
    training: Option<&PairList>,
    folder: &ImageFolder<'_>,
    crop: &Crop,
    progress: Observer<'_>,
) -> Result<PairListEvaluation, Error> {
    let start = Instant::now();
    let (scores, faces, doubtful) = score(embedder, list, folder, crop, progress)?;
    let (accuracy, standard_error, standard_deviation, thresholds, calibration) = match training {
        None => {
            let folds: Vec<usize> = list.folds.iter().map(ExactSizeIterator::len).collect();
            let result = scores.cross_validate(&folds, ThresholdSearch::Exact)?;
            let thresholds = result.folds.iter().map(|fold| fold.threshold).collect();
            (result.accuracy, result.standard_error, Some(result.standard_deviation), thresholds, None)
        }
        Some(training) => {
            let (training, ..) = score(embedder, training, folder, crop, progress)?;
            let threshold = training.best_threshold(ThresholdSearch::Exact).threshold;
            let accuracy = scores.accuracy_at(threshold);
            let standard_error = (accuracy * (1.0 - accuracy) / scores.len() as f64).sqrt();
            let calibration = Calibration::fit(&training).ok();
            (accuracy, standard_error, None, vec![threshold], calibration)
        }
    };
    let roc = scores.roc();
    let val_at_far = FALSE_ACCEPT_RATES.map(|far| {
        let rate = roc.resolves(far).then(|| roc.validation_rate_at(far));
        ValidationRateAt {
            far,
            achieved_far: rate.as_ref().map(|rate| rate.false_accept_rate),
            val: rate.as_ref().map(|rate| rate.validation_rate),
        }
    });
    Ok(PairListEvaluation {
        accuracy,
        standard_error,
        standard_deviation,
        auc: roc.auc(),
        eer: roc.equal_error_rate(),
        val_at_far: val_at_far.to_vec(),
        thresholds,
        calibration,
        pairs: scores.len(),
        faces,
        doubtful,
        seconds: start.elapsed().as_secs_f64(),
    })
}

/// Scores the pairs of a list.
fn score(
    embedder: &Embedder,
    list: &PairList,
    folder: &ImageFolder<'_>,
    crop: &Crop,
    progress: Observer<'_>,
) -> Result<(PairScores, FaceSourceCounts, usize), Error> {
    use facenet_recognition::Error::NotFiniteEmbedding;

    let paths: Vec<PathBuf> = list.resolve(folder.root)?;
    let template = embedder.description().preprocessing.template.map(Landmarks);
    let of = paths.len();
    let mut embeddings = Array2::zeros((of, embedder.dimension()));
    let mut sources: Vec<FaceSource> = Vec::with_capacity(of);
    let mut doubtful = 0;
    // In parts: the faces of a long list would not fit in memory.
    for start in (0..of).step_by(PART) {
        progress(Progress::Embedding { done: start, of });
        let part = start..(start + PART).min(of);
        let (faces, how) = folder.load(&paths[part.clone()], crop, template, embedder.input_size(), &|_| ())?;
        let embedded = embedder.embed(faces.view()).map_err(|error| match error {
            NotFiniteEmbedding { row } => NotFiniteEmbedding { row: start + row },
            other => other,
        })?;
        embeddings.slice_mut(s![part, ..]).assign(&embedded);
        sources.extend(how.iter().map(|located| located.source));
        doubtful += how.iter().filter(|located| located.doubtful).count();
    }
    progress(Progress::Evaluating);
    let pairs: Vec<Pair> =
        list.pairs.iter().map(|pair| Pair { first: pair.left, second: pair.right, genuine: pair.same }).collect();
    let scores = PairScores::from_embeddings(embeddings.view(), &pairs)?;
    Ok((scores, sources.into_iter().collect(), doubtful))
}
