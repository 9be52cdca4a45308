//! Everything that files can get wrong.

use std::io;
use std::path::PathBuf;

use crate::{Crop, shown};

/// What is wrong with a file, a list, a folder or a setting, and which one it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused to read a file or a folder.
    #[error("can't read {}: {source}", shown(path))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A file could not be written; nothing changed under its name.
    #[error("can't write {}: {source}", shown(path))]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// Folders are nested too deep to be looked through.
    #[error("{} has folders in it that are nested more than {limit} deep", shown(path))]
    TooDeep {
        /// The last folder that was looked into.
        path: PathBuf,
        /// The limit.
        limit: usize,
    },
    /// A folder of data does not exist, or is a file.
    #[error("there is no folder {}", shown(path))]
    MissingDirectory {
        /// The folder that was asked for.
        path: PathBuf,
    },

    /// A file is longer than [`MAX_FILE_BYTES`](crate::MAX_FILE_BYTES); it was not read.
    #[error("{} is longer than the limit of {limit} bytes", shown(path))]
    FileTooLong {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// A picture has no bytes, or a height or width of 0.
    #[error("{} is empty", shown(path))]
    EmptyPicture {
        /// The picture.
        path: PathBuf,
    },
    /// The first bytes are not those of a JPEG, PNG or PNM file, whatever the name says.
    #[error("{} is not a JPEG, PNG or PNM picture", shown(path))]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// The header claims more than [`MAX_SIDE`](crate::MAX_SIDE) pixels a side or [`MAX_PIXELS`](crate::MAX_PIXELS) in
    /// all; nothing was allocated.
    #[error("{} claims {width} x {height} pixels: the limit is {max_side} a side and {max_pixels} in all", shown(path))]
    TooLarge {
        /// The picture.
        path: PathBuf,
        /// The width its header claims.
        width: u32,
        /// The height its header claims.
        height: u32,
        /// The most pixels a side.
        max_side: u32,
        /// The most pixels in all.
        max_pixels: u64,
    },
    /// The file ends before the picture does.
    #[error("{} is truncated: the file ends before the picture does", shown(path))]
    Truncated {
        /// The picture.
        path: PathBuf,
    },
    /// The content is damaged, or of a kind that the decoder does not know.
    #[error("can't decode {}: {source}", shown(path))]
    Decode {
        /// The picture.
        path: PathBuf,
        /// What the decoder says.
        source: Box<image::ImageError>,
    },
    /// What the components of a JPEG mean is not known: four inks without Adobe's marker, or another number than 1, 3 or 4.
    #[error(
        "the colours of {} are unknown: it is a JPEG of inks without an Adobe marker; convert it to RGB",
        shown(path)
    )]
    UnknownColors {
        /// The picture.
        path: PathBuf,
    },
    /// A JPEG goes through its pixels too often: decoding it could take hours.
    #[error("{} has {scans} scans: the limit is {limit}", shown(path))]
    TooManyScans {
        /// The picture.
        path: PathBuf,
        /// How many there are.
        scans: usize,
        /// The limit.
        limit: usize,
    },
    /// A crop does not lie within the picture.
    #[error("{crop} does not fit {} of {width} x {height} pixels", shown(path))]
    CropOutside {
        /// The picture.
        path: PathBuf,
        /// The crop.
        crop: Crop,
        /// Width of the picture.
        width: usize,
        /// Height of the picture.
        height: usize,
    },
    /// A picture of Labeled Faces in the Wild has neither the size of the originals nor that of their middle.
    #[error(
        "{} has {width} x {height} pixels: pictures of LFW have 250 x 250, or 160 x 160 if they are cut to their middle",
        shown(path)
    )]
    LfwSize {
        /// The picture.
        path: PathBuf,
        /// Its width.
        width: usize,
        /// Its height.
        height: usize,
    },
    /// Landmarks coincide, or are not those of a face at all.
    #[error(
        "the landmarks of {} do not span a face: expected two eyes, a nose and two corners of a mouth",
        shown(path)
    )]
    LandmarksDegenerate {
        /// The picture.
        path: PathBuf,
    },
    /// The middle of the landmarks lies outside the picture: they are in the coordinates of another one.
    #[error("the landmarks of {} lie outside its {width} x {height} pixels", shown(path))]
    LandmarksOutside {
        /// The picture.
        path: PathBuf,
        /// Its width.
        width: usize,
        /// Its height.
        height: usize,
    },

    /// Decoding one picture would take more memory than the limit leaves.
    #[error("decoding {} takes up to {needed} bytes: the memory limit leaves {available}", shown(path))]
    PictureOverMemory {
        /// The picture.
        path: PathBuf,
        /// An upper bound of the bytes needed.
        needed: u64,
        /// What the limit leaves beside the faces themselves.
        available: u64,
    },
    /// The faces asked for would not fit in the memory limit.
    #[error("{pictures} faces of {height} x {width} pixels take more than the memory limit of {limit} bytes")]
    FacesOverMemory {
        /// How many faces.
        pictures: usize,
        /// Height of each.
        height: usize,
        /// Width of each.
        width: usize,
        /// The limit in bytes.
        limit: u64,
    },

    /// A folder holds no people: no folder with a name that doesn't start with a dot, or a list without people.
    #[error("{} holds no people: expected a folder of pictures for each person", shown(path))]
    NoPeople {
        /// The folder or list.
        path: PathBuf,
    },
    /// There is one person only, with whom nobody can be told apart.
    #[error("{} holds one person only: at least two are needed", shown(path))]
    OnePerson {
        /// The folder or list.
        path: PathBuf,
    },
    /// A person's folder holds no pictures.
    #[error("the person folder {} holds no pictures", shown(path))]
    EmptyPerson {
        /// The person's folder.
        path: PathBuf,
    },

    /// A list is not UTF-8 text.
    #[error("the list {} is not text", shown(path))]
    NotText {
        /// The list.
        path: PathBuf,
    },
    /// A list lacks its header, or the header holds something else than the numbers it should.
    #[error("{}:{line}: expected a header of {expected}, found \"{found}\"", shown(list))]
    ListHeader {
        /// The list.
        list: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// What belongs there.
        expected: &'static str,
        /// The start of what is there.
        found: String,
    },
    /// A list holds more or fewer lines than its header promises.
    #[error("{}:{line}: the header promises {promised} {what}, but {found} follow", shown(list))]
    ListCount {
        /// The list.
        list: PathBuf,
        /// Line number of the header, from 1.
        line: usize,
        /// What is counted.
        what: &'static str,
        /// The header's number.
        promised: usize,
        /// The number of lines there are.
        found: usize,
    },
    /// A line of a list is not what belongs there.
    #[error("{}:{line}: expected {expected}, found \"{found}\"", shown(list))]
    ListLine {
        /// The list.
        list: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// What belongs there.
        expected: &'static str,
        /// The start of what is there.
        found: String,
    },
    /// A list of people names somebody twice.
    #[error("{}:{line}: {person} stands in the list already", shown(list))]
    RepeatedPerson {
        /// The list.
        list: PathBuf,
        /// Line number of the second mention, from 1.
        line: usize,
        /// Who.
        person: String,
    },
    /// A list of landmarks names a picture twice.
    #[error("{}:{line}: {picture} stands in the list already", shown(list))]
    RepeatedPicture {
        /// The list.
        list: PathBuf,
        /// Line number of the second mention, from 1.
        line: usize,
        /// Its path in the list.
        picture: String,
    },
    /// A list names a picture that is not there.
    #[error("{}:{line}: there is no picture {}", shown(list), shown(path))]
    MissingPicture {
        /// The list.
        list: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// Where the picture should be.
        path: PathBuf,
    },

    /// A setting of [`Augmentation`](crate::Augmentation) is out of its range.
    #[error("augmentation.{field} is {value}: expected a number from {low} to {high}")]
    AugmentationRange {
        /// The setting.
        field: &'static str,
        /// Its value.
        value: f32,
        /// The least value it can have.
        low: f32,
        /// The greatest value it can have.
        high: f32,
    },
}
