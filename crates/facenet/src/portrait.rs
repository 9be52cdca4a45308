//! Portraits: pictures that show one person each.

mod cache;
mod embedder;
mod files;
mod reader;

use std::fmt;

use facenet_data::Landmarks;
use serde::Serialize;

pub use embedder::{EmbeddedPortraits, PortraitEmbedder, UnreadPicture};
pub use files::write_embeddings;
pub use reader::{PortraitLandmarks, PortraitReader};

/// How the face of a picture was cut out of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Portrait {
    /// By what.
    pub framing: PortraitFraming,
    /// The five points, in pixels of the picture, if they are known.
    pub landmarks: Option<Landmarks>,
    /// How many faces the picture seems to show, if it was looked for them.
    pub faces: Option<usize>,
}

/// What tells where the face of a picture is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PortraitFraming {
    /// A list of landmarks: aligned.
    LandmarkList,
    /// The points that a network found: aligned.
    LandmarkNetwork,
    /// Nothing: the middle of the picture.
    CenterCrop,
}

impl fmt::Display for PortraitFraming {
    /// As in JSON.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::LandmarkList => "landmark_list",
            Self::LandmarkNetwork => "landmark_network",
            Self::CenterCrop => "center_crop",
        })
    }
}

impl Portrait {
    /// By what its face was cut out, how many faces were seen and what is doubtful, as the cells of a table; empty where
    /// nothing is known.
    #[must_use]
    pub fn cells(&self) -> [String; 3] {
        let faces = self.faces.map_or_else(String::new, |faces| faces.to_string());
        let doubt = self.doubt().map_or_else(String::new, |doubt| doubt.to_string());
        [self.framing.to_string(), faces, doubt]
    }

    /// What makes its embedding doubtful, if anything does.
    #[must_use]
    pub fn doubt(&self) -> Option<Doubt> {
        match self.faces? {
            0 => Some(Doubt::NoFace),
            1 => None,
            faces => Some(Doubt::SeveralFaces(faces)),
        }
    }
}

/// Why an embedding may not be that of the person one thinks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Doubt {
    /// No face was found in the picture.
    #[error("it seems to show no face: its middle is taken for one")]
    NoFace,
    /// Several faces were found in the picture.
    #[error("it seems to show {0} faces: one of them is taken")]
    SeveralFaces(usize),
}
