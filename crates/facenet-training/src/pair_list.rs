//! Verification on published lists of pairs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use facenet_data::{CoordinateSystem, Crop, LandmarkList, Landmarks, PairList};
use facenet_metrics::{Calibration, Pair, PairScores, ThresholdSearch};
use ndarray::{Array2, s};
use serde::Serialize;

use facenet_recognition::{Embed, Embedder, FaceSource, FaceSourceCounts};

use crate::dataset::images::Pictures;
use crate::dataset::lfw;
use crate::error::Error;
use crate::face_counts::aligned_cropped_painted;
use crate::progress::{Observer, Progress};

/// Pictures that are in memory at the same time.
const PART: usize = 256;
/// The part of the middle 160 x 160 of LFW's pictures that is the face, where it is not aligned: that of the recipe for LFW.
const LFW_CROP: Crop = Crop::Center { fraction: 0.7 };
/// The false accept rates at which validation rates are reported.
const FALSE_ACCEPT_RATES: [f64; 3] = [1e-3, 1e-2, 1e-1];

/// How well embeddings tell whether two pictures show one person.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PairListEvaluation {
    /// The mean accuracy of the folds, each at the threshold that is best on all others; of View 1 the accuracy on its test
    /// list at the threshold that is best on its training list.
    pub accuracy: f64,
    /// The standard error of the mean over folds, `s / sqrt(folds)`; of View 1 that of a share, `sqrt(a (1 - a) / pairs)`.
    pub standard_error: f64,
    /// The population standard deviation of the folds' accuracies, if there are folds.
    pub standard_deviation: Option<f64>,
    /// The area under the ROC curve of all pairs.
    pub auc: f64,
    /// The rate at which as many pairs of one person are rejected as of two are accepted.
    pub eer: f64,
    /// How many pairs of one person are accepted at bounds on the false accept rate.
    pub val_at_far: Vec<ValidationRateAt>,
    /// The threshold of each fold, a squared distance.
    pub thresholds: Vec<f64>,
    /// Of View 1 what distances mean by the pairs of its training list, if these give a calibration.
    pub calibration: Option<Calibration>,
    /// The number of pairs.
    pub pairs: usize,
    /// How the faces came out of their pictures.
    #[serde(serialize_with = "aligned_cropped_painted")]
    pub faces: FaceSourceCounts,
    /// Time that all of it took.
    pub seconds: f64,
}

/// A validation rate, over all pairs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ValidationRateAt {
    /// The bound on the false accept rate.
    pub far: f64,
    /// The largest rate within it.
    pub achieved_far: f64,
    /// The share of pairs of one person that are accepted there.
    pub val: f64,
}

/// The two protocols of Labeled Faces in the Wild (Huang et al. 2007).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LfwView {
    /// For choosing: a threshold from `pairsDevTrain.txt`, the accuracy on `pairsDevTest.txt`.
    One,
    /// For reporting: the ten folds of `pairs.txt`.
    Two,
}

/// Verifies the pairs of one of LFW's views; `folder` holds `images`, `protocol` and, if faces are to be aligned, landmarks.
///
/// # Errors
///
/// If lists or pictures can't be read, if somebody is in both lists of View 1, or an embedding is not finite.
pub fn evaluate_lfw(
    embedder: &Embedder,
    folder: &Path,
    view: LfwView,
    progress: Observer<'_>,
) -> Result<PairListEvaluation, Error> {
    let images = folder.join("images");
    let pictures = Pictures { root: &images, landmarks: lfw::landmarks(folder)?, coordinates: CoordinateSystem::Lfw };
    let list = |name: &str| PairList::read(&folder.join("protocol").join(name));
    match view {
        LfwView::Two => evaluate(embedder, &list("pairs.txt")?, None, &pictures, &LFW_CROP, progress),
        LfwView::One => {
            let (training, test) = (list("pairsDevTrain.txt")?, list("pairsDevTest.txt")?);
            check_no_common_person(&training, &test)?;
            evaluate(embedder, &test, Some(&training), &pictures, &LFW_CROP, progress)
        }
    }
}

