//! Decoding image files to 8-bit RGB.

use std::borrow::Cow;
use std::io::{Cursor, Read};
use std::path::Path;

use image::codecs::bmp::BmpDecoder;
use image::codecs::gif::GifDecoder;
use image::codecs::jpeg::JpegDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::pnm::{PnmDecoder, PnmSubtype, SampleEncoding};
use image::codecs::tiff::TiffDecoder;
use image::codecs::webp::WebPDecoder;
use image::error::{DecodingError, ImageFormatHint, UnsupportedError, UnsupportedErrorKind};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, Limits, RgbImage};
use ndarray::Array3;

use crate::codec::image_format::ImageFormat;
use crate::codec::jpeg_repair::{repair_bytes, repaired};
use crate::codec::jpeg_scans::{Frame, JpegError};
use crate::codec::jpeg_segments::{ColorSpace, Ending, JpegSegments};
use crate::codec::orientation::{exchanges_sides, orient};
use crate::codec::scaled_jpeg::{Scale, decode_scaled, working_bytes};
use crate::codec::tiff_directory::{TiffError, check_tiff};
use crate::codec::webp_chunks::{WebPError, checked_webp};
use crate::error::Error;
use crate::files::bounded_file::read_bounded_file;

/// The largest width and height that an image header may declare, in pixels.
pub const MAX_SIDE: u32 = 65_535;
/// The largest number of pixels of an image that is decoded at its full scale.
pub const MAX_PIXELS: u64 = 100_000_000;
/// The largest number of pixels of a JPEG that [`decode_photo`] decodes.
pub const MAX_PHOTO_PIXELS: u64 = 250_000_000;
/// JPEGs with more pixels are decoded by [`decode_photo`] at a half or a quarter of their scale.
pub const MAX_FULL_SCALE_PIXELS: u64 = 40_000_000;
/// The most memory that [`decode_photo`] takes for one photo, in bytes, without the file itself.
pub const MAX_PHOTO_BYTES: u64 = 1 << 30;
/// The most bytes that the compressed profiles and texts of a PNG file may expand to.
const MAX_METADATA_BYTES: u64 = 16 << 20;
/// The most scans of a JPEG, each of which passes over all pixels; progressive files have about
/// ten.
const MAX_SCANS: usize = 100;

const PNG_SIGNATURE_LENGTH: usize = 8;

/// A decoded photo, perhaps at a reduced scale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Photo {
    /// `[height, width, 3]`, after the orientation has been applied.
    pub pixels: Array3<u8>,
    /// Height and width of the photo itself, after its orientation. `pixels` has the same, or a
    /// half or a quarter of both, rounded up.
    pub size: [usize; 2],
}

/// Reads an image file as 8-bit RGB and applies its orientation.
///
/// The format is detected from the content: JPEG, PNG, PNM (PBM, PGM, PPM, PAM), GIF, WebP, BMP or
/// TIFF. The orientation is that of EXIF in JPEG, PNG and WebP, and TIFF's own tag. Grayscale
/// becomes RGB with three equal channels, and 16-bit samples keep their upper byte. Where an image
/// is transparent, it is laid over white, as programs show it. CMYK and YCCK JPEGs with Adobe's
/// marker are converted to RGB. The default image of an animated PNG is used, the first one of an
/// animated GIF or WebP, and the first page of a TIFF.
///
/// A JPEG without end-of-image marker, or without Huffman tables, as a frame of Motion JPEG, is
/// read if all of its blocks are there.
///
/// # Shapes
/// `[height, width, 3]`, after the orientation has been applied.
///
/// # Errors
/// If the file can't be read or is not a regular file; if it is longer than
/// [`MAX_FILE_BYTES`](crate::MAX_FILE_BYTES), has another format, declares more than [`MAX_SIDE`]
/// pixels a side or [`MAX_PIXELS`] in total, is truncated or damaged; or if it is a JPEG of unknown
/// color space or with more than 100 scans, or a TIFF that contains camera raw data or JPEGs.
pub fn read_image(path: &Path) -> Result<Array3<u8>, Error> {
    decode_image(&read_bounded_file(path)?, path)
}

