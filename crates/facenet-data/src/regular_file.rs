//! Files of which an end is known.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::Path;

/// Opens a file to read it: a regular one, or a symbolic link to one.
///
/// To open a pipe would wait for somebody to write to it, and a device may never end. So the kind is looked at before
/// the file is opened, and once more afterwards, since a name can stand for something else by then. What remains is a
/// file that becomes a pipe between the first look and the opening: that waits.
///
/// # Errors
/// What the operating system says, and [`io::ErrorKind::InvalidInput`] for a folder, a pipe, a socket, a device or a
/// symbolic link that leads nowhere.
pub fn open_regular_file(path: &Path) -> io::Result<File> {
    require_regular(&metadata(path)?)?;
    let file = File::open(path)?;
    require_regular(&file.metadata()?)?;
    Ok(file)
}

/// What a name stands for, symbolic links followed; a link that leads nowhere is told apart from nothing at all.
pub(crate) fn metadata(path: &Path) -> io::Result<Metadata> {
    fs::metadata(path).map_err(|error| match fs::symlink_metadata(path) {
        Ok(link) if link.is_symlink() && error.kind() != io::ErrorKind::PermissionDenied => {
            invalid(format!("a symbolic link that leads nowhere ({error}): mend or remove it"))
        }
        _ => error,
    })
}

fn require_regular(metadata: &Metadata) -> io::Result<()> {
    match metadata.is_file() {
        true => Ok(()),
        false => Err(invalid("a folder, a pipe or a device where a file should be".to_owned())),
    }
}

fn invalid(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, reason)
}
