use facenet_data::Landmarks;
use facenet_metrics::BoundingBox;
use ndarray::ArrayView3;

use crate::detection::geometry::FaceGeometry;
use crate::error::Error;

/// Finds faces in a photo.
pub trait Detect: Sync {
    /// The faces, the best score first.
    ///
    /// # Shapes
    ///
    /// `photo`: `[height, width, 3]`, 8-bit RGB.
    ///
    /// # Errors
    ///
    /// If the photo can't be searched.
    fn detect(&self, photo: ArrayView3<'_, u8>) -> Result<Vec<DetectedFace>, Error>;
}

/// A face in a photo, in the photo's own pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DetectedFace {
    /// The box around the face. The upper left corner of the photo is at 0, 0; parts of the box may lie
    /// outside.
    pub bounding_box: BoundingBox,
    /// How sure the detector is, from 0 to 1.
    pub score: f32,
    /// The five points, in the order of an upright face: what is the left eye there lies on the right side of the
    /// photo if the face is upside down. So alignment turns a face upright.
    pub landmarks: Landmarks,
    /// How sure the detector is of the orientation.
    pub orientation: OrientationCertainty,
}

/// How sure a detector is of the orientation of a face.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OrientationCertainty {
    /// As sure as of the face itself.
    #[default]
    Certain,
    /// The face looks as much like one in another orientation.
    Doubtful,
}

impl DetectedFace {
    /// The shorter side of the box in pixels.
    #[must_use]
    pub fn shorter_side(&self) -> f64 {
        let [width, height] = self.bounding_box.sides();
        width.min(height)
    }

    /// Whether the five points can be those of a face, of any pose and orientation, in this box: the eyes above
    /// the mouth in its own frame, the nose between, not mirrored, neither crowded nor far apart.
    #[must_use]
    pub fn has_plausible_landmarks(&self) -> bool {
        FaceGeometry::new(&self.landmarks).is_some_and(|geometry| geometry.is_plausible(self.shorter_side()))
    }
}
