//! Data sets, divided into people to train on and people who stay unseen.

mod folder;
mod framed;
pub(crate) mod lfw;
mod synthetic;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use facenet_cluster::Dendrogram;
use facenet_data::{
    Alignment, Coordinates, Crop, DEFAULT_MEMORY_LIMIT, FaceSet, Framing, LandmarkList, Landmarks, LoadOptions,
    load_faces, shown,
};
use facenet_metrics::{Pair, balanced_pairs};
use ndarray::Array4;

use crate::{Error, ValidationPairs};

pub use framed::{Framed, FramedFaces};
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
    /// How each face came out of its picture.
    pub framed: Vec<Framed>,
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

/// Where a data set comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatasetSource {
    /// People who do not exist, painted; no data needed. The first numbers of the world of that seed are the training
    /// people, the next the validation people, the last the unseen ones.
    Synthetic(SyntheticSize),
    /// The faces of AT&T (ORL), in `orl/data_faces`: people `s1` to `s30` to train and validate on, `s31` to
    /// `s40` unseen.
    Orl,
    /// The same forty people as published from Olivetti, 64 x 64 pixels each, in `olivetti`: divided as [`Orl`](Self::Orl) is.
    Olivetti,
    /// View 1 of Labeled Faces in the Wild, in `lfw/images` and `lfw/protocol`: the people of `peopleDevTrain.txt`
    /// to train and validate on, those of `peopleDevTest.txt` unseen, with the pairs of `pairsDevTest.txt`.
    ///
    /// Pictures are the originals of 250 x 250 or their middle 160 x 160. They are aligned if the list of landmarks
    /// `lfw/lfw_landmark_5pt_mtcnn_raw250.txt` is there, which is in pixels of the originals.
    Lfw,
    /// The same with the funneled pictures, in `lfw-funneled/images` and `lfw-funneled/protocol`. They were warped, so that
    /// landmarks of the originals do not fit, and are cropped.
    LfwFunneled,
    /// A folder of its own, wherever it is, with a folder of pictures for each person. The last quarter of the people in
    /// [natural order](facenet_data::natural_order), rounded and at least 2, stays unseen. It may hold a list of landmarks,
    /// `landmarks.txt`, in pixels of its pictures.
    Folder(PathBuf),
}

/// Told how many faces are loaded, of how many; from any thread.
type Progress<'a> = Option<&'a (dyn Fn(usize, usize) + Sync)>;

/// Which faces are wanted of picture files, and who is told.
#[derive(Clone, Copy)]
struct Request<'a> {
    crop: &'a Crop,
    template: Option<Landmarks>,
    size: [usize; 2],
    progress: Progress<'a>,
}

/// A folder of pictures, and what is known of the faces in them.
pub(crate) struct Pictures<'a> {
    pub(crate) root: &'a Path,
    pub(crate) landmarks: Option<LandmarkList>,
    pub(crate) coordinates: Coordinates,
}

impl Pictures<'_> {
    /// The face of each picture: aligned to the template where there are landmarks, cropped elsewhere.
    pub(crate) fn load(
        &self,
        paths: &[PathBuf],
        crop: &Crop,
        template: Option<Landmarks>,
        size: [usize; 2],
        progress: &(dyn Fn(usize) + Sync),
    ) -> Result<(Array4<u8>, Vec<Framed>), Error> {
        let landmarks: Vec<Option<Landmarks>> = match template {
            Some(_) => paths.iter().map(|path| self.landmarks(path)).collect(),
            None => vec![None; paths.len()],
        };
        let framing = Framing {
            crop: *crop,
            alignment: template.map(|template| Alignment { template, landmarks: &landmarks }),
            coordinates: self.coordinates,
        };
        let options = LoadOptions { progress: Some(progress), ..LoadOptions::default() };
        let faces = load_faces(paths, framing, size, &options)?;
        let framed = |landmarks: &Option<Landmarks>| match landmarks {
            Some(_) => Framed::Aligned,
            None => Framed::Cropped,
        };
        Ok((faces, landmarks.iter().map(framed).collect()))
    }

    /// The path of a picture within the folder.
    fn name<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(self.root).unwrap_or(path)
    }

    fn landmarks(&self, path: &Path) -> Option<Landmarks> {
        let list = self.landmarks.as_ref()?;
        match self.coordinates {
            Coordinates::Picture => list.get(self.name(path)),
            // The list speaks of JPEGs, instead of which there may be PNGs.
            Coordinates::Lfw => list.get(&self.name(path).with_extension("jpg")),
        }
    }
}

