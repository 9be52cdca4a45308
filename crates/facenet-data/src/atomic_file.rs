//! Files that are either whole or not there.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use crate::Error;

/// Writes a file that nobody ever sees half written.
///
/// `write` fills a temporary file in the same folder. It is synced to the disk and then renamed, so that the name stands
/// for what was there before or for all that is new, whatever happens in between. A symbolic link stays, and what it
/// points at is replaced.
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
/// [`Error::Write`] if `write` fails, or the operating system, or if there is something else than a file under that name
/// (a folder, a device, a link that leads nowhere). Then what was there before is untouched and the temporary file is gone.
pub fn write_atomically(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Error> {
    replace(path, 0o666, write).map_err(|source| Error::Write { path: path.to_owned(), source })
}

/// The same for a file that only its owner may read (mode 0600 on Unix).
///
/// # Errors
/// As [`write_atomically`].
pub fn write_private(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Error> {
    replace(path, 0o600, write).map_err(|source| Error::Write { path: path.to_owned(), source })
}

/// Creates a folder and those above it that are missing, which only their owner may enter (mode 0700 on Unix). Existing
/// folders stay as they are.
///
/// # Errors
/// [`Error::Write`] if the operating system refuses.
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
            Ok(_) => return Err(io::Error::new(io::ErrorKind::InvalidInput, "a symbolic link that leads nowhere")),
            Err(_) => path.to_owned(),
        },
        Err(error) => return Err(error),
    };
    if target.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    // Renamed over, `/dev/null` would become a file.
    if target.exists() && !target.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
    }
    let folder = folder_of(&target);
    let temporary = new_temporary(&folder, mode)?;
    // The file itself: errors of a `NamedTempFile` would name the temporary.
    let mut writer = BufWriter::new(temporary.as_file());
    write(&mut writer)?;
    writer.flush()?;
    drop(writer);
    temporary.as_file().sync_all()?;
    temporary.persist(&target)?;
    // The file is in place. Where a folder can be synced, the name survives a power cut too.
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

/// A hidden file with these permissions, less the process's umask.
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
