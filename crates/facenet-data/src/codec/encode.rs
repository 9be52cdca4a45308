//! Encoding 8-bit RGB as image files.

use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;
use ndarray::ArrayView3;

/// Encodes an image as a JPEG file; `quality` is clamped to 1..=100.
///
/// # Shapes
/// `image` is `[height, width, 3]`, in any memory layout.
///
/// # Panics
/// If the image has no pixels, does not have three channels, or is more than 65,535 pixels high or
/// wide.
#[must_use]
#[track_caller]
pub fn encode_jpeg(image: ArrayView3<'_, u8>, quality: u8) -> Vec<u8> {
    let (height, width, channels) = image.dim();
    assert_eq!(channels, 3, "an image has three channels, not shape {:?}", image.dim());
    let side = |length: usize| {
        let side = u16::try_from(length).ok().filter(|&side| side > 0);
        u32::from(
            side.unwrap_or_else(|| panic!("a JPEG file has 1 to 65535 pixels a side, not shape {:?}", image.dim())),
        )
    };
    let (height, width) = (side(height), side(width));
    let pixels = image.as_standard_layout();
    let pixels = pixels.as_slice().expect("converted to standard layout");
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality.clamp(1, 100))
        .encode(pixels, width, height, ExtendedColorType::Rgb8)
        .expect("writing to memory does not fail");
    bytes
}
