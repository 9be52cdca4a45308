//! Average precision of a face detector on photos with marked faces.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use facenet_data::{Crop, MarkedFaces, MarkedPhoto, read_image};
use facenet_metrics::{BoundingBox, PhotoDetections, average_precision};
use facenet_network::Network;
use facenet_recognition::{Detect, DetectionOptions, FaceDetector};
use rayon::prelude::*;
use serde::Serialize;

use crate::error::Error;
use crate::progress::{Observer, Progress};

/// Faces are counted by their shorter side on a photo whose longer side is scaled to this many pixels.
const SCORED_SIDE: f64 = 640.0;
/// The least score of a face, low enough for the whole curve of precision and recall.
const MIN_SCORE: f32 = 0.05;
/// The shorter sides from which faces count.
const MIN_SIDES: [u32; 3] = [16, 24, 40];

/// Scores of a face detector.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DetectionEvaluation {
    /// Number of photos.
    pub photos: usize,
    /// Number of marked faces, of any size.
    pub faces: usize,
    /// Average precision by the least size of a face: the shorter side in pixels, on a photo whose longer
    /// side is 640. Sizes that no marked face has are left out.
    pub average_precision: BTreeMap<u32, f64>,
    /// Standard errors of the average precisions, by bootstrap over photos.
    pub standard_errors: BTreeMap<u32, f64>,
    /// Number of marked faces by the least size.
    pub counted_faces: BTreeMap<u32, usize>,
    /// Time per photo on one thread, decoding included, in milliseconds.
    pub milliseconds_per_photo: f64,
}

/// Searches the photos in `folder/images` with a [`FaceDetector`] and compares the faces found with those
/// marked in `folder/faces.txt`, a [`MarkedFaces`]. Photos are brought to the sizes in the list first.
/// Scores from 0.05 on count, whatever the least score of the options.
///
/// # Errors
///
/// If the network is no detector, the list or a photo can't be read, or nothing is marked.
pub fn evaluate_detection(
    network: &Network<f32>,
    options: DetectionOptions,
    folder: &Path,
    observer: Observer<'_>,
) -> Result<DetectionEvaluation, Error> {
    let detector = FaceDetector::new(network, DetectionOptions { min_score: MIN_SCORE, ..options })?;
    let list = folder.join("faces.txt");
    let MarkedFaces { photos, .. } = MarkedFaces::read(&list)?;
    let done = AtomicUsize::new(0);
    let timed = photos.par_iter().map(|photo| {
        let start = Instant::now();
        let detections = detections(&detector, &folder.join("images").join(&photo.name), photo)?;
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        observer(Progress::Detecting { done, of: photos.len() });
        Ok((detections, start.elapsed().as_secs_f64()))
    });
    let (detections, seconds): (Vec<_>, Vec<_>) = timed.collect::<Result<Vec<_>, Error>>()?.into_iter().unzip();
    let scores: BTreeMap<u32, _> =
        MIN_SIDES.into_iter().filter_map(|side| Some((side, average_precision(&detections, side.into())?))).collect();
    if scores.is_empty() {
        return Err(Error::NoMarkedFaces { path: list });
    }
    Ok(DetectionEvaluation {
        photos: photos.len(),
        faces: photos.iter().map(|photo| photo.faces.len()).sum(),
        average_precision: scores.iter().map(|(&side, score)| (side, score.average_precision)).collect(),
        standard_errors: scores.iter().map(|(&side, score)| (side, score.standard_error)).collect(),
        counted_faces: scores.iter().map(|(&side, score)| (side, score.faces)).collect(),
        milliseconds_per_photo: 1e3 * seconds.iter().sum::<f64>() / photos.len() as f64,
    })
}

/// The marked faces of a photo and those found, in pixels of the photo whose longer side is
/// [`SCORED_SIDE`].
fn detections(detector: &dyn Detect, path: &Path, photo: &MarkedPhoto) -> Result<PhotoDetections, Error> {
    let image = Crop::Whole.apply(read_image(path)?.view(), photo.size);
    let [height, width] = photo.size;
    let scale = SCORED_SIDE / height.max(width) as f64;
    let found = detector.detect(image.view())?;
    let marked = |&[left, top, right, bottom]: &[f64; 4]| BoundingBox { left, top, right, bottom }.scaled(scale);
    Ok(PhotoDetections {
        marked: photo.faces.iter().map(marked).collect(),
        found: found.iter().map(|face| (face.bounding_box.scaled(scale), face.score.into())).collect(),
    })
}
