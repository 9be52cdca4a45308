//! Arguments of the commands that find faces.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use facenet_data::escape_path;
use facenet_network::Network;
use facenet_recognition::{
    DEFAULT_DETECTOR, DetectionOptions, FaceDetector, ForeignNetwork, MinFace, Orientations, read_weights,
};

use crate::folders;

/// The detector and how it searches photos.
#[derive(Args, Debug)]
pub struct DetectionArguments {
    /// The network that finds faces: a checkpoint, or weights of another program [default: yunet_n from
    /// `facenet download`]
    #[arg(long, value_name = "FILE")]
    detector: Option<PathBuf>,
    /// The shorter side of the smallest faces to look for, in decoded pixels: a JPEG of more than 40
    /// megapixels is decoded at a reduced scale. The smaller, the longer it takes on large
    /// photos [default: an 80th of the longer side of a photo]
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(1..))]
    min_face: Option<u32>,
    /// In which orientations to look for faces
    #[arg(long, value_name = "WHICH", value_enum, default_value_t)]
    orientations: OrientationChoice,
    /// The least score of a face, from 0.01 to below 1
    #[arg(long, value_name = "S", default_value_t = DetectionOptions::default().min_score, value_parser = score)]
    min_score: f32,
}

impl DetectionArguments {
    /// Reads the detector. `None` if it is not installed and none is given; `data` is the folder to look in.
    ///
    /// # Errors
    ///
    /// If the file is missing or invalid.
    pub fn find(&self, data: Option<&Path>) -> Result<Option<FaceDetector>> {
        let file = self.detector.clone().or_else(|| folders::find_network(data, DEFAULT_DETECTOR));
        let read = |file: PathBuf| -> Result<FaceDetector> {
            let network = Network::from_checkpoint(read_weights(&file, &ForeignNetwork::default())?)?;
            FaceDetector::new(&network, self.options()).with_context(|| format!("in {}", escape_path(&file)))
        };
        file.map(read).transpose()
    }

    /// The same, but an error if it is not installed.
    ///
    /// # Errors
    ///
    /// If there is no detector, or the file is invalid.
    pub fn read(&self, data: Option<&Path>) -> Result<FaceDetector> {
        self.find(data)?.with_context(|| {
            format!("network {DEFAULT_DETECTOR} not found; run `facenet download`, or pass --detector FILE")
        })
    }

    fn options(&self) -> DetectionOptions {
        DetectionOptions {
            min_face: self.min_face.map_or_else(MinFace::default, |side| MinFace::Pixels(side.into())),
            orientations: self.orientations.into(),
            min_score: self.min_score,
        }
    }
}

/// [`Orientations`] as an argument.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum OrientationChoice {
    /// Upright only
    Upright,
    /// Upright first; turned by 90, 180 and 270 degrees where no certain upright face is found
    #[default]
    UprightFirst,
    /// All four, in four times the time
    All,
}

impl From<OrientationChoice> for Orientations {
    fn from(choice: OrientationChoice) -> Self {
        match choice {
            OrientationChoice::Upright => Self::Upright,
            OrientationChoice::UprightFirst => Self::UprightFirst,
            OrientationChoice::All => Self::All,
        }
    }
}

/// Parses a score.
fn score(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(score) if (0.01..1.0).contains(&score) => Ok(score),
        _ => Err("expected a number from 0.01 to below 1".to_owned()),
    }
}
