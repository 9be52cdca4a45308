//! How well a face can be recognized.

use facenet_data::{Landmarks, align};
use ndarray::ArrayView3;
use serde::Serialize;

use crate::detection::detect::DetectedFace;
use crate::detection::geometry::FaceGeometry;

// Chosen on the training people of LFW's View 1, with face-reidentification-retail-0095. Of pairs of a degraded and
// another image of a person, so many are closer than 999 of 1000 pairs of people: 0.99 of the faces as they are
// (about 94 pixels wide) and reduced to 48 pixels, 0.97 at 24, 0.93 at 20, 0.78 at 16, 0.39 at 12; blurred by a
// Gaussian with a standard deviation of 2 pixels 0.98 (median sharpness 0.23), of 3 0.93 (0.10), of 4 0.68 (0.05),
// of 5 0.26 (0.03).

/// Faces below this shorter side, in pixels, are too small.
const MIN_SIDE: f64 = 20.0;
/// Faces below this sharpness are blurred. The median face of LFW has 0.84, 1 % have less than 0.3.
const MIN_SHARPNESS: f64 = 0.07;
/// Faces turned further than this, in degrees, are turned away: 1 % of LFW.
const MAX_YAW: f64 = 65.0;
/// Faces that look further up or down than this, in degrees, are turned away.
const MAX_PITCH: f64 = 45.0;
/// Faces below this score are uncertain.
const MIN_SCORE: f32 = 0.6;

/// How well a face can be recognized.
///
/// The angles follow from the five points, in the frame of the face, whose axis from the middle of the eyes to the
/// middle of the mouth points down and has length 1:
///
/// ```text
/// sin(yaw) = nose_x / 0.41,   tan(pitch) = (nose_y - 0.55) / 0.41
/// ```
///
/// 0.41 is about how far the tip of the nose lies in front of eyes and mouth in an average head, and 0.55 how far below
/// the eyes. Heads differ: expect errors of about 10 degrees, more where yaw and pitch are both large.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct FaceQuality {
    /// The shorter side of the box, in pixels of the photo.
    #[serde(rename = "size")]
    pub side: f64,
    /// How sure the detector is, from 0 to 1.
    pub score: f32,
    /// Detail of the aligned grey face at `S x S` pixels, S being its side, at most 32: faces that are sharp have
    /// 0.3 to 2, whatever their size and contrast; blurred ones less than 0.1.
    ///
    /// ```text
    /// S/32 Var(Laplacian) / Var(grey)
    /// ```
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
    #[error("only {:.0} pixels in size", side.floor())]
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
        let geometry = FaceGeometry::new(&face.landmarks);
        let angle = |angle: fn(&FaceGeometry) -> f64| geometry.as_ref().map_or(0.0, angle);
        Self {
            side: face.shorter_side(),
            score: face.score,
            sharpness: sharpness(photo, &face.landmarks, face.shorter_side()),
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

/// The side, in pixels, of the aligned face on which sharpness is measured: detail beyond it is not needed to
/// recognize a face. Smaller faces are not enlarged.
const SHARPNESS_SIDE: usize = 32;
/// Where the five points lie in the aligned face, as fractions of its side.
const TEMPLATE: [[f32; 2]; 5] = [[0.29, 0.3], [0.71, 0.3], [0.5, 0.54], [0.33, 0.76], [0.67, 0.76]];

/// The sharpness; see [`FaceQuality::sharpness`]. The factor makes up for what sharp faces of fewer pixels have more of.
fn sharpness(photo: ArrayView3<'_, u8>, landmarks: &Landmarks, side: f64) -> f64 {
    let length = (side as usize).clamp(8, SHARPNESS_SIDE);
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
    let scale = length as f64 / SHARPNESS_SIDE as f64;
    if contrast > 0.0 { scale * variance(&laplacian) / contrast } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detection::detect::OrientationCertainty;
    use facenet_data::Crop;
    use facenet_metrics::BoundingBox;
    use ndarray::Array3;

    /// A picture with detail at all scales and a face of this side in its middle.
    fn picture(side: usize, contrast: f64) -> (Array3<u8>, DetectedFace) {
        let pixels = Array3::from_shape_fn((2 * side, 2 * side, 3), |(row, column, _)| {
            let [x, y] = [column, row].map(|at| at as f64 / side as f64);
            let waves = [1.0, 2.0, 4.0, 8.0].map(|k: f64| ((7.0 * k * x).sin() + (9.0 * k * y + x).sin()) / k);
            (128.0 + contrast * waves.iter().sum::<f64>()) as u8
        });
        let [start, side] = [0.5 * side as f64, side as f64];
        let bounding_box = BoundingBox { left: start, top: start, right: start + side, bottom: start + side };
        let landmarks = Landmarks(TEMPLATE.map(|point| point.map(|at| (start + side * f64::from(at) - 0.5) as f32)));
        (pixels, DetectedFace { bounding_box, score: 0.9, landmarks, orientation: OrientationCertainty::Certain })
    }

    #[test]
    fn sharpness_falls_with_blur_but_not_with_size_or_contrast() {
        let sharp = |side, contrast| {
            let (picture, face) = picture(side, contrast);
            FaceQuality::measure(picture.view(), &face).sharpness
        };
        let expected = sharp(128, 20.0);
        for (side, contrast) in [(64, 20.0), (300, 20.0), (128, 10.0), (128, 30.0)] {
            let ratio = sharp(side, contrast) / expected;
            assert!((0.6..1.6).contains(&ratio), "{ratio} for {side} pixels, contrast {contrast}");
        }
        let (picture, face) = picture(128, 20.0);
        let mut last = expected;
        for side in [96, 64, 32] {
            let small = Crop::Whole.apply(picture.view(), [side; 2]);
            let blurred = Crop::Whole.apply(small.view(), [256; 2]);
            let sharpness = FaceQuality::measure(blurred.view(), &face).sharpness;
            assert!(sharpness < last, "{sharpness} at {side}");
            last = sharpness;
        }
        assert!(last < MIN_SHARPNESS, "{last}");
        assert_eq!(sharp(64, 0.0), 0.0, "flat");
    }

    #[test]
    fn warnings_say_why() {
        let fine = FaceQuality { side: 80.0, score: 0.9, sharpness: 0.2, yaw: 10.0, pitch: -5.0, roll: 170.0 };
        let warning = |quality: FaceQuality| quality.warning().map(|warning| warning.to_string());
        assert_eq!(warning(fine), None);
        assert_eq!(warning(FaceQuality { side: 14.2, ..fine }).unwrap(), "only 14 pixels in size");
        assert_eq!(warning(FaceQuality { side: 14.2, ..fine }.enlarged(4.0)), None);
        assert_eq!(warning(FaceQuality { score: 0.55, ..fine }).unwrap(), "uncertain");
        assert_eq!(warning(FaceQuality { sharpness: 0.002, ..fine }).unwrap(), "blurred");
        assert_eq!(warning(FaceQuality { yaw: -80.0, ..fine }).unwrap(), "turned away");
        assert_eq!(warning(FaceQuality { pitch: 60.0, ..fine }).unwrap(), "turned away");
        let json = serde_json::to_string(&fine).unwrap();
        assert_eq!(json, r#"{"size":80.0,"score":0.9,"sharpness":0.2,"yaw":10.0,"pitch":-5.0,"roll":170.0}"#);
    }
}
