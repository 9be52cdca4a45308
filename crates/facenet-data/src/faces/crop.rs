//! Cropping and resizing.

use std::fmt;

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use ndarray::{Array3, ArrayView3};
use serde::{Deserialize, Serialize};

/// The region of an image that is resized to the size of a face.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Crop {
    /// The whole image, stretched if its aspect ratio differs from the face's.
    #[default]
    Whole,
    /// The largest centered rectangle with the face's aspect ratio, scaled by `fraction` and
    /// rounded to whole pixels.
    Center {
        /// Greater than 0 and at most 1.
        fraction: f32,
    },
    /// A fixed rectangle, in pixels.
    Rectangle {
        /// First column.
        left: usize,
        /// First row.
        top: usize,
        /// Number of columns.
        width: usize,
        /// Number of rows.
        height: usize,
    },
}

impl Crop {
    /// Whether the crop lies within an image of `[height, width]` and is not empty.
    pub fn fits(&self, image: [usize; 2]) -> bool {
        let [image_height, image_width] = image;
        let within =
            |start: usize, length, limit| length > 0 && start.checked_add(length).is_some_and(|end| end <= limit);
        match *self {
            Self::Whole => image_height > 0 && image_width > 0,
            Self::Center { fraction } => image_height > 0 && image_width > 0 && fraction > 0.0 && fraction <= 1.0,
            Self::Rectangle { left, top, width, height } => {
                within(left, width, image_width) && within(top, height, image_height)
            }
        }
    }

    /// The rectangle `[left, top, width, height]` of an image of `[height, width]` that is resized
    /// to a face of `size` `[height, width]`.
    ///
    /// # Panics
    /// If the crop does not [fit](Self::fits) or `size` contains a 0.
    #[track_caller]
    pub fn rectangle(&self, image: [usize; 2], size: [usize; 2]) -> [usize; 4] {
        assert!(self.fits(image), "{self} does not fit an image of [height, width] {image:?}");
        assert!(size[0] > 0 && size[1] > 0, "a face needs a height and a width of at least 1, not {size:?}");
        let [image_height, image_width] = image;
        match *self {
            Self::Whole => [0, 0, image_width, image_height],
            Self::Rectangle { left, top, width, height } => [left, top, width, height],
            Self::Center { fraction } => {
                let [height, width] = size.map(|side| side as f64);
                let zoom = f64::from(fraction) * (image_height as f64 / height).min(image_width as f64 / width);
                let width = ((width * zoom).round() as usize).clamp(1, image_width);
                let height = ((height * zoom).round() as usize).clamp(1, image_height);
                [(image_width - width) / 2, (image_height - height) / 2, width, height]
            }
        }
    }

    /// Crops an image and resizes the region to `size`, `[height, width]`.
    ///
    /// Downscaling is antialiased (a triangle filter scaled to the step), upscaling is bilinear,
    /// and a region that already has the size is copied.
    ///
    /// # Shapes
    /// `image` is `[height, width, 3]`; the result is `[size[0], size[1], 3]`.
    ///
    /// # Panics
    /// If the crop does not [fit](Self::fits), `size` contains a 0, or the image does not have
    /// three channels in standard layout.
    #[track_caller]
    pub fn apply(&self, image: ArrayView3<'_, u8>, size: [usize; 2]) -> Array3<u8> {
        let mut face = Array3::zeros((size[0], size[1], 3));
        let (height, width, _) = image.dim();
        let rectangle = self.rectangle([height, width], size);
        let pixels = face.as_slice_mut().expect("a new array is contiguous");
        resize_into(image, rectangle, size, &mut Resizer::new(), pixels);
        face
    }
}

/// Resizes a rectangle `[left, top, width, height]` of an image into a slice. The resizer's buffers
/// are reused from call to call.
#[track_caller]
pub(crate) fn resize_into(
    image: ArrayView3<'_, u8>,
    rectangle: [usize; 4],
    size: [usize; 2],
    resizer: &mut Resizer,
    face: &mut [u8],
) {
    let (height, width, channels) = image.dim();
    assert_eq!(channels, 3, "an image has three channels, not shape {:?}", image.dim());
    let pixels = image.as_slice().expect("an image is in standard layout");
    let [left, top, crop_width, crop_height] = rectangle.map(|length| length as f64);
    let side = |length: usize| u32::try_from(length).expect("sides are below 2^32");
    // Typed, since a choice of the pixel type at run time compiles the resizer for all thirteen.
    let source = TypedImageRef::<U8x3>::from_buffer(side(width), side(height), pixels)
        .expect("an image has three bytes per pixel");
    let mut target =
        TypedImage::<U8x3>::from_buffer(side(size[1]), side(size[0]), face).expect("a face has three bytes per pixel");
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear)).crop(
        left,
        top,
        crop_width,
        crop_height,
    );
    resizer.resize_typed(&source, &mut target, &options).expect("the rectangle lies within the image");
}

impl fmt::Display for Crop {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => write!(formatter, "the whole image"),
            Self::Center { fraction } => write!(formatter, "a centered crop of {fraction} of the image"),
            Self::Rectangle { left, top, width, height } => {
                write!(formatter, "a crop of {width} x {height} pixels at ({left}, {top})")
            }
        }
    }
}
