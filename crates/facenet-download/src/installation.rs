//! A set of files on disk: which of them are installed, and how one is installed.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use facenet_data::open_regular_file;
use serde::{Deserialize, Serialize};

use crate::archive::olivetti::write_images;
use crate::archive::tar_gz::{Limits, unpack};
use crate::error::{Error, ImageCount};
use crate::event::Event;
use crate::file_set::{ArchiveFormat, FileSet, Layout, RemoteFile, Size};
use crate::transfer::{Client, sha256_of};

/// Where a set of files is installed.
pub struct Installation<'a> {
    /// The data folder.
    pub data: &'a Path,
    /// The data set or weights.
    pub set: &'a FileSet,
}

/// Whether a file, or the folder made from it, is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FileState {
    /// Installed earlier, and verified.
    Present,
    /// A folder that was not installed from this file is in its place, and left alone.
    Unverified,
    /// Installed just now, from a file that was downloaded or put there by hand.
    Downloaded,
    /// Not installed.
    Missing,
}

/// Where files come from.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    /// A mirror first, if there is one, then the known addresses.
    Network {
        /// Downloads the files.
        client: &'a Client,
        /// The address of a folder that may have all files, under their [names](RemoteFile::name).
        mirror: Option<&'a str>,
    },
    /// Only files that are stored where they would be downloaded to. Nothing is downloaded.
    Disk,
}

/// Stored in every installed folder. A folder gets its name only after this is written.
#[derive(Serialize, Deserialize)]
struct Record {
    file: String,
    sha256: String,
}

const RECORD: &str = ".download.json";

impl Installation<'_> {
    /// The folder of the set.
    pub fn folder(&self) -> PathBuf {
        self.data.join(self.set.name)
    }

    /// The file or folder that is installed from a file.
    pub fn installed_path(&self, file: &RemoteFile) -> PathBuf {
        match &file.layout {
            Layout::File(path) => self.folder().join(path),
            Layout::People { folder: "", .. } => self.folder(),
            Layout::People { folder, .. } => self.folder().join(folder),
        }
    }

    /// Where the file itself is downloaded to, or put by hand.
    pub fn download_path(&self, file: &RemoteFile) -> PathBuf {
        match &file.layout {
            Layout::File(_) => self.installed_path(file),
            Layout::People { .. } => self.data.join("downloads").join(file.name),
        }
    }

    /// Whether a file is installed. Files are hashed; of folders the record is compared and the
    /// images are counted.
    ///
    /// # Errors
    ///
    /// If something can't be read, or something else is in the place of the file or folder.
    pub fn state(&self, file: &RemoteFile) -> Result<FileState, Error> {
        let path = self.installed_path(file);
        if !exists(&path)? {
            return Ok(FileState::Missing);
        }
        let expected = match file.layout {
            Layout::File(_) => return open_verified(&path, file).map(|_| FileState::Present),
            Layout::People { people, images, .. } => ImageCount { people, images },
        };
        if !path.is_dir() {
            return Err(Error::NotAFolder { path });
        }
        let record = match read_record(&path.join(RECORD)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut entries = fs::read_dir(&path).map_err(unreadable(&path))?;
                return Ok(if entries.next().is_none() { FileState::Missing } else { FileState::Unverified });
            }
            record => record.map_err(unreadable(&path))?,
        };
        let ours = serde_json::from_slice::<Record>(&record).is_ok_and(|record| record.sha256 == file.sha256);
        if !ours {
            return Ok(FileState::Unverified);
        }
        let found = count_images(&path)?;
        if found != expected {
            return Err(Error::ChangedFolder { path, found, expected });
        }
        Ok(FileState::Present)
    }

    /// Installs a missing file from where it is downloaded to, or else from the network.
    ///
    /// The caller holds the [lock](Self::lock). A file that was put there by hand is kept; one that
    /// was downloaded just now is removed once a folder has been made from it.
    ///
    /// # Errors
    ///
    /// If the file is unavailable or not the published one; if something can't be written. Then
    /// there is nothing at the [installed path](Self::installed_path).
    pub fn install(
        &self,
        file: &RemoteFile,
        source: &Source<'_>,
        on_event: &mut dyn FnMut(Event<'_>),
    ) -> Result<FileState, Error> {
        let download = self.download_path(file);
        let was_there = exists(&download)?;
        match source {
            _ if was_there => {}
            Source::Disk => return Ok(FileState::Missing),
            Source::Network { client, mirror } => {
                let mirror = mirror.map(|mirror| format!("{}/{}", mirror.trim_end_matches('/'), file.name));
                let addresses: Vec<String> = mirror.into_iter().chain(file.addresses.iter().cloned()).collect();
                client.fetch(file, &addresses, &download, on_event)?;
            }
        }
        if let Layout::People { format, people, images, .. } = &file.layout {
            // What was verified is unpacked, whatever the path stands for by then.
            let opened = open_verified(&download, file)?;
            let folder = self.installed_path(file);
            let staging = staging_folder(&folder);
            let expected = ImageCount { people: *people, images: *images };
            let made = remove_staging(&staging)
                .and_then(|()| fill(&staging, opened, &download, format, expected, on_event))
                .and_then(|()| write_record(&staging, file))
                .and_then(|()| rename(&staging, &folder));
            if made.is_err() {
                // Frees space; what can't be removed now is removed by the next run.
                let _ = fs::remove_dir_all(&staging);
            }
            made?;
            if !was_there {
                fs::remove_file(&download).map_err(|source| Error::Remove { path: download, source })?;
            }
        }
        Ok(FileState::Downloaded)
    }

    /// Downloaded files that are no longer needed, since a folder has been made from them.
    pub fn leftovers(&self) -> Vec<PathBuf> {
        let left = |file: &&RemoteFile| {
            let download = self.download_path(file);
            download != self.installed_path(file)
                && download.exists()
                && matches!(self.state(file), Ok(FileState::Present))
        };
        self.set.files.iter().filter(left).map(|file| self.download_path(file)).collect()
    }

    /// Whether a missing file can be installed: by a download, or because it was put there by hand.
    ///
    /// # Errors
    ///
    /// If that can't be seen.
    pub fn can_install(&self, file: &RemoteFile, source: &Source<'_>) -> Result<bool, Error> {
        Ok(exists(&self.download_path(file))? || matches!(source, Source::Network { .. }))
    }

    /// Keeps other processes from installing into this data folder for as long as the returned
    /// value lives: two at once would write the same files.
    ///
    /// # Errors
    ///
    /// If another process holds the lock; if it can't be written.
    pub fn lock(&self) -> Result<File, Error> {
        let downloads = self.data.join("downloads");
        let path = downloads.join(".lock");
        let unwritable = |source| Error::Write { path: path.clone(), source };
        fs::create_dir_all(downloads).map_err(unwritable)?;
        // For reading too: should it be a pipe, opening does not wait.
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(&path).map_err(unwritable)?;
        match file.try_lock() {
            Err(fs::TryLockError::WouldBlock) => Err(Error::InProgress { data: self.data.to_owned() }),
            _ => Ok(file),
        }
    }
}

