//! Decoding image files to 8-bit RGB.

use std::io::{Cursor, Read};
use std::path::Path;

use image::codecs::jpeg::JpegDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::pnm::{PnmDecoder, PnmSubtype, SampleEncoding};
use image::{DynamicImage, ImageDecoder, ImageError, Limits};
use ndarray::Array3;

use crate::codec::jpeg_segments::JpegSegments;
use crate::error::Error;
use crate::files::bounded_file::read_bounded_file;

/// The largest width and height that an image header may declare, in pixels.
pub const MAX_SIDE: u32 = 16_384;
/// The largest number of pixels that an image header may declare.
pub const MAX_PIXELS: u64 = 100_000_000;
/// The most bytes that the compressed profiles and texts of a PNG file may expand to.
const MAX_METADATA_BYTES: u64 = 16 << 20;
/// The most scans of a JPEG, each of which passes over all pixels; progressive files have about
/// ten.
const MAX_SCANS: usize = 100;

const JPEG_MAGIC: [u8; 3] = [0xff, 0xd8, 0xff];
const PNG_MAGIC: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

/// Reads an image file as 8-bit RGB and applies its EXIF orientation.
///
/// The format is detected from the content: JPEG, PNG or PNM (PBM, PGM, PPM, PAM). Grayscale
/// becomes RGB with three equal channels, 16-bit samples keep their upper byte, and an alpha
/// channel is dropped. CMYK and YCCK JPEGs with Adobe's marker are converted to RGB. The default
/// image of an animated PNG is used.
///
/// # Shapes
/// `[height, width, 3]`, after the orientation has been applied.
///
/// # Errors
/// If the file can't be read or is not a regular file; if it is longer than
/// [`MAX_FILE_BYTES`](crate::MAX_FILE_BYTES), has another format, declares more than [`MAX_SIDE`]
/// pixels a side or [`MAX_PIXELS`] in total, is truncated or damaged; or if it is a JPEG of unknown
/// color space or with more than 100 scans.
pub fn read_image(path: &Path) -> Result<Array3<u8>, Error> {
    decode_image(&read_bounded_file(path)?, path)
}

/// Decodes an image file in memory, like [`read_image`]; `path` only names it in errors.
///
/// # Errors
/// As [`read_image`].
pub fn decode_image(bytes: &[u8], path: &Path) -> Result<Array3<u8>, Error> {
    let (image, ()) = decode_with_reservation(bytes, path, |_| Ok(()))?;
    Ok(image)
}

/// Decodes an image once `reserve` has granted the memory.
///
/// `reserve` is called once, after the header has been checked and before pixels are allocated,
/// with an upper bound on the bytes that decoding takes. Its result is returned with the image.
pub(crate) fn decode_with_reservation<R>(
    bytes: &[u8],
    path: &Path,
    reserve: impl FnOnce(u64) -> Result<R, Error>,
) -> Result<(Array3<u8>, R), Error> {
    let truncated = || Error::Truncated { path: path.to_owned() };
    if bytes.is_empty() {
        return Err(Error::EmptyImage { path: path.to_owned() });
    }
    if bytes.starts_with(&JPEG_MAGIC) {
        let segments = JpegSegments::new(bytes);
        if !segments.has_known_color_space() {
            return Err(Error::UnknownColorSpace { path: path.to_owned() });
        }
        let scans = segments.scan_count();
        if scans > MAX_SCANS {
            return Err(Error::TooManyScans { path: path.to_owned(), scans, limit: MAX_SCANS });
        }
        let complete = segments.is_complete();
        let decoder = JpegDecoder::new(Cursor::new(bytes)).map_err(|error| decode_error(error, path, complete))?;
        decode_checked(decoder, bytes, path, complete, reserve)
    } else if bytes.starts_with(&PNG_MAGIC) {
        let complete = png_is_complete(bytes);
        let decoder = PngDecoder::with_limits(Cursor::new(bytes), decoder_limits(MAX_METADATA_BYTES))
            .map_err(|error| decode_error(error, path, complete))?;
        decode_checked(decoder, bytes, path, complete, reserve)
    } else if is_pnm(bytes) {
        let mut after_header = Cursor::new(bytes);
        let minimum = match PnmDecoder::new(&mut after_header) {
            Ok(header) => min_pnm_bytes(&header),
            // If the whole file was consumed, the header is cut off.
            Err(error) => return Err(decode_error(error, path, after_header.position() < bytes.len() as u64)),
        };
        let complete = (bytes.len() as u64).saturating_sub(after_header.position()) >= minimum;
        let decoder = PnmDecoder::new(Cursor::new(bytes)).map_err(|error| decode_error(error, path, complete))?;
        decode_checked(decoder, bytes, path, complete, reserve)
    } else if JPEG_MAGIC.starts_with(bytes) || PNG_MAGIC.starts_with(bytes) {
        Err(truncated())
    } else {
        Err(Error::UnknownFormat { path: path.to_owned() })
    }
}

