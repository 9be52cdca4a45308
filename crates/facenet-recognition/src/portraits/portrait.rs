//! How the face of an image was located.

use facenet_data::Landmarks;

use crate::face_source::FaceSource;

/// How the face of an image was located.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Portrait {
    /// What located the face.
    pub source: FaceSource,
    /// The five landmarks in pixels of the image. `None` for a cropped face.
    pub landmarks: Option<Landmarks>,
    /// Estimated number of faces in the image. `None` if it was not searched for faces.
    pub faces: Option<usize>,
}

impl Portrait {
    /// The source, the number of faces and the warning as table cells; empty if unknown.
    #[must_use]
    pub fn cells(&self) -> [String; 3] {
        let faces = self.faces.map_or_else(String::new, |faces| faces.to_string());
        let warning = self.warning().map_or_else(String::new, |warning| warning.to_string());
        [self.source.to_string(), faces, warning]
    }

    /// A warning unless the image shows exactly one face. `None` if it was not searched for faces.
    #[must_use]
    pub fn warning(&self) -> Option<FaceCountWarning> {
        match self.faces? {
            0 => Some(FaceCountWarning::NoFace),
            1 => None,
            faces => Some(FaceCountWarning::SeveralFaces(faces)),
        }
    }
}

/// Why an embedding may not belong to the person in question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum FaceCountWarning {
    /// No face was found.
    #[error("appears to show no face; its center is used")]
    NoFace,
    /// Several faces were found.
    #[error("appears to show {0} faces; one of them is used")]
    SeveralFaces(usize),
}