impl DatasetSource {
    /// What the data set is called: `orl`, or the name of the folder.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Synthetic(_) => "synthetic".to_owned(),
            Self::Orl => "orl".to_owned(),
            Self::Olivetti => "olivetti".to_owned(),
            Self::Lfw => "lfw".to_owned(),
            Self::LfwFunneled => "lfw-funneled".to_owned(),
            // `..` and `/` have no name of their own.
            Self::Folder(folder) => folder.file_name().map_or_else(|| "folder".to_owned(), shown),
        }
    }

    /// Loads all groups of people on all threads; the result does not depend on their number.
    ///
    /// `data` is the folder that holds the folders `orl`, `olivetti` and `lfw`. Pictures from files with known landmarks are aligned to
    /// the template, in the form of [`Preprocessing::template`](facenet_network::Preprocessing); `crop` applies to the others,
    /// and to all without a template. The seed chooses the synthetic people and the pairs: all pairs of the same person,
    /// and as many of different people (see
    /// [`balanced_pairs`]), but for LFW's unseen people, where they are on a list. Of people from files the last tenth of
    /// those to learn from, at least 2 and at most 400, are the validation people, with 10 pictures each at most.
    /// `progress` is told how many faces are loaded, of how many, from any thread.
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
        template: Option<[[f32; 2]; 5]>,
        size: [usize; 2],
        seed: u64,
        progress: Option<&(dyn Fn(usize, usize) + Sync)>,
    ) -> Result<Dataset, Error> {
        let name = self.name();
        let request = Request { crop, template: template.map(Landmarks), size, progress };
        match self {
            Self::Synthetic(counts) => synthetic::load(counts, size, seed, progress),
            Self::Orl => folder::load_cambridge(&name, &data.join("orl").join("data_faces"), request, seed),
            Self::Olivetti => folder::load_cambridge(&name, &data.join("olivetti"), request, seed),
            Self::Lfw => lfw::load(&data.join(&name), request, seed),
            Self::LfwFunneled => lfw::load_funneled(&data.join(&name), request, seed),
            Self::Folder(folder) => folder::load(&name, folder, request, seed),
        }
    }
}

impl Dataset {
    /// What distances of a network trained on the training people are calibrated on.
    #[must_use]
    pub fn validation(&self) -> ValidationPairs<'_> {
        ValidationPairs { faces: self.validation.faces.view(), pairs: &self.validation_pairs }
    }

    /// How many faces of all groups are aligned, cropped, painted.
    #[must_use]
    pub fn framed(&self) -> FramedFaces {
        let groups = [&self.training, &self.validation, &self.unseen];
        FramedFaces::count(groups.into_iter().flat_map(|group| &group.framed))
    }
}

/// A data set of three groups, with pairs drawn from those that are not learned from.
fn with_balanced_pairs(name: String, groups: [LabelledFaces; 3], seed: u64) -> Result<Dataset, Error> {
    let [training, validation, unseen] = groups;
    let validation_pairs = balanced_pairs(&validation.identities, seed)?;
    let unseen_pairs = balanced_pairs(&unseen.identities, seed)?;
    Ok(Dataset { name, training, validation, unseen, validation_pairs, unseen_pairs })
}

/// How many of the training people are left out of learning: a tenth, but at least 4 and at most 400; of fewer than twelve
/// people a third, but at least 2. Four people with ten pictures each make 180 pairs of the same person, enough to place
/// a threshold; everyone more is one less to learn from.
fn validation_people(people: usize) -> usize {
    (people / 10).clamp(4, 400).min(people / 3).max(2)
}

