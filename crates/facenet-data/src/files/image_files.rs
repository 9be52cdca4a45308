//! Finding image files.

use std::ffi::OsStr;
use std::fs::DirEntry;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::files::folder::{is_folder, visible_entries};

/// File name extensions of images, in lower case but matched in any case; all other files are
/// ignored.
///
/// They include formats that can't be decoded: such a file is an error when it is loaded, and not
/// silently skipped.
pub const IMAGE_EXTENSIONS: [&str; 21] = [
    "jpg", "jpeg", "jpe", "jfif", "png", "pgm", "ppm", "pnm", "pbm", "pam", "bmp", "gif", "tif", "tiff", "webp",
    "heic", "heif", "avif", "jxl", "jp2", "ico",
];

/// The deepest nesting of folders that is searched.
const MAX_DEPTH: usize = 64;

/// The images in a folder, then those of each of its subfolders, recursively; at each level in
/// [natural order](crate::natural_order()).
///
/// Names that start with a dot and files without one of the [`IMAGE_EXTENSIONS`] are ignored. A
/// link to a file counts as the file; links to folders are not followed, so cyclic links terminate.
///
/// # Errors
/// If a folder can't be listed, or folders are nested more than 64 deep.
pub fn images_below(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut images = Vec::new();
    // A stack: the folder to list next comes last.
    let mut folders = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let found = visible_entries(&folder, |entry| Ok(is_image(entry)? || entry.file_type()?.is_dir()))?;
        let (within, files): (Vec<_>, Vec<_>) = found.into_iter().map(|(_, path)| path).partition(|path| {
            // Links to folders were filtered out above.
            path.is_dir()
        });
        if depth == MAX_DEPTH && !within.is_empty() {
            return Err(Error::TooDeep { path: folder, limit: MAX_DEPTH });
        }
        images.extend(files);
        folders.extend(within.into_iter().rev().map(|path| (path, depth + 1)));
    }
    Ok(images)
}

/// Whether the entry has an image's extension and is not a folder.
pub(crate) fn is_image(entry: &DirEntry) -> io::Result<bool> {
    let name = entry.file_name();
    let extension = Path::new(&name).extension().and_then(OsStr::to_str).unwrap_or_default();
    let known = IMAGE_EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(extension));
    Ok(known && !is_folder(entry).unwrap_or(false))
}
