//! Picture files to 8-bit RGB.

use std::io::{Cursor, Read};
use std::path::Path;

use image::codecs::jpeg::JpegDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::pnm::{PnmDecoder, PnmSubtype, SampleEncoding};
use image::{DynamicImage, ImageDecoder, ImageError, Limits};
use ndarray::Array3;

use crate::Error;
use crate::jpeg_segments::JpegSegments;
use crate::regular_file::open_regular_file;

/// The longest file of a picture or a list that is read, in bytes.
pub const MAX_FILE_BYTES: u64 = 256 << 20;
/// The most pixels a side that a header may claim.
pub const MAX_SIDE: u32 = 16_384;
/// The most pixels that a header may claim in all.
pub const MAX_PIXELS: u64 = 100_000_000;
/// The most bytes that a PNG file's compressed profiles and texts may unpack to.
const MAX_METADATA_BYTES: u64 = 16 << 20;
/// The most times that a JPEG may go through all its pixels; progressive ones do so about ten times.
const MAX_SCANS: usize = 100;

const JPEG_MAGIC: [u8; 3] = [0xff, 0xd8, 0xff];
const PNG_MAGIC: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

/// Reads one picture file as 8-bit RGB, turned upright.
///
/// The format is told by the content: JPEG, PNG or PNM (PBM, PGM, PPM, PAM). Grey becomes RGB with three equal
/// channels, 16-bit samples keep their upper half, an alpha channel is dropped. The four inks of a JPEG with Adobe's marker
/// become RGB. Of an animated PNG its default image is taken. An EXIF orientation is applied.
///
/// # Shapes
/// `[height, width, 3]`, after the orientation was applied.
///
/// # Errors
/// If the file can't be read or is a folder, a pipe or a device; if it is too long, is none of these formats, claims too
/// many pixels, is truncated or damaged, or is a JPEG whose colours are not
/// known or that has more than 100 scans.
pub fn read_picture(path: &Path) -> Result<Array3<u8>, Error> {
    decode_picture(&read_picture_file(path)?, path)
}

/// Decodes a picture already in memory, as [`read_picture`] does; `path` only names it in errors.
///
/// # Errors
/// As [`read_picture`].
pub fn decode_picture(bytes: &[u8], path: &Path) -> Result<Array3<u8>, Error> {
    let (picture, ()) = decode_reserved(bytes, path, |_| Ok(()))?;
    Ok(picture)
}

/// The bytes of a picture's file, which may be anything yet.
///
/// # Errors
/// If the file can't be read, is not a regular one, or is longer than [`MAX_FILE_BYTES`].
pub fn read_picture_file(path: &Path) -> Result<Vec<u8>, Error> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    let file = open_regular_file(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    let too_long = || Error::FileTooLong { path: path.to_owned(), limit: MAX_FILE_BYTES };
    if length > MAX_FILE_BYTES {
        return Err(too_long());
    }
    let mut bytes = Vec::with_capacity(length as usize + 1);
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(too_long());
    }
    Ok(bytes)
}

/// Decodes a picture after `reserve` has granted the memory: it is called once, when the header has been checked and
/// before pixels are allocated, with an upper bound of the bytes that decoding takes. What it returns is handed back
/// beside the picture.
pub(crate) fn decode_reserved<R>(
    bytes: &[u8],
    path: &Path,
    reserve: impl FnOnce(u64) -> Result<R, Error>,
) -> Result<(Array3<u8>, R), Error> {
    let truncated = || Error::Truncated { path: path.to_owned() };
    if bytes.is_empty() {
        return Err(Error::EmptyPicture { path: path.to_owned() });
    }
    if bytes.starts_with(&JPEG_MAGIC) {
        let segments = JpegSegments::new(bytes);
        if !segments.has_known_colors() {
            return Err(Error::UnknownColors { path: path.to_owned() });
        }
        let scans = segments.scans();
        if scans > MAX_SCANS {
            return Err(Error::TooManyScans { path: path.to_owned(), scans, limit: MAX_SCANS });
        }
        let complete = segments.is_complete();
        let decoder = JpegDecoder::new(Cursor::new(bytes)).map_err(|error| decode_error(error, path, complete))?;
        finish(decoder, bytes, path, complete, reserve)
    } else if bytes.starts_with(&PNG_MAGIC) {
        let complete = png_is_complete(bytes);
        let decoder = PngDecoder::with_limits(Cursor::new(bytes), decoder_limits(MAX_METADATA_BYTES))
            .map_err(|error| decode_error(error, path, complete))?;
        finish(decoder, bytes, path, complete, reserve)
    } else if is_pnm(bytes) {
        let mut after_header = Cursor::new(bytes);
        let least = match PnmDecoder::new(&mut after_header) {
            Ok(header) => least_pnm_bytes(&header),
            // A header that was read to the file's end is one that goes on.
            Err(error) => return Err(decode_error(error, path, after_header.position() < bytes.len() as u64)),
        };
        let complete = (bytes.len() as u64).saturating_sub(after_header.position()) >= least;
        let decoder = PnmDecoder::new(Cursor::new(bytes)).map_err(|error| decode_error(error, path, complete))?;
        finish(decoder, bytes, path, complete, reserve)
    } else if JPEG_MAGIC.starts_with(bytes) || PNG_MAGIC.starts_with(bytes) {
        Err(truncated())
    } else {
        Err(Error::UnknownFormat { path: path.to_owned() })
    }
}

