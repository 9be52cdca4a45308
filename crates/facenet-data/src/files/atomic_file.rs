//! Writing files atomically.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use crate::error::Error;

/// Writes a file atomically.
///
/// `write` fills a temporary file in the same folder, which is synced to disk and then renamed. So
/// the path refers to either the complete old content or the complete new content, whatever happens
/// in between. If the path is a symbolic link, its target is replaced and the link is kept.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// let path = folder.path().join("scores.json");
/// facenet_data::write_atomically(&path, |file| file.write_all(b"{}"))?;
/// assert_eq!(std::fs::read(&path)?, b"{}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`Error::Write`] if `write` or the operating system fails, or if the path exists and is not a
/// regular file (a folder, a device, a broken link). The old content is then unchanged and the
/// temporary file removed.
pub fn write_atomically(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Error> {
    replace(path, 0o666, write).map_err(|source| Error::Write { path: path.to_owned(), source })
}

/// Like [`write_atomically`], for a file that only its owner may read (mode 0600 on Unix).
///
/// # Errors
/// As [`write_atomically`].
pub fn write_private(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Error> {
    replace(path, 0o600, write).map_err(|source| Error::Write { path: path.to_owned(), source })
}

/// Creates a folder and its missing parents, accessible only to their owner (mode 0700 on Unix).
/// Existing folders are unchanged.
///
/// # Errors
/// [`Error::Write`] if the operating system fails.
pub fn create_private_folder(path: &Path) -> Result<(), Error> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|source| Error::Write { path: path.to_owned(), source })
}

fn replace(path: &Path, mode: u32, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let target = match fs::canonicalize(path) {
        Ok(target) => target,
        Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::symlink_metadata(path) {
            Ok(_) => return Err(io::Error::new(io::ErrorKind::InvalidInput, "broken symbolic link")),
            Err(_) => path.to_owned(),
        },
        Err(error) => return Err(error),
    };
    if target.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    // Renaming over `/dev/null` would replace it by a file.
    if target.exists() && !target.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let folder = folder_of(&target);
    let temporary = new_temporary(&folder, mode)?;
    // Write to the `File`: errors of a `NamedTempFile` would name the temporary file.
    let mut writer = BufWriter::new(temporary.as_file());
    write(&mut writer)?;
    writer.flush()?;
    drop(writer);
    temporary.as_file().sync_all()?;
    temporary.persist(&target)?;
    // The file is in place. Syncing the folder, where possible, makes the rename survive a power
    // failure.
    if let Ok(folder) = File::open(&folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}

fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Creates a hidden file with the permissions `mode`, reduced by the process's umask.
fn new_temporary(folder: &Path, mode: u32) -> io::Result<NamedTempFile> {
    let mut builder = Builder::new();
    builder.prefix(".").suffix(".part");
    #[cfg(unix)]
    let permissions: fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
    #[cfg(unix)]
    builder.permissions(permissions);
    #[cfg(not(unix))]
    let _ = mode;
    builder.tempfile_in(folder)
}
