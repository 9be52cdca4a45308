//! Image files of a data set, and the faces in them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use facenet_data::{
    Alignment, CoordinateSystem, Crop, DEFAULT_MEMORY_LIMIT, FaceExtraction, FaceSet, LandmarkList, Landmarks,
    LoadOptions, escape_path, load_faces,
};
use facenet_recognition::FaceSource;
use ndarray::Array4;

use crate::dataset::division::first_pictures;
use crate::dataset::labelled_faces::LabelledFaces;
use crate::error::Error;

/// Told how many faces are loaded, of how many; from any thread.
pub(super) type Progress<'a> = Option<&'a (dyn Fn(usize, usize) + Sync)>;

/// Which faces are wanted of picture files, and who is told.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) crop: &'a Crop,
    pub(super) template: Option<Landmarks>,
    pub(super) size: [usize; 2],
    pub(super) progress: Progress<'a>,
}

/// A folder of pictures, and what is known of the faces in them.
pub(crate) struct Pictures<'a> {
    pub(crate) root: &'a Path,
    pub(crate) landmarks: Option<LandmarkList>,
    pub(crate) coordinates: CoordinateSystem,
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
    ) -> Result<(Array4<u8>, Vec<FaceSource>), Error> {
        let landmarks: Vec<Option<Landmarks>> = match template {
            Some(_) => paths.iter().map(|path| self.landmarks(path)).collect(),
            None => vec![None; paths.len()],
        };
        let extraction = FaceExtraction {
            size,
            crop: *crop,
            alignment: template.map(|template| Alignment { template, landmarks: &landmarks }),
            coordinates: self.coordinates,
        };
        let options = LoadOptions { progress: Some(progress), ..LoadOptions::default() };
        let faces = load_faces(paths, &extraction, &options)?;
        let source = |landmarks: &Option<Landmarks>| match landmarks {
            Some(_) => FaceSource::LandmarkList,
            None => FaceSource::CenterCrop,
        };
        Ok((faces, landmarks.iter().map(source).collect()))
    }

    /// The path of a picture within the folder.
    fn name<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(self.root).unwrap_or(path)
    }

    fn landmarks(&self, path: &Path) -> Option<Landmarks> {
        let list = self.landmarks.as_ref()?;
        match self.coordinates {
            CoordinateSystem::Image => list.get(self.name(path)),
            // The list speaks of JPEGs, instead of which there may be PNGs.
            CoordinateSystem::Lfw => list.get(&self.name(path).with_extension("jpg")),
        }
    }
}

/// Whether there is something under a name: a link that leads nowhere is, and fails when it is read.
pub(super) fn is_there(path: &Path) -> Result<bool, Error> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(facenet_data::Error::Io { path: path.to_owned(), source }.into()),
    }
}

/// Reads the pictures of training, validation and unseen people, one progress over all.
pub(super) fn load_sets(
    [training, validation, unseen]: [FaceSet; 3],
    pictures: &Pictures<'_>,
    request: Request<'_>,
) -> Result<[LabelledFaces; 3], Error> {
    let validation = first_pictures(&validation);
    let all = training.images.len() + validation.images.len() + unseen.images.len();
    check_memory(all, request.size)?;
    let mut before = 0;
    let mut load = |set: FaceSet| {
        let count = set.images.len();
        let faces = load_set(set, pictures, request, &|loaded| {
            request.progress.iter().for_each(|told| told(before + loaded, all));
        });
        before += count;
        faces
    };
    Ok([load(training)?, load(validation)?, load(unseen)?])
}

/// That the faces of all groups fit in memory together.
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
    pictures: &Pictures<'_>,
    Request { crop, template, size, .. }: Request<'_>,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<LabelledFaces, Error> {
    let (faces, sources) = pictures.load(&set.images, crop, template, size, progress)?;
    Ok(LabelledFaces {
        faces,
        identities: set.identities,
        people: set.people,
        pictures: set.images.iter().map(|path| escape_path(pictures.name(path))).collect(),
        sources,
    })
}