fn unreadable(path: &Path) -> impl Fn(io::Error) -> Error {
    |source| Error::Read { path: path.to_owned(), source }
}

fn exists(path: &Path) -> Result<bool, Error> {
    fs::exists(path).map_err(unreadable(path))
}

/// Opens a file and verifies its size and hash. It is read from its beginning afterwards.
fn open_verified(path: &Path, file: &RemoteFile) -> Result<File, Error> {
    let name = file.name;
    let mut opened = open_regular_file(path).map_err(|source| Error::Open { path: path.to_owned(), name, source })?;
    let bytes = opened.metadata().map_err(unreadable(path))?.len();
    let fits = match file.size {
        Size::Exactly(expected) => bytes == expected,
        Size::About { limit, .. } => bytes <= limit,
    };
    if !fits {
        return Err(Error::WrongSize { path: path.to_owned(), name, bytes });
    }
    // Bounded, should it grow meanwhile.
    let found = sha256_of((&opened).take(file.size.limit() + 1)).map_err(unreadable(path))?;
    if found != file.sha256 {
        return Err(Error::WrongHash { path: path.to_owned(), name, found, expected: file.sha256.clone() });
    }
    opened.rewind().map_err(unreadable(path))?;
    Ok(opened)
}

/// Counts the people of a folder and their images.
fn count_images(folder: &Path) -> Result<ImageCount, Error> {
    let mut count = ImageCount { people: 0, images: 0 };
    for person in visible_entries(folder)?.into_iter().filter(|path| path.is_dir()) {
        count.people += 1;
        // Systems leave other files in folders: `Thumbs.db`.
        let is_image =
            |path: &PathBuf| path.extension().is_some_and(|extension| extension == "jpg" || extension == "png");
        count.images += visible_entries(&person)?.into_iter().filter(is_image).count();
    }
    Ok(count)
}

/// The entries of a folder, except hidden ones.
fn visible_entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable(folder))? {
        let entry = entry.map_err(unreadable(folder))?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    Ok(paths)
}

/// Where a folder is made before it is renamed: `.images.part`, beside it.
fn staging_folder(folder: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(folder.file_name().unwrap_or_default());
    name.push(".part");
    folder.with_file_name(name)
}

/// Removes what an interrupted run has left.
fn remove_staging(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(Error::Remove { path: folder.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// Unpacks an archive into a new folder.
fn fill(
    folder: &Path,
    opened: File,
    archive: &Path,
    format: &ArchiveFormat,
    expected: ImageCount,
    on_event: &mut dyn FnMut(Event<'_>),
) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(|source| Error::Write { path: folder.to_owned(), source })?;
    match format {
        ArchiveFormat::TarGz { root } => {
            let unpacked = unpack(opened, archive, root, &Limits::default(), folder, &mut |done| {
                on_event(Event::Unpacked { done, of: expected.images });
            })?;
            if unpacked.left_out > 0 {
                on_event(Event::LeftOut { files: unpacked.left_out });
            }
        }
        ArchiveFormat::OlivettiMatrix => write_images(opened, archive, expected.people, folder)?,
    }
    let found = count_images(folder)?;
    if found != expected {
        return Err(Error::UnexpectedImages { path: archive.to_owned(), found, expected });
    }
    Ok(())
}

/// The first bytes, which are all of a record.
fn read_record(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_regular_file(path)?.take(4 << 10).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn write_record(folder: &Path, file: &RemoteFile) -> Result<(), Error> {
    let path = folder.join(RECORD);
    let record = Record { file: file.name.to_owned(), sha256: file.sha256.clone() };
    let json = serde_json::to_vec(&record).map_err(io::Error::from);
    json.and_then(|json| fs::write(&path, json)).map_err(|source| Error::Write { path, source })
}

/// Gives a finished folder its name. The name may be that of an empty folder, but of nothing else.
fn rename(staging: &Path, folder: &Path) -> Result<(), Error> {
    let empty = match fs::remove_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    let renamed = empty.and_then(|()| fs::rename(staging, folder));
    renamed.map_err(|source| Error::Write { path: folder.to_owned(), source })
}

#[cfg(test)]
mod tests;
