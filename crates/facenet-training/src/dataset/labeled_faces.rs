//! Labeled faces, and data sets of three groups.

use facenet_metrics::Pair;
use facenet_recognition::{FaceSource, FaceSourceCounts, ValidationPairs};
use ndarray::Array4;

/// Faces with known identities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabeledFaces {
    /// 8-bit RGB, `[n, height, width, 3]`.
    pub faces: Array4<u8>,
    /// Identity of each face: an index into `people`. Each index occurs at least once.
    pub identities: Vec<usize>,
    /// Names of the people.
    pub people: Vec<String>,
    /// Name of each image, relative to the data set: `s31/4.pgm`.
    pub images: Vec<String>,
    /// Source of each face.
    pub sources: Vec<FaceSource>,
}

/// A data set: three disjoint groups of people, and the pairs to score.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// Name of the data set: `orl`.
    pub name: String,
    /// People to train on.
    pub training: LabeledFaces,
    /// People left out of training to choose thresholds on: genuine pairs of people seen in
    /// training are closer than those of anyone else.
    pub validation: LabeledFaces,
    /// People to score on.
    pub unseen: LabeledFaces,
    /// Pairs of `validation` images.
    pub validation_pairs: Vec<Pair>,
    /// Pairs of `unseen` images.
    pub unseen_pairs: Vec<Pair>,
}

impl Dataset {
    /// The faces and pairs to calibrate distances on.
    #[must_use]
    pub fn validation(&self) -> ValidationPairs<'_> {
        ValidationPairs { faces: self.validation.faces.view(), pairs: &self.validation_pairs }
    }

    /// Number of faces of all groups from each source.
    #[must_use]
    pub fn sources(&self) -> FaceSourceCounts {
        let groups = [&self.training, &self.validation, &self.unseen];
        groups.into_iter().flat_map(|group| group.sources.iter().copied()).collect()
    }
}
