//! How a face is extracted from an image: aligned by its landmarks, or cropped.

use std::path::Path;

use fast_image_resize::Resizer;
use ndarray::ArrayView3;

use crate::align::landmarks::Landmarks;
use crate::align::warp::{face_to_image, warp_into};
use crate::error::Error;
use crate::faces::crop::{Crop, resize_into};

/// How [`load_faces`](crate::load_faces) extracts one face from each image: by alignment where
/// there are landmarks, by a crop elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct FaceExtraction<'a> {
    /// `[height, width]` of each face in pixels.
    pub size: [usize; 2],
    /// The region that is the face in images without landmarks.
    pub crop: Crop,
    /// Landmarks and their template; `None` crops all images.
    pub alignment: Option<Alignment<'a>>,
    /// The coordinate system of crop and landmarks.
    pub coordinates: CoordinateSystem,
}

/// Landmarks of images and the template that they are aligned to; see [`align`](crate::align).
#[derive(Clone, Copy, Debug)]
pub struct Alignment<'a> {
    /// Target positions of the landmarks, in pixels of the face.
    pub template: Landmarks,
    /// One entry per image: its landmarks, or `None` to crop it.
    pub landmarks: &'a [Option<Landmarks>],
}

/// The coordinate system of a crop and of landmarks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CoordinateSystem {
    /// Pixels of the image itself.
    #[default]
    Image,
    /// Labeled Faces in the Wild. Images are originals of 250 x 250 pixels or their central 160 x
    /// 160, distinguished by size; any other size is an error. Landmarks are in pixels of the
    /// original; a crop is relative to the central region.
    Lfw,
}

/// Side of LFW's original images.
const LFW_SIDE: usize = 250;
/// Side of their central region.
const LFW_CENTER_SIDE: usize = 160;
/// Offset of the central region.
const LFW_CENTER_OFFSET: usize = (LFW_SIDE - LFW_CENTER_SIDE) / 2;

/// Where crop and landmarks lie in a particular image.
struct ImageFrame {
    /// Added to landmark coordinates along both axes.
    landmark_shift: f32,
    /// `[left, top, width, height]` of the region that a crop is relative to.
    crop_region: [usize; 4],
}

impl CoordinateSystem {
    /// `None` if no image of `[height, width]` exists in this coordinate system.
    fn frame(self, [height, width]: [usize; 2]) -> Option<ImageFrame> {
        let (landmark_shift, crop_region) = match (self, width, height) {
            (Self::Image, ..) => (0.0, [0, 0, width, height]),
            (Self::Lfw, LFW_SIDE, LFW_SIDE) => {
                (0.0, [LFW_CENTER_OFFSET, LFW_CENTER_OFFSET, LFW_CENTER_SIDE, LFW_CENTER_SIDE])
            }
            (Self::Lfw, LFW_CENTER_SIDE, LFW_CENTER_SIDE) => {
                (-(LFW_CENTER_OFFSET as f32), [0, 0, LFW_CENTER_SIDE, LFW_CENTER_SIDE])
            }
            (Self::Lfw, ..) => return None,
        };
        Some(ImageFrame { landmark_shift, crop_region })
    }
}

impl FaceExtraction<'_> {
    /// Crops all images, in their own pixels, and resizes to `size` `[height, width]`.
    #[must_use]
    pub fn crop(crop: Crop, size: [usize; 2]) -> Self {
        Self { size, crop, alignment: None, coordinates: CoordinateSystem::Image }
    }

    /// Writes the face of image number `index` to `face`; `path` only names the image in errors.
    pub(crate) fn extract_into(
        &self,
        image: ArrayView3<'_, u8>,
        index: usize,
        path: &Path,
        resizer: &mut Resizer,
        face: &mut [u8],
    ) -> Result<(), Error> {
        let path = || path.to_owned();
        let (height, width, _) = image.dim();
        let ImageFrame { landmark_shift, crop_region: [left, top, region_width, region_height] } = self
            .coordinates
            .frame([height, width])
            .ok_or_else(|| Error::LfwImageSize { path: path(), width, height })?;
        let aligned = self.alignment.and_then(|Alignment { template, landmarks }| Some((landmarks[index]?, template)));
        if let Some((landmarks, template)) = aligned {
            let landmarks = landmarks.translated([landmark_shift, landmark_shift]);
            if !landmarks.are_inside([height, width]) {
                return Err(Error::LandmarksOutside { path: path(), width, height });
            }
            let map =
                face_to_image(&landmarks, &template).ok_or_else(|| Error::LandmarksDegenerate { path: path() })?;
            warp_into(image, &map, self.size, face);
        } else {
            let crop = self.crop;
            if !crop.fits([region_height, region_width]) {
                return Err(Error::CropOutside { path: path(), crop, width: region_width, height: region_height });
            }
            let [crop_left, crop_top, width, height] = crop.rectangle([region_height, region_width], self.size);
            resize_into(image, [left + crop_left, top + crop_top, width, height], self.size, resizer, face);
        }
        Ok(())
    }
}