/// Decodes an image file in memory, like [`read_image`]; `path` only names it in errors.
///
/// # Errors
/// As [`read_image`].
pub fn decode_image(bytes: &[u8], path: &Path) -> Result<Array3<u8>, Error> {
    let (image, ()) = decode_with_reservation(bytes, path, Resolution::Full, |_| Ok(()))?;
    Ok(image.pixels)
}

/// Reads a photo like [`read_image`], but larger ones too: a JPEG of more than
/// [`MAX_FULL_SCALE_PIXELS`], up to [`MAX_PHOTO_PIXELS`], is decoded at the larger of the scales
/// 1/2 and 1/4 that brings it within them.
///
/// # Errors
/// As [`read_image`], except that a JPEG may have [`MAX_PHOTO_PIXELS`]; and if decoding takes more
/// than [`MAX_PHOTO_BYTES`] of memory.
pub fn read_photo(path: &Path) -> Result<Photo, Error> {
    decode_photo(&read_bounded_file(path)?, path)
}

/// Decodes a photo in memory, like [`read_photo`]; `path` only names it in errors.
///
/// # Errors
/// As [`read_photo`].
pub fn decode_photo(bytes: &[u8], path: &Path) -> Result<Photo, Error> {
    let (photo, ()) = decode_with_reservation(bytes, path, Resolution::Reducible, |needed| {
        check_memory(needed, MAX_PHOTO_BYTES, path)
    })?;
    Ok(photo)
}

/// An error if decoding takes more bytes than are available.
pub(crate) fn check_memory(needed: u64, available: u64, path: &Path) -> Result<(), Error> {
    if needed > available {
        return Err(Error::ImageOverMemory { path: path.to_owned(), needed, available });
    }
    Ok(())
}

/// Whether a large image may be decoded at a reduced scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resolution {
    Full,
    Reducible,
}

/// Decodes an image once `reserve` has granted the memory.
///
/// `reserve` is called once, after the header has been checked and before pixels are allocated,
/// with an upper bound on the bytes that decoding takes. Its result is returned with the image.
pub(crate) fn decode_with_reservation<R>(
    bytes: &[u8],
    path: &Path,
    resolution: Resolution,
    reserve: impl FnOnce(u64) -> Result<R, Error>,
) -> Result<(Photo, R), Error> {
    if bytes.is_empty() {
        return Err(Error::EmptyImage { path: path.to_owned() });
    }
    let file = ImageFile { bytes, path };
    let format = ImageFormat::detect(bytes).ok_or_else(|| Error::UnknownFormat { path: path.to_owned() })?;
    let unread = |content| file.decode_error(content);
    match format {
        ImageFormat::Jpeg => file.decode_jpeg(resolution, reserve),
        ImageFormat::Png => {
            let content = if png_is_complete(bytes) { Content::Complete } else { Content::CutOff };
            let decoder = PngDecoder::with_limits(Cursor::new(bytes), decoder_limits(MAX_METADATA_BYTES));
            file.decode(decoder.map_err(unread(content))?, content, |_| 0, reserve)
        }
        ImageFormat::Pnm => {
            let mut after_header = Cursor::new(bytes);
            let minimum = match PnmDecoder::new(&mut after_header) {
                Ok(header) => min_pnm_bytes(&header),
                // If the whole file was consumed, the header is cut off.
                Err(error) => {
                    let at_end = after_header.position() >= bytes.len() as u64;
                    return Err(unread(if at_end { Content::CutOff } else { Content::Complete })(error));
                }
            };
            let samples = (bytes.len() as u64).saturating_sub(after_header.position());
            let content = if samples >= minimum { Content::Complete } else { Content::CutOff };
            let decoder = PnmDecoder::new(Cursor::new(bytes)).map_err(unread(content))?;
            file.decode(decoder, content, |_| 0, reserve)
        }
        ImageFormat::Gif => {
            let content = if gif_is_complete(bytes) { Content::Complete } else { Content::CutOff };
            let decoder = GifDecoder::new(Cursor::new(bytes)).map_err(unread(content))?;
            // Indices, and the first image where it is not as wide as the canvas.
            file.decode(decoder, content, |decoder| 5 * pixel_count(decoder), reserve)
        }
        // The other decoders find out themselves where a file ends early.
        ImageFormat::WebP => {
            let checked = checked_webp(bytes).map_err(|error| match error {
                WebPError::Truncated => Error::Truncated { path: path.to_owned() },
                WebPError::Damaged(what) => file.damaged(image::ImageFormat::WebP, what),
            })?;
            let decoder = WebPDecoder::new(Cursor::new(checked)).map_err(unread(Content::Complete))?;
            // The planes of a lossy image, its transparency and that of the animation.
            file.decode(decoder, Content::Complete, |decoder| 11 * pixel_count(decoder), reserve)
        }
        ImageFormat::Bmp => {
            let decoder = BmpDecoder::new(Cursor::new(bytes)).map_err(unread(Content::Complete))?;
            file.decode(decoder, Content::Complete, |_| 0, reserve)
        }
        ImageFormat::Tiff => {
            check_tiff(bytes).map_err(|error| match error {
                TiffError::Truncated => Error::Truncated { path: path.to_owned() },
                TiffError::CameraRaw => {
                    Error::UnsupportedFormat { path: path.to_owned(), format: ImageFormat::CameraRaw }
                }
                TiffError::Damaged(what) => file.damaged(image::ImageFormat::Tiff, what),
                TiffError::Unsupported(what) => file.unsupported(image::ImageFormat::Tiff, what),
            })?;
            let decoder = TiffDecoder::new(Cursor::new(bytes)).map_err(unread(Content::Complete))?;
            // All samples once more, with four for three inks, and the longest compressed strip.
            let working = |decoder: &TiffDecoder<_>| decoder.total_bytes() / 3 * 4 + bytes.len() as u64;
            file.decode(decoder, Content::Complete, working, reserve)
        }
        ImageFormat::Heic
        | ImageFormat::Avif
        | ImageFormat::JpegXl
        | ImageFormat::Jpeg2000
        | ImageFormat::CameraRaw
        | ImageFormat::Photoshop => Err(Error::UnsupportedFormat { path: path.to_owned(), format }),
    }
}

