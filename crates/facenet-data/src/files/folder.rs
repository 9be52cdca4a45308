//! Listing one folder.

use std::ffi::OsString;
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::files::natural_order::natural_order_bytes;
use crate::files::regular_file::metadata;

/// Names and paths of the entries for which `keep` is true, hidden ones excluded, in natural order.
pub(crate) fn visible_entries(
    folder: &Path,
    keep: impl Fn(&DirEntry) -> io::Result<bool>,
) -> Result<Vec<(OsString, PathBuf)>, Error> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Error::MissingFolder { path: folder.to_owned() },
        _ => Error::Io { path: folder.to_owned(), source },
    };
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
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
        natural_order_bytes(left.as_encoded_bytes(), right.as_encoded_bytes())
    });
    Ok(entries)
}

/// Whether the entry is a folder or a link to one.
pub(crate) fn is_folder(entry: &DirEntry) -> io::Result<bool> {
    let kind = entry.file_type()?;
    // Only links cost another system call.
    if kind.is_symlink() { Ok(metadata(&entry.path())?.is_dir()) } else { Ok(kind.is_dir()) }
}
