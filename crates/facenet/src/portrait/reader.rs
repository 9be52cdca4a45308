use std::path::{Path, PathBuf};

use facenet_data::{Crop, LandmarkList, Landmarks, align};
use ndarray::{Array3, ArrayView3};

use super::{Portrait, PortraitFraming};
use crate::{Error, LandmarkNetwork};

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

/// A list of landmarks whose paths begin in the folder that it lies in.
#[derive(Clone, Debug)]
pub struct PortraitLandmarks {
    list: LandmarkList,
    folder: PathBuf,
}

impl PortraitLandmarks {
    /// Reads a list.
    ///
    /// # Errors
    ///
    /// If it can't be read, or is none.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let list = LandmarkList::read(path)?;
        let absolute = std::path::absolute(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        let folder = absolute.parent().unwrap_or(Path::new("/")).to_owned();
        Ok(Self { list, folder })
    }

    /// The landmarks of a picture, if it has a line.
    #[must_use]
    pub fn get(&self, picture: &Path) -> Option<Landmarks> {
        let absolute = std::path::absolute(picture).ok()?;
        self.list.get(absolute.strip_prefix(&self.folder).ok()?)
    }
}

impl PortraitReader {
    /// The landmarks that are listed for a picture, if a face is to be aligned.
    pub(super) fn listed(&self, path: &Path) -> Option<Landmarks> {
        self.template.and(self.landmark_list.as_ref()?.get(path))
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
                Portrait { framing: PortraitFraming::LandmarkList, landmarks: Some(landmarks), faces: None }
            }
            (None, Some(_), Some(network)) => {
                let seen = network.find(picture);
                let framing = match seen.landmarks {
                    Some(_) => PortraitFraming::LandmarkNetwork,
                    None => PortraitFraming::CenterCrop,
                };
                Portrait { framing, landmarks: seen.landmarks, faces: Some(seen.count) }
            }
            _ => Portrait { framing: PortraitFraming::CenterCrop, landmarks: None, faces: None },
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
                if !landmarks.lie_in([height, width]) {
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
