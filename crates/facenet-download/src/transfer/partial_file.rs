//! The first bytes of a file, on disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::Error;

/// Where the bytes of a file are kept until all of them have been received: `pairs.txt.part`.
pub fn partial_path(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

/// SHA-256 of all bytes, as hexadecimal digits.
///
/// # Errors
///
/// If they can't be read.
pub fn sha256_of(mut bytes: impl Read) -> io::Result<String> {
    let mut sha256 = Sha256::new();
    io::copy(&mut bytes, &mut sha256)?;
    Ok(format!("{:x}", sha256.finalize()))
}

/// A file that is being received.
pub struct PartialFile {
    /// The path of the complete file.
    target: PathBuf,
    path: PathBuf,
    file: File,
    received: u64,
    sha256: Sha256,
}

impl PartialFile {
    /// Continues with the bytes that are there; without them if there are more than `limit`.
    ///
    /// # Errors
    ///
    /// If the file can't be opened or read, or is not a regular one.
    pub fn open(target: &Path, limit: u64) -> Result<Self, Error> {
        let path = partial_path(target);
        let unwritable = |source| Error::Write { path: path.clone(), source };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(unwritable)?;
        }
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(&path).map_err(unwritable)?;
        let metadata = file.metadata().map_err(unwritable)?;
        // A pipe waits for readers, a device keeps nothing.
        if !metadata.is_file() {
            return Err(Error::NotAFile { path });
        }
        let received = metadata.len();
        let mut partial = Self { target: target.to_owned(), path: path.clone(), file, received, sha256: Sha256::new() };
        if received > limit {
            partial.clear()?;
        }
        let hashed = io::copy(&mut (&partial.file).take(partial.received), &mut partial.sha256);
        partial.received = hashed.map_err(unwritable)?;
        Ok(partial)
    }

    /// The path of the complete file.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// The path of the partial file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many bytes there are.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// SHA-256 of the bytes that are there.
    pub fn sha256(&self) -> String {
        format!("{:x}", self.sha256.clone().finalize())
    }

    /// Writes bytes at the end.
    ///
    /// # Errors
    ///
    /// If they can't be written.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).map_err(|error| self.unwritable(error))?;
        self.sha256.update(bytes);
        self.received += bytes.len() as u64;
        Ok(())
    }

    /// Drops all bytes.
    ///
    /// # Errors
    ///
    /// If the file can't be written.
    pub fn clear(&mut self) -> Result<(), Error> {
        if self.received == 0 {
            return Ok(());
        }
        let cleared = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        cleared.map_err(|error| self.unwritable(error))?;
        self.received = 0;
        self.sha256 = Sha256::new();
        Ok(())
    }

    /// Removes the file.
    ///
    /// # Errors
    ///
    /// If it can't be removed.
    pub fn remove(&self) -> Result<(), Error> {
        fs::remove_file(&self.path).map_err(|source| Error::Remove { path: self.path.clone(), source })
    }

    /// Syncs the complete file and renames it to its target.
    ///
    /// # Errors
    ///
    /// If that fails.
    pub fn finish(&self) -> Result<(), Error> {
        let renamed = self.file.sync_all().and_then(|()| fs::rename(&self.path, &self.target));
        renamed.map_err(|source| Error::Write { path: self.target.clone(), source })
    }

    fn unwritable(&self, source: io::Error) -> Error {
        Error::Write { path: self.path.clone(), source }
    }
}
