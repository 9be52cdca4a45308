//! Faces in JSON.

use facenet_data::{Landmarks, escape_path};
use facenet_recognition::{BoundingBox, EmbeddedPhotos, Face, FaceQuality, FaceSource, FaceSourceCounts};
use serde::{Serialize, Serializer};

/// A face of a photo.
#[derive(Clone, Debug, Serialize)]
pub struct FaceReport {
    /// The photo.
    pub photo: String,
    /// The number of the face in the photo, from the left.
    pub face: usize,
    /// Left, top, right and bottom in pixels of the photo.
    #[serde(rename = "box")]
    pub bounding_box: [f64; 4],
    /// How it was located.
    #[serde(rename = "framing")]
    pub source: FaceSource,
    /// How well it can be recognized.
    pub quality: Option<FaceQuality>,
    /// What is doubtful about it.
    #[serde(rename = "doubt")]
    pub warning: Option<String>,
}

impl FaceReport {
    /// The report of a face of a photo with a name.
    #[must_use]
    pub fn new(photo: String, face: &Face) -> Self {
        Self {
            photo,
            face: face.number,
            bounding_box: edges(&face.bounding_box),
            source: face.source,
            quality: face.quality,
            warning: face.warning.map(|warning| warning.to_string()),
        }
    }

    /// The report of a row of embedded photos.
    #[must_use]
    pub fn of_row(photos: &EmbeddedPhotos, row: usize) -> Self {
        Self::new(escape_path(&photos.photo_of(row).path), &photos.faces[row])
    }

    /// `group.jpg`, or `group.jpg, face 2`.
    #[must_use]
    pub fn name(&self, faces: usize) -> String {
        if faces == 1 { self.photo.clone() } else { format!("{}, face {}", self.photo, self.face) }
    }
}

/// Left, top, right and bottom, to a tenth of a pixel.
#[must_use]
pub fn edges(BoundingBox { left, top, right, bottom }: &BoundingBox) -> [f64; 4] {
    [left, top, right, bottom].map(|edge| (edge * 10.0).round() / 10.0)
}

/// The five landmarks, to a tenth of a pixel.
#[must_use]
pub fn points(landmarks: &Landmarks) -> [[f64; 2]; 5] {
    landmarks.0.map(|point| point.map(|coordinate| (f64::from(coordinate) * 10.0).round() / 10.0))
}

/// Serializes the counts `landmark_list`, `detector` and `center_crop`.
///
/// # Errors
///
/// As the serializer.
pub fn aligned_or_cropped<S: Serializer>(counts: &FaceSourceCounts, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Counts {
        landmark_list: usize,
        detector: usize,
        center_crop: usize,
    }
    let FaceSourceCounts { landmark_list, detector, center_crop, .. } = *counts;
    Counts { landmark_list, detector, center_crop }.serialize(serializer)
}
