use std::fs;
use std::path::{Path, PathBuf};

use facenet_data::{Crop, LandmarkList, Landmarks, align};
use ndarray::{Array3, ArrayView3};

use crate::error::Error;
use crate::face_source::FaceSource;
use crate::landmark_network::LandmarkNetwork;
use crate::portrait::portrait::Portrait;

/// Cuts the face out of a picture: by listed landmarks if there are any, else by a network's, else in the middle.
#[derive(Clone, Debug)]
pub struct PortraitReader {
    /// Where a network expects the five points, if it asks for aligned faces.
    pub template: Option<Landmarks>,
    /// Height and width of a face.
    pub size: [usize; 2],
    /// The part of a picture that is taken for the face where no landmarks are known.
    pub crop: Crop,
    /// Finds landmarks.
    pub landmark_network: Option<LandmarkNetwork>,
    /// Landmarks that are known already.
    pub landmark_list: Option<PortraitLandmarks>,
}

/// A list of landmarks whose paths begin in the folder that it lies in, or in folders of pictures.
#[derive(Clone, Debug)]
pub struct PortraitLandmarks {
    list: LandmarkList,
    folders: Vec<PathBuf>,
}

impl PortraitLandmarks {
    /// Reads a list; `folders` are those with the pictures.
    ///
    /// # Errors
    ///
    /// If it can't be read, or is none.
    pub fn read(path: &Path, folders: &[&Path]) -> Result<Self, Error> {
        let list = LandmarkList::read(path)?;
        let own = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folders = folders.iter().copied().chain([own]).filter_map(|folder| fs::canonicalize(folder).ok());
        Ok(Self { list, folders: folders.collect() })
    }

    /// The list's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.list.path
    }

    /// The landmarks of a picture, if it has a line.
    #[must_use]
    pub fn get(&self, picture: &Path) -> Option<Landmarks> {
        // The picture itself may be a link; the folders on the way to it are what they point at.
        let parent = picture.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let path = fs::canonicalize(parent).ok()?.join(picture.file_name()?);
        self.folders.iter().find_map(|folder| self.list.get(path.strip_prefix(folder).ok()?))
    }
}

impl PortraitReader {
    /// The landmarks that are listed for a picture, if a face is to be aligned.
    pub(super) fn listed(&self, path: &Path) -> Option<Landmarks> {
        self.template.and(self.landmark_list.as_ref()?.get(path))
    }

    /// Whether a network's calibration applies to a face: a network that expects aligned faces is calibrated on aligned
    /// ones.
    #[must_use]
    pub fn is_calibrated(&self, portrait: &Portrait) -> bool {
        self.template.is_none() || portrait.source != FaceSource::CenterCrop
    }

    /// Cuts the face out of a picture; `path` names it in errors.
    ///
    /// # Shapes
    ///
    /// `picture`: `[height, width, 3]`, the face likewise in [`PortraitReader::size`].
    ///
    /// # Errors
    ///
    /// If listed landmarks lie outside the picture or do not span a face.
    pub fn read(&self, picture: ArrayView3<'_, u8>, path: &Path) -> Result<(Array3<u8>, Portrait), Error> {
        let found = match (self.listed(path), self.template, &self.landmark_network) {
            (Some(landmarks), ..) => {
                Portrait { source: FaceSource::LandmarkList, landmarks: Some(landmarks), faces: None }
            }
            (None, template, Some(network)) => {
                let seen = network.find(picture);
                let landmarks = seen.landmarks.filter(|_| template.is_some());
                let framing = match landmarks {
                    Some(_) => FaceSource::LandmarkNetwork,
                    None => FaceSource::CenterCrop,
                };
                Portrait { source: framing, landmarks, faces: Some(seen.count) }
            }
            (None, _, None) => Portrait { source: FaceSource::CenterCrop, landmarks: None, faces: None },
        };
        Ok((self.cut(picture, &found, path)?, found))
    }

    /// Cuts the face out of a picture that was read before.
    ///
    /// # Errors
    ///
    /// As [`PortraitReader::read`].
    pub fn cut(&self, picture: ArrayView3<'_, u8>, portrait: &Portrait, path: &Path) -> Result<Array3<u8>, Error> {
        let (height, width, _) = picture.dim();
        match (portrait.landmarks, self.template) {
            (Some(landmarks), Some(template)) => {
                if !landmarks.are_inside([height, width]) {
                    return Err(facenet_data::Error::LandmarksOutside { path: path.to_owned(), width, height }.into());
                }
                align(picture, &landmarks, &template, self.size)
                    .ok_or_else(|| facenet_data::Error::LandmarksDegenerate { path: path.to_owned() }.into())
            }
            _ if self.crop.fits([height, width]) => Ok(self.crop.apply(picture, self.size)),
            _ => Err(facenet_data::Error::CropOutside { path: path.to_owned(), crop: self.crop, width, height }.into()),
        }
    }
}
