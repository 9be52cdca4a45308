//! Finding the faces of a photo.

use facenet_data::{Landmarks, Photo};
use facenet_metrics::BoundingBox;

use crate::detection::detect::{Detect, DetectedFace, OrientationCertainty};
use crate::detection::quality::FaceQuality;
use crate::error::Error;
use crate::face_source::FaceSource;
use crate::photos::face::{Face, FaceWarning};

/// The faces of a photo.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundFaces {
    /// `[height, width]` of the photo in pixels.
    pub size: [usize; 2],
    /// The faces, from left to right, in pixels of the photo, also if it was decoded at a reduced scale.
    pub faces: Vec<Face>,
}

/// Finds the faces of a photo and measures their quality.
///
/// # Errors
///
/// If the photo can't be searched.
pub fn find_faces(detector: &dyn Detect, photo: &Photo) -> Result<FoundFaces, Error> {
    let scale = PhotoScale::of(photo);
    let mut detected = without_echoes(detector.detect(photo.pixels.view())?);
    detected.sort_by(|one, other| {
        let [one, other] = [one, other].map(|face| face.bounding_box.center());
        one[0].total_cmp(&other[0]).then(one[1].total_cmp(&other[1]))
    });
    let face = |(index, face): (usize, &DetectedFace)| {
        let quality = scale.quality(FaceQuality::measure(photo.pixels.view(), face));
        Face {
            photo: 0,
            number: index + 1,
            source: FaceSource::Detector,
            bounding_box: scale.box_in_photo(&face.bounding_box),
            landmarks: Some(scale.points_in_photo(&face.landmarks)),
            quality: Some(quality),
            warning: match face.orientation {
                OrientationCertainty::Certain => quality.warning().map(FaceWarning::Quality),
                OrientationCertainty::Doubtful => Some(FaceWarning::Orientation),
            },
        }
    };
    Ok(FoundFaces { size: photo.size, faces: detected.iter().enumerate().map(face).collect() })
}

/// Faces below this score may be parts of others.
const MIN_SCORE_BESIDE_ANOTHER: f32 = 0.6;

/// Leaves out faces with a low score of which at least half lies within the box of one with a better score: parts
/// of a large face that look like a face.
fn without_echoes(faces: Vec<DetectedFace>) -> Vec<DetectedFace> {
    let is_echo = |face: &DetectedFace| {
        let covers = |other: &DetectedFace| {
            let shared = face.bounding_box.intersection(&other.bounding_box).area();
            other.score > face.score && 2.0 * shared >= face.bounding_box.area()
        };
        face.score < MIN_SCORE_BESIDE_ANOTHER && faces.iter().any(covers)
    };
    faces.iter().filter(|face| !is_echo(face)).copied().collect()
}

/// Whether a face was found at landmarks: their mean distance from its own is at most a quarter of the longer
/// side of its box. Returns the nearest such face.
pub fn face_at<'a>(found: &'a [Face], landmarks: &Landmarks) -> Option<&'a Face> {
    let distances = found.iter().map(|face| (distance(face, landmarks), face));
    let (distance, face) = distances.min_by(|(one, _), (other, _)| one.total_cmp(other))?;
    (distance <= MAX_DISAGREEMENT).then_some(face)
}

/// The largest mean distance of listed landmarks from those of a detected face, in units of the longer side of its
/// box.
const MAX_DISAGREEMENT: f64 = 0.25;

fn distance(face: &Face, points: &Landmarks) -> f64 {
    let Some(landmarks) = face.landmarks else { return f64::INFINITY };
    let distance = |one: [f32; 2], other: [f32; 2]| f64::from(one[0] - other[0]).hypot(f64::from(one[1] - other[1]));
    let sum: f64 = landmarks.0.iter().zip(points.0).map(|(one, other)| distance(*one, other)).sum();
    let [width, height] = face.bounding_box.sides();
    sum / 5.0 / width.max(height)
}

/// The size of a photo in units of that of its decoded pixels, along x and y.
pub(super) struct PhotoScale([f64; 2]);

impl PhotoScale {
    pub(super) fn of(photo: &Photo) -> Self {
        let (rows, columns, _) = photo.pixels.dim();
        let [height, width] = photo.size;
        Self([width as f64 / columns as f64, height as f64 / rows as f64])
    }

    pub(super) fn box_in_photo(&self, face: &BoundingBox) -> BoundingBox {
        let [x, y] = self.0;
        let edges = [x * face.left, y * face.top, x * face.right, y * face.bottom];
        let [left, top, right, bottom] = edges.map(single_precision);
        BoundingBox { left, top, right, bottom }
    }

    /// Points have integer coordinates at the centers of pixels.
    fn points_in_photo(&self, points: &Landmarks) -> Landmarks {
        let map = |coordinate: f32, axis: usize| ((f64::from(coordinate) + 0.5) * self.0[axis] - 0.5) as f32;
        Landmarks(points.0.map(|[x, y]| [map(x, 0), map(y, 1)]))
    }

    pub(super) fn points_in_pixels(&self, points: &Landmarks) -> Landmarks {
        let map = |coordinate: f32, axis: usize| ((f64::from(coordinate) + 0.5) / self.0[axis] - 0.5) as f32;
        Landmarks(points.0.map(|[x, y]| [map(x, 0), map(y, 1)]))
    }

    /// The quality of a face in the decoded pixels as that of a face in the photo.
    fn quality(&self, quality: FaceQuality) -> FaceQuality {
        let FaceQuality { side, score, sharpness, yaw, pitch, roll } = quality.enlarged(self.0[0].min(self.0[1]));
        let [side, sharpness, yaw, pitch, roll] = [side, sharpness, yaw, pitch, roll].map(single_precision);
        FaceQuality { side, score, sharpness, yaw, pitch, roll }
    }
}

/// Rounds as the cache does, so that a result does not depend on whether it was cached.
pub(super) fn single_precision(value: f64) -> f64 {
    f64::from(value as f32)
}