/// Whether all of an image is known to be missing or not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Content {
    /// The file is complete, or its decoder reports if it is not.
    Complete,
    CutOff,
}

struct ImageFile<'a> {
    bytes: &'a [u8],
    path: &'a Path,
}

impl ImageFile<'_> {
    /// The steps common to all formats, in order: limits, completeness, memory reservation, pixels.
    ///
    /// `working` gives the bytes that the decoder allocates besides the pixels as stored.
    fn decode<R, D: ImageDecoder>(
        &self,
        mut decoder: D,
        content: Content,
        working: impl FnOnce(&D) -> u64,
        reserve: impl FnOnce(u64) -> Result<R, Error>,
    ) -> Result<(Photo, R), Error> {
        let (width, height) = decoder.dimensions();
        self.check_size([width, height], MAX_PIXELS)?;
        if content == Content::CutOff {
            return Err(Error::Truncated { path: self.path.to_owned() });
        }
        let needed = self.needed_bytes(decoder.total_bytes(), pixel_count(&decoder), working(&decoder));
        let reservation = reserve(needed)?;
        // Unreadable metadata is ignored: whether the pixels are damaged is found out below.
        let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        Ok((self.decode_pixels(decoder, orientation, needed, content)?, reservation))
    }

    /// An upper bound on the bytes that decoding takes: the file, the pixels as stored, and besides
    /// them what the decoder allocates or, later, the conversion to RGB and a turned copy do.
    fn needed_bytes(&self, stored: u64, pixels: u64, working: u64) -> u64 {
        self.bytes.len() as u64 + stored + working.max(5 * pixels)
    }

    fn decode_pixels(
        &self,
        mut decoder: impl ImageDecoder,
        orientation: Orientation,
        needed: u64,
        content: Content,
    ) -> Result<Photo, Error> {
        decoder.set_limits(decoder_limits(needed)).map_err(self.decode_error(content))?;
        let image = DynamicImage::from_decoder(decoder).map_err(self.decode_error(content))?;
        let image = orient(over_white(image), orientation);
        let size = [image.height() as usize, image.width() as usize];
        Ok(Photo { pixels: pixels_of(image), size })
    }

    fn decode_jpeg<R>(
        &self,
        resolution: Resolution,
        reserve: impl FnOnce(u64) -> Result<R, Error>,
    ) -> Result<(Photo, R), Error> {
        let path = || self.path.to_owned();
        let segments = JpegSegments::new(self.bytes);
        let color_space = segments.color_space().ok_or_else(|| Error::UnknownColorSpace { path: path() })?;
        let (scans, ending) = segments.scan_count();
        if scans > MAX_SCANS {
            return Err(Error::TooManyScans { path: path(), scans, limit: MAX_SCANS });
        }
        let Some([width, height]) = segments.size() else {
            return Err(match ending {
                Ending::CutOff => Error::Truncated { path: path() },
                Ending::Marker => self.damaged(image::ImageFormat::Jpeg, "there is no frame"),
            });
        };
        let pixels = u64::from(width) * u64::from(height);
        let max_pixels = match resolution {
            Resolution::Full => MAX_PIXELS,
            Resolution::Reducible => MAX_PHOTO_PIXELS,
        };
        self.check_size([width, height], max_pixels)?;
        let orientation = segments.orientation();
        let frame = Frame::of(&segments);
        // Only files that are repaired are copied; what is wrong with their frame is told then.
        let repair = |frame: &Frame| repair_bytes(self.bytes, frame);
        let repair = frame.as_ref().map_or(0, repair);

        let side = |scale: Scale, side: u32| scale.apply(side as usize) as u64;
        let reduced = |scale| side(scale, width) * side(scale, height);
        let scale = if resolution == Resolution::Reducible && pixels > MAX_FULL_SCALE_PIXELS {
            Some(if reduced(Scale::Half) <= MAX_FULL_SCALE_PIXELS { Scale::Half } else { Scale::Quarter })
        } else if color_space == ColorSpace::Cmyk && frame.as_ref().is_ok_and(Frame::is_first_subsampled) {
            // The other decoder gives wrong colors.
            Some(Scale::Full)
        } else {
            None
        };
        if let Some(scale) = scale {
            let frame = frame.map_err(|error| self.jpeg_error(error))?;
            // The coefficients are freed before the pixels are turned.
            let working = working_bytes(&frame, scale).max(3 * reduced(scale));
            let needed = self.needed_bytes(3 * reduced(scale), 0, repair + working);
            let reservation = reserve(needed)?;
            let bytes = repaired(self.bytes, ending).map_err(|error| self.jpeg_error(error))?;
            let rgb = decode_scaled(&bytes, frame, color_space, scale).map_err(|error| self.jpeg_error(error))?;
            let image = RgbImage::from_raw(side(scale, width) as u32, side(scale, height) as u32, rgb);
            let image = orient(image.expect("three bytes per pixel"), orientation);
            let mut size = [height as usize, width as usize];
            if exchanges_sides(orientation) {
                size.reverse();
            }
            return Ok((Photo { pixels: pixels_of(image), size }, reservation));
        }

        // The decoder's copy of the file, and two bytes for each coefficient of four components.
        let needed = self.needed_bytes(3 * pixels, pixels, repair + self.bytes.len() as u64 + 8 * pixels);
        let reservation = reserve(needed)?;
        let bytes = repaired(self.bytes, ending).map_err(|error| self.jpeg_error(error))?;
        let decoder =
            JpegDecoder::new(Cursor::new(Cow::as_ref(&bytes))).map_err(self.decode_error(Content::Complete))?;
        Ok((self.decode_pixels(decoder, orientation, needed, Content::Complete)?, reservation))
    }

    fn check_size(&self, [width, height]: [u32; 2], max_pixels: u64) -> Result<(), Error> {
        let pixels = u64::from(width) * u64::from(height);
        if pixels == 0 {
            return Err(Error::EmptyImage { path: self.path.to_owned() });
        }
        if width.max(height) > MAX_SIDE || pixels > max_pixels {
            return Err(Error::TooLarge { path: self.path.to_owned(), width, height, max_side: MAX_SIDE, max_pixels });
        }
        Ok(())
    }

    /// Distinguishes a file that ends early from other decoder errors.
    fn decode_error(&self, content: Content) -> impl Fn(ImageError) -> Error {
        move |error| {
            let ends_early =
                matches!(&error, ImageError::IoError(io) if io.kind() == std::io::ErrorKind::UnexpectedEof);
            if ends_early || content == Content::CutOff {
                Error::Truncated { path: self.path.to_owned() }
            } else {
                Error::Decode { path: self.path.to_owned(), source: Box::new(error) }
            }
        }
    }

    fn jpeg_error(&self, error: JpegError) -> Error {
        match error {
            JpegError::Truncated => Error::Truncated { path: self.path.to_owned() },
            JpegError::Damaged(what) => self.damaged(image::ImageFormat::Jpeg, what),
            JpegError::Unsupported(what) => self.unsupported(image::ImageFormat::Jpeg, what),
        }
    }

    fn damaged(&self, format: image::ImageFormat, what: &'static str) -> Error {
        let source = ImageError::Decoding(DecodingError::new(format.into(), what));
        Error::Decode { path: self.path.to_owned(), source: Box::new(source) }
    }

    fn unsupported(&self, format: image::ImageFormat, what: &'static str) -> Error {
        let kind = UnsupportedErrorKind::GenericFeature(what.to_owned());
        let source = UnsupportedError::from_format_and_kind(ImageFormatHint::Exact(format), kind);
        Error::Decode { path: self.path.to_owned(), source: Box::new(ImageError::Unsupported(source)) }
    }
}

