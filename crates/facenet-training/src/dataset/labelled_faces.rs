//! Faces of known people, in three groups.

use facenet_metrics::Pair;
use facenet_recognition::{FaceSource, FaceSourceCounts, ValidationPairs};
use ndarray::Array4;

/// Faces of known people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelledFaces {
    /// 8-bit RGB: `[n, height, width, 3]`.
    pub faces: Array4<u8>,
    /// Who is in each face: an index into `people`. Everybody is in one at least.
    pub identities: Vec<usize>,
    /// Names of the people.
    pub people: Vec<String>,
    /// Name of each picture, relative to the data set: `s31/4.pgm`.
    pub pictures: Vec<String>,
    /// How each face came out of its picture.
    pub sources: Vec<FaceSource>,
}

/// Three groups of people without a common member, and the pairs by which they are judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// What it is called: `orl`.
    pub name: String,
    /// The people to learn from.
    pub training: LabelledFaces,
    /// Some of the training people who are left out of learning, to choose thresholds on: among people who were learned,
    /// pictures of one person are nearer to each other than those of anyone else will be.
    pub validation: LabelledFaces,
    /// The people on whom is measured what was learned.
    pub unseen: LabelledFaces,
    /// Pairs of pictures of `validation`.
    pub validation_pairs: Vec<Pair>,
    /// Pairs of pictures of `unseen`.
    pub unseen_pairs: Vec<Pair>,
}

impl Dataset {
    /// What distances of a network trained on the training people are calibrated on.
    #[must_use]
    pub fn validation(&self) -> ValidationPairs<'_> {
        ValidationPairs { faces: self.validation.faces.view(), pairs: &self.validation_pairs }
    }

    /// How many faces of all groups are aligned, cropped, painted.
    #[must_use]
    pub fn sources(&self) -> FaceSourceCounts {
        let groups = [&self.training, &self.validation, &self.unseen];
        groups.into_iter().flat_map(|group| group.sources.iter().copied()).collect()
    }
}
