//! 8-bit RGB to picture files.

use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;
use ndarray::ArrayView3;

/// A picture as the bytes of a JPEG file.
///
/// # Shapes
/// `picture` is `[height, width, 3]`, in any layout.
///
/// # Panics
/// If the picture has no pixels, does not have three channels, or is more than 65,535 pixels high or wide.
#[must_use]
#[track_caller]
pub fn encode_jpeg(picture: ArrayView3<'_, u8>, quality: u8) -> Vec<u8> {
    let (height, width, channels) = picture.dim();
    assert_eq!(channels, 3, "a picture has three channels: {:?}", picture.dim());
    let side = |length: usize| {
        let side = u16::try_from(length).ok().filter(|&side| side > 0);
        u32::from(side.unwrap_or_else(|| panic!("a JPEG file has 1 to 65535 pixels a side: {:?}", picture.dim())))
    };
    let (height, width) = (side(height), side(width));
    let pixels = picture.as_standard_layout();
    let pixels = pixels.as_slice().expect("made in standard layout");
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality.clamp(1, 100))
        .encode(pixels, width, height, ExtendedColorType::Rgb8)
        .expect("memory takes what is written to it");
    bytes
}
