//! Extracting the face of an image.

use std::fs;
use std::path::{Path, PathBuf};

use facenet_data::{Crop, LandmarkList, Landmarks, align};
use ndarray::{Array3, ArrayView3};

use crate::error::Error;
use crate::face_source::FaceSource;
use crate::landmark_network::LandmarkNetwork;
use crate::portraits::portrait::Portrait;

/// Extracts the face of an image: aligned by listed landmarks if there are any, else by those of a
/// landmark network, else cropped.
#[derive(Clone, Debug)]
pub struct PortraitReader {
    /// Where the embedding network expects the five landmarks. `None` if it takes cropped faces.
    pub template: Option<Landmarks>,
    /// Height and width of an extracted face.
    pub size: [usize; 2],
    /// The part of an image that is taken for the face if no landmarks are known.
    pub crop: Crop,
    /// Finds landmarks and counts faces.
    pub landmark_network: Option<LandmarkNetwork>,
    /// Known landmarks. They take precedence.
    pub landmark_list: Option<PortraitLandmarks>,
}

/// A landmark list whose paths are relative to its own folder or to folders of images.
#[derive(Clone, Debug)]
pub struct PortraitLandmarks {
    list: LandmarkList,
    folders: Vec<PathBuf>,
}

impl PortraitLandmarks {
    /// Reads a list. Its paths may be relative to any of `folders`, the folders of images.
    ///
    /// # Errors
    ///
    /// If the list can't be read or is malformed.
    pub fn read(path: &Path, folders: &[&Path]) -> Result<Self, Error> {
        let list = LandmarkList::read(path)?;
        let own = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folders = folders.iter().copied().chain([own]).filter_map(|folder| fs::canonicalize(folder).ok());
        Ok(Self { list, folders: folders.collect() })
    }

    /// The file of the list.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.list.path
    }

    /// The landmarks of an image. `None` if it is not listed.
    #[must_use]
    pub fn get(&self, image: &Path) -> Option<Landmarks> {
        // Resolves links among the parent folders, but not the image itself.
        let parent = image.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let path = fs::canonicalize(parent).ok()?.join(image.file_name()?);
        self.folders.iter().find_map(|folder| self.list.get(path.strip_prefix(folder).ok()?))
    }
}

impl PortraitReader {
    /// The listed landmarks of an image, if faces are aligned.
    pub(super) fn listed_landmarks(&self, path: &Path) -> Option<Landmarks> {
        self.template.and(self.landmark_list.as_ref()?.get(path))
    }

    /// Whether the calibration of the embedding network applies to a face. A network that expects
    /// aligned faces is calibrated on aligned faces only.
    #[must_use]
    pub fn is_calibrated(&self, portrait: &Portrait) -> bool {
        self.template.is_none() || portrait.source != FaceSource::CenterCrop
    }

    /// Locates and extracts the face of an image. `path` names the image in errors.
    ///
    /// # Shapes
    ///
    /// `image`: `[height, width, 3]`; the face: [`PortraitReader::size`] with 3 channels.
    ///
    /// # Errors
    ///
    /// If listed landmarks lie outside the image or do not span a face, or the crop does not fit.
    pub fn read(&self, image: ArrayView3<'_, u8>, path: &Path) -> Result<(Array3<u8>, Portrait), Error> {
        let portrait = match (self.listed_landmarks(path), self.template, &self.landmark_network) {
            (Some(landmarks), ..) => {
                Portrait { source: FaceSource::LandmarkList, landmarks: Some(landmarks), faces: None }
            }
            (None, template, Some(network)) => {
                let found = network.find(image);
                let landmarks = found.landmarks.filter(|_| template.is_some());
                let source = match landmarks {
                    Some(_) => FaceSource::LandmarkNetwork,
                    None => FaceSource::CenterCrop,
                };
                Portrait { source, landmarks, faces: Some(found.count) }
            }
            (None, _, None) => Portrait { source: FaceSource::CenterCrop, landmarks: None, faces: None },
        };
        Ok((self.cut(image, &portrait, path)?, portrait))
    }

    /// Extracts a face that was located before.
    ///
    /// # Errors
    ///
    /// As [`PortraitReader::read`].
    pub fn cut(&self, image: ArrayView3<'_, u8>, portrait: &Portrait, path: &Path) -> Result<Array3<u8>, Error> {
        let (height, width, _) = image.dim();
        match (portrait.landmarks, self.template) {
            (Some(landmarks), Some(template)) => {
                if !landmarks.are_inside([height, width]) {
                    return Err(facenet_data::Error::LandmarksOutside { path: path.to_owned(), width, height }.into());
                }
                align(image, &landmarks, &template, self.size)
                    .ok_or_else(|| facenet_data::Error::LandmarksDegenerate { path: path.to_owned() }.into())
            }
            _ if self.crop.fits([height, width]) => Ok(self.crop.apply(image, self.size)),
            _ => Err(facenet_data::Error::CropOutside { path: path.to_owned(), crop: self.crop, width, height }.into()),
        }
    }
}
