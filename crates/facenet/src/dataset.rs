//! Data sets, divided into people to train on and people who stay unseen.

mod folder;
mod lfw;
mod synthetic;

use std::path::{Path, PathBuf};

use facenet_data::{Crop, FaceSet, LoadOptions, load_faces};
use facenet_metrics::{Pair, balanced_pairs};
use ndarray::Array4;

use crate::Error;

pub use synthetic::SyntheticSize;

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
}

/// Two groups of people without a common member, and the pairs by which each is judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// What it is called: `orl`.
    pub name: String,
    /// The people to learn from, and to choose thresholds on.
    pub training: LabelledFaces,
    /// The people on whom is measured what was learned.
    pub unseen: LabelledFaces,
    /// Pairs of pictures of `training`.
    pub training_pairs: Vec<Pair>,
    /// Pairs of pictures of `unseen`.
    pub unseen_pairs: Vec<Pair>,
}

/// Where a data set comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatasetSource {
    /// People who do not exist, painted; no data needed. The numbers of people and pictures are those given, the first
    /// numbers of the world of that seed are the training people, the next the unseen ones.
    Synthetic(SyntheticSize),
    /// The faces of AT&T (ORL), in `orl/data_faces`: people `s1` to `s30` to train on, `s31` to `s40` unseen.
    Orl,
    /// View 1 of Labeled Faces in the Wild, in `lfw/images` and `lfw/protocol`: the people of `peopleDevTrain.txt` with
    /// the pairs of `pairsDevTrain.txt` to train on, those of `peopleDevTest.txt` and `pairsDevTest.txt` unseen.
    Lfw,
    /// A folder of its own, wherever it is, with a folder of pictures for each person. The last quarter of the people in
    /// [natural order](facenet_data::natural_order), rounded and at least 2, stays unseen.
    Folder(PathBuf),
}

/// Told how many faces are loaded, of how many; from any thread.
type Progress<'a> = Option<&'a (dyn Fn(usize, usize) + Sync)>;

impl DatasetSource {
    /// Loads both groups of people on all threads; the result does not depend on their number.
    ///
    /// `data` is the folder that holds the folders `orl` and `lfw`. `crop` applies to pictures from files. The seed
    /// chooses the synthetic people and the pairs: all pairs of the same person, and as many of different people (see
    /// [`balanced_pairs`]), but for LFW, where they are on lists. `progress` is told how many faces are loaded, of how
    /// many, from any thread.
    ///
    /// # Shapes
    /// `size` is `[height, width]` of the faces.
    ///
    /// # Errors
    /// If a folder, a list or a picture is missing or can't be read ([`Error::Data`]), and if the people are too few or
    /// not those expected: each group needs two people, one of them with two pictures.
    ///
    /// # Panics
    /// If the size holds a 0.
    pub fn load(
        &self,
        data: &Path,
        crop: &Crop,
        size: [usize; 2],
        seed: u64,
        progress: Option<&(dyn Fn(usize, usize) + Sync)>,
    ) -> Result<Dataset, Error> {
        match self {
            Self::Synthetic(counts) => synthetic::load(counts, size, seed, progress),
            Self::Orl => folder::load_orl(&data.join("orl").join("data_faces"), crop, size, seed, progress),
            Self::Lfw => lfw::load(&data.join("lfw"), crop, size, progress),
            Self::Folder(folder) => folder::load(folder, crop, size, seed, progress),
        }
    }
}

/// Both groups with pairs drawn from them.
fn with_balanced_pairs(name: String, [training, unseen]: [LabelledFaces; 2], seed: u64) -> Result<Dataset, Error> {
    let training_pairs = balanced_pairs(&training.identities, seed)?;
    let unseen_pairs = balanced_pairs(&unseen.identities, seed)?;
    Ok(Dataset { name, training, unseen, training_pairs, unseen_pairs })
}

/// Reads the pictures of both groups, one progress over both.
fn load_sets(
    [training, unseen]: [FaceSet; 2],
    root: &Path,
    crop: &Crop,
    size: [usize; 2],
    progress: Progress<'_>,
) -> Result<[LabelledFaces; 2], Error> {
    let (before, all) = (training.pictures.len(), training.pictures.len() + unseen.pictures.len());
    let training = load_set(training, root, crop, size, &|loaded| progress.iter().for_each(|told| told(loaded, all)))?;
    let unseen =
        load_set(unseen, root, crop, size, &|loaded| progress.iter().for_each(|told| told(before + loaded, all)))?;
    Ok([training, unseen])
}

fn load_set(
    set: FaceSet,
    root: &Path,
    crop: &Crop,
    size: [usize; 2],
    progress: &(dyn Fn(usize) + Sync),
) -> Result<LabelledFaces, Error> {
    let faces =
        load_faces(&set.pictures, crop, size, &LoadOptions { progress: Some(progress), ..LoadOptions::default() })?;
    let name = |path: &PathBuf| path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
    let pictures = set.pictures.iter().map(name).collect();
    Ok(LabelledFaces { faces, identities: set.identities, people: set.people, pictures })
}
