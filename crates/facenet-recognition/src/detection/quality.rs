//! How well a face can be recognized.

use facenet_data::{Landmarks, align};
use ndarray::ArrayView3;
use serde::Serialize;

use crate::detection::detect::DetectedFace;
use crate::detection::geometry::FaceGeometry;

/// Faces below this shorter side, in pixels, are too small.
const MIN_SIDE: f64 = 20.0;
/// Faces below this sharpness are blurred.
const MIN_SHARPNESS: f64 = 0.01;
/// Faces turned further than this, in degrees, are turned away.
const MAX_YAW: f64 = 60.0;
/// Faces that look further up or down than this, in degrees, are turned away.
const MAX_PITCH: f64 = 45.0;
/// Faces below this score are uncertain.
const MIN_SCORE: f32 = 0.6;

/// How well a face can be recognized.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct FaceQuality {
    /// The shorter side of the box, in pixels of the photo.
    #[serde(rename = "size")]
    pub side: f64,
    /// How sure the detector is, from 0 to 1.
    pub score: f32,
    /// Sharpness.
    pub sharpness: f64,
    /// The angle, in degrees from -90 to 90, by which the face is turned to the right side of an upright photo.
    pub yaw: f64,
    /// The angle, in degrees from -90 to 90, by which the face looks down.
    pub pitch: f64,
    /// The clockwise angle, in degrees from -180 to 180, of the face in the photo.
    pub roll: f64,
}

/// Why a face may not be recognized.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum QualityWarning {
    /// The face is small.
    #[error("only {side:.0} pixels wide")]
    Small {
        /// The shorter side of its box, in pixels of the photo.
        side: f64,
    },
    /// The detector is not sure.
    #[error("uncertain")]
    Uncertain,
    /// The face is blurred.
    #[error("blurred")]
    Blurred,
    /// The face looks to the side, up or down.
    #[error("turned away")]
    TurnedAway,
}

impl FaceQuality {
    /// Measures a face.
    ///
    /// # Shapes
    ///
    /// `photo`: `[height, width, 3]`, in standard layout.
    ///
    /// # Panics
    ///
    /// If the photo does not have three channels in standard layout.
    #[must_use]
    #[track_caller]
    pub fn measure(photo: ArrayView3<'_, u8>, face: &DetectedFace) -> Self {
        let [width, height] = face.bounding_box.sides();
        let geometry = FaceGeometry::new(&face.landmarks);
        let angle = |angle: fn(&FaceGeometry) -> f64| geometry.as_ref().map_or(0.0, angle);
        Self {
            side: width.min(height),
            score: face.score,
            sharpness: sharpness(photo, &face.landmarks, width.min(height)),
            yaw: angle(FaceGeometry::yaw),
            pitch: angle(FaceGeometry::pitch),
            roll: angle(FaceGeometry::roll),
        }
    }

    /// The quality of the same face in a photo that is `factor` times as large, of which the measured photo is a
    /// reduced copy.
    #[must_use]
    pub fn enlarged(self, factor: f64) -> Self {
        Self { side: factor * self.side, ..self }
    }

    /// The main reason for which the face may not be recognized.
    #[must_use]
    pub fn warning(&self) -> Option<QualityWarning> {
        if self.side < MIN_SIDE {
            Some(QualityWarning::Small { side: self.side })
        } else if self.score < MIN_SCORE {
            Some(QualityWarning::Uncertain)
        } else if self.sharpness < MIN_SHARPNESS {
            Some(QualityWarning::Blurred)
        } else if self.yaw.abs() > MAX_YAW || self.pitch.abs() > MAX_PITCH {
            Some(QualityWarning::TurnedAway)
        } else {
            None
        }
    }
}

/// The side, in pixels, of the aligned face on which sharpness is measured; smaller faces are not enlarged.
const SHARPNESS_SIDE: f64 = 64.0;
/// Where the five points lie in the aligned face, as fractions of its side.
const TEMPLATE: [[f32; 2]; 5] = [[0.29, 0.3], [0.71, 0.3], [0.5, 0.54], [0.33, 0.76], [0.67, 0.76]];

/// Variance of the Laplacian relative to the variance of an aligned grey face.
fn sharpness(photo: ArrayView3<'_, u8>, landmarks: &Landmarks, side: f64) -> f64 {
    let length = side.clamp(8.0, SHARPNESS_SIDE) as usize;
    let template = Landmarks(TEMPLATE.map(|point| point.map(|fraction| fraction * length as f32 - 0.5)));
    let Some(face) = align(photo, landmarks, &template, [length; 2]) else { return 0.0 };
    let grey = face.map_axis(ndarray::Axis(2), |pixel| pixel.iter().map(|&level| f64::from(level)).sum::<f64>() / 3.0);
    let mut laplacian = Vec::with_capacity(length * length);
    for row in 1..length - 1 {
        for column in 1..length - 1 {
            laplacian.push(
                grey[[row - 1, column]] + grey[[row + 1, column]] + grey[[row, column - 1]] + grey[[row, column + 1]]
                    - 4.0 * grey[[row, column]],
            );
        }
    }
    let variance = |values: &[f64]| {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64
    };
    let contrast = variance(grey.as_slice().expect("a new array is contiguous"));
    if contrast > 0.0 { variance(&laplacian) / contrast } else { 0.0 }
}
