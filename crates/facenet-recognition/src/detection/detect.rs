use facenet_data::Landmarks;
use facenet_metrics::BoundingBox;
use ndarray::ArrayView3;

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
    /// The five points.
    pub landmarks: Landmarks,
}
