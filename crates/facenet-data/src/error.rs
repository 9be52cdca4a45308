//! The error type of the crate.

use std::io;
use std::path::PathBuf;

use crate::codec::image_format::ImageFormat;
use crate::faces::crop::Crop;
use crate::files::escape_path::escape_path;

/// What is wrong with which file, list, folder or hyperparameter.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or a folder can't be read.
    #[error("can't read {}: {source}", escape_path(path))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A file can't be written; what was there before is unchanged.
    #[error("can't write {}: {source}", escape_path(path))]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A folder does not exist, or is a file.
    #[error("there is no folder {}", escape_path(path))]
    MissingFolder {
        /// The folder.
        path: PathBuf,
    },

    /// A file is longer than [`MAX_FILE_BYTES`](crate::MAX_FILE_BYTES); it was not read.
    #[error("{} is longer than the limit of {limit} bytes", escape_path(path))]
    FileTooLong {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// An image file has no bytes, or the image has a height or width of 0.
    #[error("{} is empty", escape_path(path))]
    EmptyImage {
        /// The image file.
        path: PathBuf,
    },
    /// The content is not an image, whatever the extension says.
    #[error("{} is not an image of a known format", escape_path(path))]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// The content is an image of a format that is not read.
    #[error("{} is a {format} file, which can't be read", escape_path(path))]
    UnsupportedFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: ImageFormat,
    },
    /// The header declares more than [`MAX_SIDE`](crate::MAX_SIDE) pixels a side, or more than
    /// [`MAX_PIXELS`](crate::MAX_PIXELS) or [`MAX_PHOTO_PIXELS`](crate::MAX_PHOTO_PIXELS) in total;
    /// nothing was allocated.
    #[error(
        "{} declares {width} x {height} pixels: the limit is {max_side} a side and {max_pixels} in total",
        escape_path(path)
    )]
    TooLarge {
        /// The image file.
        path: PathBuf,
        /// The width in the header.
        width: u32,
        /// The height in the header.
        height: u32,
        /// The limit on each side.
        max_side: u32,
        /// The limit on the number of pixels.
        max_pixels: u64,
    },
    /// The file ends before the end of the image.
    #[error("{} is truncated", escape_path(path))]
    Truncated {
        /// The image file.
        path: PathBuf,
    },
    /// The content is damaged or of a kind that the decoder does not support.
    #[error("can't decode {}: {source}", escape_path(path))]
    Decode {
        /// The image file.
        path: PathBuf,
        /// The error of the decoder.
        source: Box<image::ImageError>,
    },
    /// The color space of a JPEG is not known: it has four components without Adobe's marker, or a
    /// number of components other than 1, 3 and 4.
    #[error(
        "the color space of {} is unknown: a JPEG has 1 or 3 components, or 4 and an Adobe marker",
        escape_path(path)
    )]
    UnknownColorSpace {
        /// The image file.
        path: PathBuf,
    },
    /// A JPEG has too many scans: decoding could take hours.
    #[error("{} has {scans} scans: the limit is {limit}", escape_path(path))]
    TooManyScans {
        /// The image file.
        path: PathBuf,
        /// The number of scans.
        scans: usize,
        /// The limit.
        limit: usize,
    },
    /// A crop does not lie within the image.
    #[error("{crop} does not fit {} of {width} x {height} pixels", escape_path(path))]
    CropOutside {
        /// The image file.
        path: PathBuf,
        /// The crop.
        crop: Crop,
        /// Width of the image.
        width: usize,
        /// Height of the image.
        height: usize,
    },
    /// An image of Labeled Faces in the Wild has neither the size of the originals nor that of
    /// their central region.
    #[error("{} has {width} x {height} pixels: LFW images have 250 x 250, or 160 x 160 if cropped", escape_path(path))]
    LfwImageSize {
        /// The image file.
        path: PathBuf,
        /// Width of the image.
        width: usize,
        /// Height of the image.
        height: usize,
    },
    /// Landmarks coincide or do not resemble the template.
    #[error(
        "the landmarks of {} are degenerate: expected two eyes, the tip of the nose and two corners of the mouth",
        escape_path(path)
    )]
    LandmarksDegenerate {
        /// The image file.
        path: PathBuf,
    },
    /// The centroid of the landmarks lies outside the image: they belong to another image or
    /// coordinate system.
    #[error("the landmarks of {} lie outside its {width} x {height} pixels", escape_path(path))]
    LandmarksOutside {
        /// The image file.
        path: PathBuf,
        /// Width of the image.
        width: usize,
        /// Height of the image.
        height: usize,
    },

    /// Decoding one image would exceed the memory limit.
    #[error("decoding {} takes up to {needed} bytes: the memory limit leaves {available}", escape_path(path))]
    ImageOverMemory {
        /// The image file.
        path: PathBuf,
        /// An upper bound on the bytes needed.
        needed: u64,
        /// The bytes that the limit leaves after the faces themselves.
        available: u64,
    },
    /// The faces would exceed the memory limit.
    #[error("{faces} faces of {height} x {width} pixels take more than the memory limit of {limit} bytes")]
    FacesOverMemory {
        /// The number of faces.
        faces: usize,
        /// Height of each face.
        height: usize,
        /// Width of each face.
        width: usize,
        /// The limit in bytes.
        limit: u64,
    },

    /// A folder contains no visible folders, or a list no people.
    #[error("{} contains no people: expected a folder of images for each person", escape_path(path))]
    NoPeople {
        /// The folder or list.
        path: PathBuf,
    },
    /// There is only one person.
    #[error("{} contains only one person: at least two are needed", escape_path(path))]
    OnePerson {
        /// The folder or list.
        path: PathBuf,
    },
    /// A person's folder contains no images.
    #[error("the person folder {} contains no images", escape_path(path))]
    PersonWithoutImages {
        /// The person's folder.
        path: PathBuf,
    },

    /// A list is not UTF-8 text.
    #[error("the list {} is not UTF-8 text", escape_path(path))]
    NotUtf8 {
        /// The list.
        path: PathBuf,
    },
    /// The header of a list is missing or malformed.
    #[error("{}:{line}: expected a header of {expected}, found \"{found}\"", escape_path(list))]
    ListHeader {
        /// The list.
        list: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// What was expected.
        expected: &'static str,
        /// The start of what was found.
        found: String,
    },
    /// The number of lines or folds does not match the header.
    #[error("{}:{line}: the header declares {declared} {what}, found {found}", escape_path(list))]
    ListCount {
        /// The list.
        list: PathBuf,
        /// Line number of the header, from 1.
        line: usize,
        /// What is counted.
        what: &'static str,
        /// The number in the header.
        declared: usize,
        /// The number found.
        found: usize,
    },
    /// A line of a list is malformed.
    #[error("{}:{line}: expected {expected}, found \"{found}\"", escape_path(list))]
    ListLine {
        /// The list.
        list: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// What was expected.
        expected: &'static str,
        /// The start of what was found.
        found: String,
    },
    /// A list of people names a person twice.
    #[error("{}:{line}: duplicate person {person}", escape_path(list))]
    DuplicatePerson {
        /// The list.
        list: PathBuf,
        /// Line number of the second occurrence, from 1.
        line: usize,
        /// The name.
        person: String,
    },
    /// A list of landmarks names an image twice.
    #[error("{}:{line}: duplicate image {image}", escape_path(list))]
    DuplicateImage {
        /// The list.
        list: PathBuf,
        /// Line number of the second occurrence, from 1.
        line: usize,
        /// The image's path in the list.
        image: String,
    },
    /// A list names an image that does not exist.
    #[error("{}:{line}: there is no image {}", escape_path(list), escape_path(path))]
    MissingImage {
        /// The list.
        list: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// The expected path of the image.
        path: PathBuf,
    },

    /// An amount of [`Augmentation`](crate::Augmentation) is out of range.
    #[error("augmentation.{field} is {value}: expected a number from {low} to {high}")]
    AugmentationRange {
        /// The field.
        field: &'static str,
        /// The value.
        value: f32,
        /// The smallest valid value.
        low: f32,
        /// The largest valid value.
        high: f32,
    },
}