/// What the formats have in common: limits first, then completeness, then memory, then pixels.
fn finish<R>(
    mut decoder: impl ImageDecoder,
    bytes: &[u8],
    path: &Path,
    complete: bool,
    reserve: impl FnOnce(u64) -> Result<R, Error>,
) -> Result<(Array3<u8>, R), Error> {
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 {
        return Err(Error::EmptyPicture { path: path.to_owned() });
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
    // The file and the decoder's copy of it; the pixels as stored; and 8 bytes per pixel for what comes on top:
    // coefficients of a progressive JPEG, or the conversion to RGB and the turned copy.
    let needed = 2 * bytes.len() as u64 + decoder.total_bytes() + 8 * pixels;
    let reservation = reserve(needed)?;

    let decode_error = |error| decode_error(error, path, complete);
    decoder.set_limits(decoder_limits(needed)).map_err(decode_error)?;
    // Metadata that can't be read says nothing about the picture, which decides for itself below whether it is damaged.
    let orientation = decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
    let mut picture = DynamicImage::ImageRgb8(DynamicImage::from_decoder(decoder).map_err(decode_error)?.into_rgb8());
    picture.apply_orientation(orientation);
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let picture = Array3::from_shape_vec((height, width, 3), picture.into_rgb8().into_raw())
        .expect("an RGB picture has three bytes per pixel");
    Ok((picture, reservation))
}

fn decoder_limits(bytes: u64) -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(bytes);
    limits
}

/// A decoder's complaint, told apart from a file that ends too early.
fn decode_error(error: ImageError, path: &Path, complete: bool) -> Error {
    let ends_early = matches!(&error, ImageError::IoError(io) if io.kind() == std::io::ErrorKind::UnexpectedEof);
    if ends_early || !complete {
        Error::Truncated { path: path.to_owned() }
    } else {
        Error::Decode { path: path.to_owned(), source: Box::new(error) }
    }
}

/// Whether the chunks of a PNG file lead to its IEND chunk.
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

/// The least number of bytes that the samples of a PNM file take behind its header.
fn least_pnm_bytes<R: Read>(decoder: &PnmDecoder<R>) -> u64 {
    let (width, height) = decoder.dimensions();
    let (width, height) = (u64::from(width), u64::from(height));
    let samples = (width * height).saturating_mul(decoder.color_type().channel_count().into());
    match decoder.subtype() {
        PnmSubtype::Bitmap(SampleEncoding::Binary) => width.div_ceil(8) * height,
        PnmSubtype::Bitmap(SampleEncoding::Ascii) => samples,
        // A digit each and a separator between any two.
        PnmSubtype::Graymap(SampleEncoding::Ascii) | PnmSubtype::Pixmap(SampleEncoding::Ascii) => {
            samples.saturating_mul(2).saturating_sub(1)
        }
        PnmSubtype::Graymap(SampleEncoding::Binary)
        | PnmSubtype::Pixmap(SampleEncoding::Binary)
        | PnmSubtype::ArbitraryMap => decoder.total_bytes(),
    }
}