/// The steps common to all formats, in order: limits, completeness, memory reservation, pixels.
fn decode_checked<R>(
    mut decoder: impl ImageDecoder,
    bytes: &[u8],
    path: &Path,
    complete: bool,
    reserve: impl FnOnce(u64) -> Result<R, Error>,
) -> Result<(Array3<u8>, R), Error> {
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 {
        return Err(Error::EmptyImage { path: path.to_owned() });
    }
    if width.max(height) > MAX_SIDE || pixels > MAX_PIXELS {
        return Err(Error::TooLarge {
            path: path.to_owned(),
            width,
            height,
            max_side: MAX_SIDE,
            max_pixels: MAX_PIXELS,
        });
    }
    if !complete {
        return Err(Error::Truncated { path: path.to_owned() });
    }
    // The file and the decoder's copy of it, the pixels as stored, and 8 bytes per pixel for the
    // coefficients of a progressive JPEG or for the conversion to RGB and the rotated copy.
    let needed = 2 * bytes.len() as u64 + decoder.total_bytes() + 8 * pixels;
    let reservation = reserve(needed)?;

    let decode_error = |error| decode_error(error, path, complete);
    decoder.set_limits(decoder_limits(needed)).map_err(decode_error)?;
    // Unreadable metadata is ignored: whether the pixels are damaged is found out below.
    let orientation = decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
    let mut image = DynamicImage::ImageRgb8(DynamicImage::from_decoder(decoder).map_err(decode_error)?.into_rgb8());
    image.apply_orientation(orientation);
    let (width, height) = (image.width() as usize, image.height() as usize);
    let image = Array3::from_shape_vec((height, width, 3), image.into_rgb8().into_raw())
        .expect("an RGB image has three bytes per pixel");
    Ok((image, reservation))
}

fn decoder_limits(bytes: u64) -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(bytes);
    limits
}

/// Distinguishes a file that ends early from other decoder errors.
fn decode_error(error: ImageError, path: &Path, complete: bool) -> Error {
    let ends_early = matches!(&error, ImageError::IoError(io) if io.kind() == std::io::ErrorKind::UnexpectedEof);
    if ends_early || !complete {
        Error::Truncated { path: path.to_owned() }
    } else {
        Error::Decode { path: path.to_owned(), source: Box::new(error) }
    }
}

/// Whether the chunks of a PNG file reach its IEND chunk.
fn png_is_complete(bytes: &[u8]) -> bool {
    let mut rest = &bytes[PNG_MAGIC.len()..];
    while let Some((&[a, b, c, d, ref kind @ ..], _)) = rest.split_first_chunk::<8>() {
        let Some(after) = (u32::from_be_bytes([a, b, c, d]) as usize).checked_add(12).and_then(|end| rest.get(end..))
        else {
            return false;
        };
        if kind == b"IEND" {
            return true;
        }
        rest = after;
    }
    false
}

fn is_pnm(bytes: &[u8]) -> bool {
    matches!(bytes, [b'P', b'1'..=b'7', byte, ..] if byte.is_ascii_whitespace() || *byte == b'#')
}

/// The minimum number of bytes that the samples of a PNM file take after its header.
fn min_pnm_bytes<R: Read>(decoder: &PnmDecoder<R>) -> u64 {
    let (width, height) = decoder.dimensions();
    let (width, height) = (u64::from(width), u64::from(height));
    let samples = (width * height).saturating_mul(decoder.color_type().channel_count().into());
    match decoder.subtype() {
        PnmSubtype::Bitmap(SampleEncoding::Binary) => width.div_ceil(8) * height,
        PnmSubtype::Bitmap(SampleEncoding::Ascii) => samples,
        // One digit per sample and a separator between any two.
        PnmSubtype::Graymap(SampleEncoding::Ascii) | PnmSubtype::Pixmap(SampleEncoding::Ascii) => {
            samples.saturating_mul(2).saturating_sub(1)
        }
        PnmSubtype::Graymap(SampleEncoding::Binary)
        | PnmSubtype::Pixmap(SampleEncoding::Binary)
        | PnmSubtype::ArbitraryMap => decoder.total_bytes(),
    }
}
