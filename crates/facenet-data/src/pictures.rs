//! Files that are pictures, and where they are.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::natural_order::natural_order_of_bytes;
use crate::regular_file::metadata;

/// Extensions, in any case, of the files that are pictures; all other files are passed over.
///
/// They include formats that are not read: such a picture is an error when it is loaded, never left out unnoticed.
pub const PICTURE_EXTENSIONS: [&str; 21] = [
    "jpg", "jpeg", "jpe", "jfif", "png", "pgm", "ppm", "pnm", "pbm", "pam", "bmp", "gif", "tif", "tiff", "webp",
    "heic", "heif", "avif", "jxl", "jp2", "ico",
];

/// How deep folders are looked into.
const MAX_DEPTH: usize = 64;

/// The pictures of a folder, then those of each folder in it, and so on; each time in [natural order](crate::natural_order()).
///
/// Passed over are names that start with a dot and files without one of the [`PICTURE_EXTENSIONS`]. A link to a file counts
/// as what it points at; one to a folder is not followed, so that links in a circle end.
///
/// # Errors
/// If a folder can't be listed, or they are nested more than 64 deep.
pub fn pictures_below(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut pictures = Vec::new();
    // The next folder is the last one here.
    let mut folders = vec![(directory.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let found = entries(&folder, |entry| Ok(is_picture(entry)? || entry.file_type()?.is_dir()))?;
        let (within, files): (Vec<_>, Vec<_>) = found.into_iter().map(|(_, path)| path).partition(|path| {
            // A link to a folder was not kept.
            path.is_dir()
        });
        if depth == MAX_DEPTH && !within.is_empty() {
            return Err(Error::TooDeep { path: folder, limit: MAX_DEPTH });
        }
        pictures.extend(files);
        folders.extend(within.into_iter().rev().map(|path| (path, depth + 1)));
    }
    Ok(pictures)
}

/// Names and paths of what a folder holds, hidden things apart, in natural order.
pub(crate) fn entries(
    directory: &Path,
    keep: impl Fn(&DirEntry) -> io::Result<bool>,
) -> Result<Vec<(OsString, PathBuf)>, Error> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            Error::MissingDirectory { path: directory.to_owned() }
        }
        _ => Error::Io { path: directory.to_owned(), source },
    };
    let mut entries = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (name, path) = (entry.file_name(), entry.path());
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if keep(&entry).map_err(|source| Error::Io { path: path.clone(), source })? {
            entries.push((name, path));
        }
    }
    entries.sort_unstable_by(|(left, _), (right, _)| {
        natural_order_of_bytes(left.as_encoded_bytes(), right.as_encoded_bytes())
    });
    Ok(entries)
}

/// Whether it is a folder or a link to one.
pub(crate) fn is_folder(entry: &DirEntry) -> io::Result<bool> {
    let kind = entry.file_type()?;
    // Only links cost another question to the operating system.
    if kind.is_symlink() { Ok(metadata(&entry.path())?.is_dir()) } else { Ok(kind.is_dir()) }
}

pub(crate) fn is_picture(entry: &DirEntry) -> io::Result<bool> {
    let name = entry.file_name();
    let extension = Path::new(&name).extension().and_then(OsStr::to_str).unwrap_or_default();
    let known = PICTURE_EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(extension));
    Ok(known && !is_folder(entry).unwrap_or(false))
}
