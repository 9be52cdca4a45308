//! How the face of an image was found.

use crate::face_source::FaceSource;
use facenet_data::Landmarks;

/// How the face of a picture was cut out of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Portrait {
    /// By what.
    pub source: FaceSource,
    /// The five points, in pixels of the picture, if they are known.
    pub landmarks: Option<Landmarks>,
    /// How many faces the picture seems to show, if it was looked for them.
    pub faces: Option<usize>,
}

impl Portrait {
    /// By what its face was cut out, how many faces were seen and what is doubtful, as the cells of a table; empty where
    /// nothing is known.
    #[must_use]
    pub fn cells(&self) -> [String; 3] {
        let faces = self.faces.map_or_else(String::new, |faces| faces.to_string());
        let doubt = self.warning().map_or_else(String::new, |doubt| doubt.to_string());
        [self.source.to_string(), faces, doubt]
    }

    /// What makes its embedding doubtful, if anything does.
    #[must_use]
    pub fn warning(&self) -> Option<FaceCountWarning> {
        match self.faces? {
            0 => Some(FaceCountWarning::NoFace),
            1 => None,
            faces => Some(FaceCountWarning::SeveralFaces(faces)),
        }
    }
}

/// Why an embedding may not be that of the person one thinks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum FaceCountWarning {
    /// No face was found in the picture.
    #[error("it seems to show no face: its middle is taken for one")]
    NoFace,
    /// Several faces were found in the picture.
    #[error("it seems to show {0} faces: one of them is taken")]
    SeveralFaces(usize),
}
