//! Listing one folder: what each of its entries is, by content.

use std::ffi::{OsStr, OsString};
use std::fs::{self, FileType};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::codec::image_format::{ImageFormat, SIGNATURE_LENGTH};
use crate::error::Error;
use crate::files::natural_order::natural_order_bytes;
use crate::files::regular_file::{metadata, open_regular_file};

/// File name extensions of images, in lower case but matched in any case. They matter only for files
/// whose content is not recognized.
const IMAGE_EXTENSIONS: [&str; 33] = [
    "jpg", "jpeg", "jpe", "jif", "jfif", "mpo", "png", "pgm", "ppm", "pnm", "pbm", "pam", "bmp", "dib", "gif", "tif",
    "tiff", "webp", "heic", "heif", "hif", "avif", "jxl", "jp2", "ico", "dng", "cr2", "cr3", "nef", "arw", "raf",
    "orf", "rw2",
];

/// An entry of a folder.
pub(crate) struct Entry {
    pub(crate) name: OsString,
    pub(crate) path: PathBuf,
    pub(crate) kind: EntryKind,
}

/// What an entry is; links count as their target.
pub(crate) enum EntryKind {
    Folder,
    LinkedFolder,
    /// A file whose content is an image.
    Image,
    /// A file with an image's extension whose content is not recognized, or that is empty.
    DamagedImage,
    /// A file that is not an image.
    OtherFile,
    /// A file that can't be opened or read.
    UnreadableFile(Error),
    /// Neither a file nor a folder: a pipe, a socket or a device.
    Special,
    /// A broken link, or an entry that has vanished.
    Unknown(Error),
}

/// The entries of a folder in natural order.
pub(crate) struct Listing {
    pub(crate) entries: Vec<Entry>,
    /// Why there may be more entries than these.
    pub(crate) error: Option<Error>,
}

impl Entry {
    /// Whether the name starts with a dot.
    pub(crate) fn is_hidden(&self) -> bool {
        self.name.as_encoded_bytes().starts_with(b".")
    }

    /// Whether the name has an extension of images.
    pub(crate) fn has_image_extension(&self) -> bool {
        has_image_extension(&self.path)
    }
}

/// Lists a folder and looks at the beginning of each file, on all threads of the current rayon pool.
///
/// # Errors
/// If the folder does not exist or can't be opened.
pub(crate) fn list_folder(folder: &Path) -> Result<Listing, Error> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Error::MissingFolder { path: folder.to_owned() },
        _ => Error::Io { path: folder.to_owned(), source },
    };
    let mut found = Vec::new();
    let mut error = None;
    for entry in fs::read_dir(folder).map_err(failed)? {
        match entry {
            Ok(entry) => found.push((entry.file_name(), entry.path(), entry.file_type())),
            Err(source) => {
                error = Some(failed(source));
                break;
            }
        }
    }
    found.sort_unstable_by(|(left, ..), (right, ..)| {
        natural_order_bytes(left.as_encoded_bytes(), right.as_encoded_bytes())
    });
    let classify = |(name, path, file_type): (OsString, PathBuf, io::Result<FileType>)| {
        let kind = match file_type {
            Ok(file_type) if file_type.is_dir() => EntryKind::Folder,
            _ => kind_of(&path),
        };
        Entry { name, path, kind }
    };
    Ok(Listing { entries: found.into_par_iter().map(classify).collect(), error })
}

/// The kind of what is not itself a folder.
fn kind_of(path: &Path) -> EntryKind {
    let failed = |source| Error::Io { path: path.to_owned(), source };
    let length = match metadata(path) {
        Err(source) => return EntryKind::Unknown(failed(source)),
        Ok(metadata) if metadata.is_dir() => return EntryKind::LinkedFolder,
        Ok(metadata) if !metadata.is_file() => return EntryKind::Special,
        Ok(metadata) => metadata.len(),
    };
    // Files of `/proc` have no length, and reading some of them blocks.
    let format = if length == 0 { Ok(None) } else { read_format(path) };
    match format {
        Ok(Some(_)) => EntryKind::Image,
        Ok(None) if has_image_extension(path) => EntryKind::DamagedImage,
        Ok(None) => EntryKind::OtherFile,
        Err(source) => EntryKind::UnreadableFile(failed(source)),
    }
}

fn read_format(path: &Path) -> io::Result<Option<ImageFormat>> {
    let mut signature = Vec::with_capacity(SIGNATURE_LENGTH);
    open_regular_file(path)?.take(SIGNATURE_LENGTH as u64).read_to_end(&mut signature)?;
    Ok(ImageFormat::detect(&signature))
}

fn has_image_extension(path: &Path) -> bool {
    let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
    IMAGE_EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(extension))
}
