//! Opening regular files only.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::Path;

/// Opens a regular file, or a symbolic link to one, for reading.
///
/// Opening a pipe blocks until somebody writes to it, and reading a device may never end. So the
/// file type is checked before opening, and again afterwards, since the name may refer to something
/// else by then. One race remains: a file that becomes a pipe between the first check and the
/// opening blocks.
///
/// # Errors
/// Errors of the operating system, and [`io::ErrorKind::InvalidInput`] for a folder, a pipe, a
/// socket, a device or a broken symbolic link.
pub fn open_regular_file(path: &Path) -> io::Result<File> {
    require_regular(&metadata(path)?)?;
    let file = File::open(path)?;
    require_regular(&file.metadata()?)?;
    Ok(file)
}

/// Metadata with symbolic links followed; the error for a broken link differs from that for a
/// missing file.
pub(crate) fn metadata(path: &Path) -> io::Result<Metadata> {
    fs::metadata(path).map_err(|error| match fs::symlink_metadata(path) {
        Ok(link) if link.is_symlink() && error.kind() != io::ErrorKind::PermissionDenied => {
            invalid(format!("broken symbolic link ({error})"))
        }
        _ => error,
    })
}

fn require_regular(metadata: &Metadata) -> io::Result<()> {
    match metadata.is_file() {
        true => Ok(()),
        false => Err(invalid("not a regular file".to_owned())),
    }
}

fn invalid(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, reason)
}
