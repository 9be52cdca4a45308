//! The part of a picture that becomes a face, and its size.

use std::fmt;

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use ndarray::{Array3, ArrayView3};
use serde::{Deserialize, Serialize};

/// Which part of a picture is resized to the size of a face.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Crop {
    /// The whole picture, stretched if its proportions differ from the face's.
    #[default]
    Whole,
    /// The largest centred rectangle with the face's proportions, times `fraction`; whole pixels.
    Center {
        /// More than 0 and at most 1.
        fraction: f32,
    },
    /// A fixed rectangle, in pixels from the upper left corner.
    Rectangle {
        /// Columns left of it.
        left: usize,
        /// Rows above it.
        top: usize,
        /// Columns in it.
        width: usize,
        /// Rows in it.
        height: usize,
    },
}

impl Crop {
    /// Whether this part lies within a picture of `[height, width]` and is not empty.
    pub fn fits(&self, picture: [usize; 2]) -> bool {
        let [picture_height, picture_width] = picture;
        let within =
            |start: usize, length, whole| length > 0 && start.checked_add(length).is_some_and(|end| end <= whole);
        match *self {
            Self::Whole => picture_height > 0 && picture_width > 0,
            Self::Center { fraction } => picture_height > 0 && picture_width > 0 && fraction > 0.0 && fraction <= 1.0,
            Self::Rectangle { left, top, width, height } => {
                within(left, width, picture_width) && within(top, height, picture_height)
            }
        }
    }

    /// The rectangle `[left, top, width, height]` that becomes a face of `size` `[height, width]`.
    ///
    /// # Panics
    /// If the crop does not [fit](Self::fits) or the size holds a 0.
    #[track_caller]
    pub fn rectangle(&self, picture: [usize; 2], size: [usize; 2]) -> [usize; 4] {
        assert!(self.fits(picture), "{self} does not fit a picture of [height, width] {picture:?}");
        assert!(size[0] > 0 && size[1] > 0, "a face needs a height and a width of at least 1, not {size:?}");
        let [picture_height, picture_width] = picture;
        match *self {
            Self::Whole => [0, 0, picture_width, picture_height],
            Self::Rectangle { left, top, width, height } => [left, top, width, height],
            Self::Center { fraction } => {
                let [height, width] = size.map(|side| side as f64);
                let zoom = f64::from(fraction) * (picture_height as f64 / height).min(picture_width as f64 / width);
                let width = ((width * zoom).round() as usize).clamp(1, picture_width);
                let height = ((height * zoom).round() as usize).clamp(1, picture_height);
                [(picture_width - width) / 2, (picture_height - height) / 2, width, height]
            }
        }
    }

    /// Cuts this part out of a picture and resizes it to `size`, `[height, width]`.
    ///
    /// Shrinking averages over all pixels that fall into one (a triangle filter as wide as the step), so it does not
    /// alias; enlarging is bilinear; a part that has the size already is copied.
    ///
    /// # Shapes
    /// `picture` is `[height, width, 3]`; the result is `[size[0], size[1], 3]`.
    ///
    /// # Panics
    /// If the crop does not [fit](Self::fits), the size holds a 0, or the picture does not have three channels in
    /// standard layout.
    #[track_caller]
    pub fn apply(&self, picture: ArrayView3<'_, u8>, size: [usize; 2]) -> Array3<u8> {
        let mut face = Array3::zeros((size[0], size[1], 3));
        let (height, width, _) = picture.dim();
        let rectangle = self.rectangle([height, width], size);
        let pixels = face.as_slice_mut().expect("a new array is contiguous");
        resize(picture, rectangle, size, &mut Resizer::new(), pixels);
        face
    }
}

/// Resizes a rectangle `[left, top, width, height]` of a picture into a slice, with a resizer that keeps its buffers from
/// picture to picture.
#[track_caller]
pub(crate) fn resize(
    picture: ArrayView3<'_, u8>,
    rectangle: [usize; 4],
    size: [usize; 2],
    resizer: &mut Resizer,
    face: &mut [u8],
) {
    let (height, width, channels) = picture.dim();
    assert_eq!(channels, 3, "a picture has three channels: {:?}", picture.dim());
    let pixels = picture.as_slice().expect("a picture is in standard layout");
    let [left, top, crop_width, crop_height] = rectangle.map(|length| length as f64);
    let side = |length: usize| u32::try_from(length).expect("sides are below 2^32");
    let source =
        ImageRef::new(side(width), side(height), pixels, PixelType::U8x3).expect("a picture has three bytes per pixel");
    let mut target = Image::from_slice_u8(side(size[1]), side(size[0]), face, PixelType::U8x3)
        .expect("a face has three bytes per pixel");
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear)).crop(
        left,
        top,
        crop_width,
        crop_height,
    );
    resizer.resize(&source, &mut target, &options).expect("the rectangle lies within the picture");
}

impl fmt::Display for Crop {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => write!(formatter, "the whole picture"),
            Self::Center { fraction } => write!(formatter, "a centred crop of {fraction} of the picture"),
            Self::Rectangle { left, top, width, height } => {
                write!(formatter, "a crop of {width} x {height} pixels at ({left}, {top})")
            }
        }
    }
}