/// Someone in a group needs two pictures, else nobody can be recognised there. `source` is what the group comes from.
fn check_second_picture(group: &'static str, set: &FaceSet, source: &Path) -> Result<(), Error> {
    if (0..set.people.len()).any(|person| set.pictures_of(person).len() >= 2) {
        return Ok(());
    }
    let [first, last] = [set.people.first(), set.people.last()].map(|name| name.cloned().unwrap_or_default());
    Err(Error::NoSecondPicture { dataset: shown(source), group, first, last })
}

/// The most pairs of the same person that are scored.
const UNSEEN_PAIRS: usize = 10_000_000;

/// That the unseen people can be scored at all: found out before the network is trained.
fn check_unseen(set: &FaceSet, dataset: &Path) -> Result<(), Error> {
    let pictures = |person| set.pictures_of(person).len();
    let pairs = (0..set.people.len()).map(|person| pictures(person) * (pictures(person) - 1) / 2).sum();
    for (what, found, limit) in [
        ("pictures", set.pictures.len(), Dendrogram::MAXIMUM_EMBEDDINGS),
        ("pairs of pictures of the same person", pairs, UNSEEN_PAIRS),
    ] {
        if found > limit {
            return Err(Error::TooManyUnseen { dataset: shown(dataset), what, found, limit });
        }
    }
    Ok(())
}

/// Whether there is something under a name: a link that leads nowhere is, and fails when it is read.
fn is_there(path: &Path) -> Result<bool, Error> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(facenet_data::Error::Io { path: path.to_owned(), source }.into()),
    }
}

/// The most pictures of one validation person: some of LFW's have a hundred, and would outweigh everyone in the pairs.
const VALIDATION_PICTURES: usize = 10;

/// At most so many pictures of each person, the first ones.
fn first_pictures(set: &FaceSet, most: usize) -> FaceSet {
    let mut first = FaceSet { people: set.people.clone(), pictures: Vec::new(), identities: Vec::new() };
    for person in 0..set.people.len() {
        for picture in set.pictures_of(person).take(most) {
            first.pictures.push(set.pictures[picture].clone());
            first.identities.push(person);
        }
    }
    first
}

/// Reads the pictures of training, validation and unseen people, one progress over all.
fn load_sets(
    [training, validation, unseen]: [FaceSet; 3],
    pictures: &Pictures<'_>,
    request: Request<'_>,
) -> Result<[LabelledFaces; 3], Error> {
    let validation = first_pictures(&validation, VALIDATION_PICTURES);
    let all = training.pictures.len() + validation.pictures.len() + unseen.pictures.len();
    check_memory(all, request.size)?;
    let mut before = 0;
    let mut load = |set: FaceSet| {
        let count = set.pictures.len();
        let faces = load_set(set, pictures, request, &|loaded| {
            request.progress.iter().for_each(|told| told(before + loaded, all));
        });
        before += count;
        faces
    };
    Ok([load(training)?, load(validation)?, load(unseen)?])
}

/// That the faces of all groups fit in memory together.
fn check_memory(pictures: usize, [height, width]: [usize; 2]) -> Result<(), Error> {
    let bytes =
        [pictures, height, width, 3].iter().try_fold(1_u64, |product, &count| product.checked_mul(count as u64));
    let limit = DEFAULT_MEMORY_LIMIT;
    if bytes.is_none_or(|bytes| bytes > limit) {
        return Err(facenet_data::Error::FacesOverMemory { pictures, height, width, limit }.into());
    }
    Ok(())
}

fn load_set(
    set: FaceSet,
    pictures: &Pictures<'_>,
    Request { crop, template, size, .. }: Request<'_>,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<LabelledFaces, Error> {
    let (faces, framed) = pictures.load(&set.pictures, crop, template, size, progress)?;
    Ok(LabelledFaces {
        faces,
        identities: set.identities,
        people: set.people,
        pictures: set.pictures.iter().map(|path| shown(pictures.name(path))).collect(),
        framed,
    })
}
