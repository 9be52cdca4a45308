//! Image files of a data set and the faces in them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use facenet_data::{
    Alignment, CoordinateSystem, Crop, DEFAULT_MEMORY_LIMIT, FaceExtraction, FaceSet, LandmarkList, Landmarks,
    LoadOptions, Photo, escape_path, load_faces, read_image,
};
use facenet_recognition::{Detect, FaceSelection, FaceSource, face_at, find_faces};
use ndarray::Array4;
use rayon::prelude::*;

use crate::dataset::labeled_faces::LabeledFaces;
use crate::dataset::split::first_images;
use crate::error::Error;

/// Called with the number of faces loaded and the total, from any thread.
pub(super) type LoadProgress<'a> = Option<&'a (dyn Fn(usize, usize) + Sync)>;

/// How to extract faces, and the progress callback.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) crop: &'a Crop,
    pub(super) template: Option<Landmarks>,
    pub(super) size: [usize; 2],
    pub(super) progress: LoadProgress<'a>,
}

/// A folder of images, with known landmarks or a detector that finds them.
pub(crate) struct ImageFolder<'a> {
    pub(crate) root: &'a Path,
    pub(crate) landmarks: Option<LandmarkList>,
    pub(crate) coordinates: CoordinateSystem,
    /// Finds the landmarks of images that have none, in pixels of the image itself.
    pub(crate) detector: Option<&'a dyn Detect>,
}

/// Where the face of an image is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Located {
    pub(crate) landmarks: Option<Landmarks>,
    pub(crate) source: FaceSource,
    /// The detector finds no face at the known landmarks.
    pub(crate) doubtful: bool,
}

impl ImageFolder<'_> {
    /// The face of each image: aligned to the template where landmarks are known or the detector finds a face,
    /// the most central one; otherwise cropped.
    pub(crate) fn load(
        &self,
        paths: &[PathBuf],
        crop: &Crop,
        template: Option<Landmarks>,
        size: [usize; 2],
        progress: &(dyn Fn(usize) + Sync),
    ) -> Result<(Array4<u8>, Vec<Located>), Error> {
        let located: Vec<Located> = match template {
            Some(_) => paths.par_iter().map(|path| self.locate(path)).collect::<Result<_, _>>()?,
            None => vec![Located { landmarks: None, source: FaceSource::CenterCrop, doubtful: false }; paths.len()],
        };
        let landmarks: Vec<_> = located.iter().map(|located| located.landmarks).collect();
        let extraction = FaceExtraction {
            size,
            crop: *crop,
            alignment: template.map(|template| Alignment { template, landmarks: &landmarks }),
            coordinates: self.coordinates,
        };
        let options = LoadOptions { progress: Some(progress), ..LoadOptions::default() };
        let faces = load_faces(paths, &extraction, &options)?;
        Ok((faces, located))
    }

    fn locate(&self, path: &Path) -> Result<Located, Error> {
        let listed = self.landmarks(path);
        let Some(detector) = self.detector else {
            let source = if listed.is_some() { FaceSource::LandmarkList } else { FaceSource::CenterCrop };
            return Ok(Located { landmarks: listed, source, doubtful: false });
        };
        let pixels = read_image(path)?;
        let size = [pixels.dim().0, pixels.dim().1];
        let found = find_faces(detector, &Photo { pixels, size })?;
        let central =
            || FaceSelection::Central.of(&found.faces, size).next().and_then(|face| found.faces[face].landmarks);
        Ok(match listed {
            Some(landmarks) => Located {
                landmarks: listed,
                source: FaceSource::LandmarkList,
                doubtful: face_at(&found.faces, &landmarks).is_none(),
            },
            None => match central() {
                Some(landmarks) => {
                    Located { landmarks: Some(landmarks), source: FaceSource::Detector, doubtful: false }
                }
                None => Located { landmarks: None, source: FaceSource::CenterCrop, doubtful: false },
            },
        })
    }

    /// The path of an image relative to the folder.
    fn name<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(self.root).unwrap_or(path)
    }

    fn landmarks(&self, path: &Path) -> Option<Landmarks> {
        let list = self.landmarks.as_ref()?;
        match self.coordinates {
            CoordinateSystem::Image => list.get(self.name(path)),
            // The list names JPEGs; the files may be PNGs.
            CoordinateSystem::Lfw => list.get(&self.name(path).with_extension("jpg")),
        }
    }
}

/// Whether a path exists. A broken link counts: reading it is the error.
pub(super) fn exists(path: &Path) -> Result<bool, Error> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(facenet_data::Error::Io { path: path.to_owned(), source }.into()),
    }
}

/// Loads the images of training, validation and unseen people under one progress count.
pub(super) fn load_sets(
    [training, validation, unseen]: [FaceSet; 3],
    folder: &ImageFolder<'_>,
    request: Request<'_>,
) -> Result<[LabeledFaces; 3], Error> {
    let validation = first_images(&validation);
    let all = training.images.len() + validation.images.len() + unseen.images.len();
    check_memory(all, request.size)?;
    let mut before = 0;
    let mut load = |set: FaceSet| {
        let count = set.images.len();
        let faces = load_set(set, folder, request, &|loaded| {
            request.progress.iter().for_each(|report| report(before + loaded, all));
        });
        before += count;
        faces
    };
    Ok([load(training)?, load(validation)?, load(unseen)?])
}

/// Checks that the faces of all groups fit in memory together.
pub(super) fn check_memory(faces: usize, [height, width]: [usize; 2]) -> Result<(), Error> {
    let bytes = [faces, height, width, 3].iter().try_fold(1_u64, |product, &count| product.checked_mul(count as u64));
    let limit = DEFAULT_MEMORY_LIMIT;
    if bytes.is_none_or(|bytes| bytes > limit) {
        return Err(facenet_data::Error::FacesOverMemory { faces, height, width, limit }.into());
    }
    Ok(())
}

fn load_set(
    set: FaceSet,
    folder: &ImageFolder<'_>,
    Request { crop, template, size, .. }: Request<'_>,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<LabeledFaces, Error> {
    let (faces, located) = folder.load(&set.images, crop, template, size, progress)?;
    Ok(LabeledFaces {
        faces,
        identities: set.identities,
        people: set.people,
        images: set.images.iter().map(|path| escape_path(folder.name(path))).collect(),
        sources: located.iter().map(|located| located.source).collect(),
    })
}