/// A threshold is chosen on other people than those it is tried on.
fn check_no_common_person(training: &PairList, test: &PairList) -> Result<(), Error> {
    let learned: BTreeSet<&str> = training.images.iter().map(|picture| &*picture.person).collect();
    match test.images.iter().find(|picture| learned.contains(&*picture.person)) {
        None => Ok(()),
        Some(picture) => Err(Error::SeenAndUnseen {
            person: picture.person.clone(),
            training: training.path.clone(),
            unseen: test.path.clone(),
        }),
    }
}

/// Verifies the pairs of a list in LFW's format with several folds. Pictures are faces, whole, or are aligned if landmarks
/// are given.
///
/// # Errors
///
/// If the list has one fold only, pictures can't be read, or an embedding is not finite.
pub fn evaluate_pair_list(
    embedder: &Embedder,
    list: &PairList,
    images: &Path,
    landmarks: Option<LandmarkList>,
    progress: Observer<'_>,
) -> Result<PairListEvaluation, Error> {
    let pictures = Pictures { root: images, landmarks, coordinates: CoordinateSystem::Image };
    evaluate(embedder, list, None, &pictures, &Crop::Whole, progress)
}

fn evaluate(
    embedder: &Embedder,
    list: &PairList,
    training: Option<&PairList>,
    pictures: &Pictures<'_>,
    crop: &Crop,
    progress: Observer<'_>,
) -> Result<PairListEvaluation, Error> {
    let start = Instant::now();
    let (scores, faces) = score(embedder, list, pictures, crop, progress)?;
    let (accuracy, standard_error, standard_deviation, thresholds, calibration) = match training {
        None => {
            let folds: Vec<usize> = list.folds.iter().map(ExactSizeIterator::len).collect();
            let result = scores.cross_validate(&folds, ThresholdSearch::Exact)?;
            let thresholds = result.folds.iter().map(|fold| fold.threshold).collect();
            (result.accuracy, result.standard_error, Some(result.standard_deviation), thresholds, None)
        }
        Some(training) => {
            let (training, _) = score(embedder, training, pictures, crop, progress)?;
            let threshold = training.best_threshold(ThresholdSearch::Exact).threshold;
            let accuracy = scores.accuracy_at(threshold);
            let standard_error = (accuracy * (1.0 - accuracy) / scores.len() as f64).sqrt();
            let calibration = Calibration::fit(&training).ok();
            (accuracy, standard_error, None, vec![threshold], calibration)
        }
    };
    let roc = scores.roc();
    let val_at_far = FALSE_ACCEPT_RATES.map(|far| {
        let rate = roc.validation_rate_at(far);
        ValidationRateAt { far, achieved_far: rate.false_accept_rate, val: rate.validation_rate }
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
        seconds: start.elapsed().as_secs_f64(),
    })
}

/// The squared distances of a list's pairs.
fn score(
    embedder: &Embedder,
    list: &PairList,
    pictures: &Pictures<'_>,
    crop: &Crop,
    progress: Observer<'_>,
) -> Result<(PairScores, FaceSourceCounts), Error> {
    use facenet_recognition::Error::NotFiniteEmbedding;

    let paths: Vec<PathBuf> = list.resolve(pictures.root)?;
    let template = embedder.description().preprocessing.template.map(Landmarks);
    let of = paths.len();
    let mut embeddings = Array2::zeros((of, embedder.dimension()));
    let mut sources: Vec<FaceSource> = Vec::with_capacity(of);
    // A part at a time: the faces of long lists together would take much memory.
    for start in (0..of).step_by(PART) {
        progress(Progress::Embedding { done: start, of });
        let part = start..(start + PART).min(of);
        let (faces, how) = pictures.load(&paths[part.clone()], crop, template, embedder.input_size(), &|_| ())?;
        let embedded = embedder.embed(faces.view()).map_err(|error| match error {
            NotFiniteEmbedding { row } => NotFiniteEmbedding { row: start + row },
            other => other,
        })?;
        embeddings.slice_mut(s![part, ..]).assign(&embedded);
        sources.extend(how);
    }
    progress(Progress::Evaluating);
    let pairs: Vec<Pair> =
        list.pairs.iter().map(|pair| Pair { first: pair.left, second: pair.right, genuine: pair.same }).collect();
    let scores = PairScores::from_embeddings(embeddings.view(), &pairs)?;
    Ok((scores, sources.into_iter().collect()))
}