fn pixel_count(decoder: &impl ImageDecoder) -> u64 {
    let (width, height) = decoder.dimensions();
    u64::from(width) * u64::from(height)
}

/// The image over a white background, where it is transparent.
fn over_white(image: DynamicImage) -> RgbImage {
    if !image.color().has_alpha() {
        return image.into_rgb8();
    }
    let (width, height) = (image.width(), image.height());
    let mut levels = image.into_rgba8().into_raw();
    // In place: each pixel is read before its place is written.
    for at in 0..levels.len() / 4 {
        let &[red, green, blue, alpha] = levels[4 * at..].first_chunk().expect("four bytes per pixel");
        let over = |level: u8| {
            let sum = u32::from(level) * u32::from(alpha) + 255 * (255 - u32::from(alpha));
            ((sum + 127) / 255) as u8
        };
        levels[3 * at..3 * at + 3].copy_from_slice(&[over(red), over(green), over(blue)]);
    }
    levels.truncate(levels.len() / 4 * 3);
    RgbImage::from_raw(width, height, levels).expect("three bytes per pixel")
}

fn pixels_of(image: RgbImage) -> Array3<u8> {
    let shape = (image.height() as usize, image.width() as usize, 3);
    Array3::from_shape_vec(shape, image.into_raw()).expect("an RGB image has three bytes per pixel")
}

fn decoder_limits(bytes: u64) -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(bytes);
    limits
}

/// Whether the chunks of a PNG file reach its IEND chunk.
fn png_is_complete(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(PNG_SIGNATURE_LENGTH..).unwrap_or_default();
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

/// Whether the blocks of a GIF file reach the end of its first image (GIF89a, sections 15 to 26).
fn gif_is_complete(bytes: &[u8]) -> bool {
    // A color table follows if the highest bit of its flags is set; the lowest three give its size.
    let color_table = |flags: u8| if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    let end_of_sub_blocks = |mut at: usize| loop {
        match bytes.get(at)? {
            0 => break Some(at + 1),
            &length => at += 1 + usize::from(length),
        }
    };
    let end_of_image = || {
        let mut at = 13 + color_table(*bytes.get(10)?);
        loop {
            match *bytes.get(at)? {
                // An extension: introducer and label.
                0x21 => at = end_of_sub_blocks(at + 2)?,
                // An image descriptor, then the table, and the size of the codes.
                0x2c => return end_of_sub_blocks(at + 10 + color_table(*bytes.get(at + 9)?) + 1),
                // The decoder reports what is neither.
                _ => return Some(at),
            }
        }
    };
    end_of_image().is_some()
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
