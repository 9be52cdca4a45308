//! A set of files on disk: what of it is there, and how the rest gets there.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use facenet_data::open_regular_file;
use serde::{Deserialize, Serialize};

use super::catalogue::{FileSet, Packing, Product, RemoteFile, Size};
use super::olivetti::write_pictures;
use super::transfer::{Client, Event, sha256_of};
use super::unpack::{Limits, unpack};

/// The place of a set of files among others.
pub struct Installation<'a> {
    /// The folder of all data.
    pub data: &'a Path,
    /// The data set, or the weights.
    pub set: &'a FileSet,
}

/// How far a product is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// There, and what it should be.
    Present,
    /// A folder is there that no download has made: left alone.
    Unverified,
    /// Made just now, from a file that was downloaded or lay there.
    Downloaded,
    /// Not there.
    Missing,
}

/// Where files come from.
pub enum Source<'a> {
    /// Addresses, those of a mirror first.
    Network {
        /// What gets files.
        client: &'a Client,
        /// The address of a folder that may have all of them.
        mirror: Option<&'a str>,
    },
    /// Only files that lie where they would be downloaded to.
    Disk,
}

/// What is going on.
pub enum Step<'a> {
    /// A file is being downloaded.
    Transfer(Event<'a>),
    /// So many pictures are unpacked.
    Pictures(usize),
    /// So many files of an archive were no pictures.
    LeftOut(usize),
}

/// Stands in every folder made of a file, complete: the folder gets its name only after this.
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

    /// What is made of a file: a file, or a folder.
    pub fn product(&self, file: &RemoteFile) -> PathBuf {
        match &file.product {
            Product::File(path) => self.folder().join(path),
            Product::People { folder: "", .. } => self.folder(),
            Product::People { folder, .. } => self.folder().join(folder),
        }
    }

    /// Where the file itself is downloaded to, or put by hand.
    pub fn download(&self, file: &RemoteFile) -> PathBuf {
        match &file.product {
            Product::File(_) => self.product(file),
            Product::People { .. } => self.data.join("downloads").join(file.name),
        }
    }

    /// How far a product is. Files are hashed; of folders the record is compared and the pictures are counted.
    ///
    /// # Errors
    /// If something can't be read, or is there but not what it should be.
    pub fn state(&self, file: &RemoteFile) -> Result<State> {
        let path = self.product(file);
        let unreadable = || format!("can't read {}", path.display());
        if !fs::exists(&path).with_context(unreadable)? {
            return Ok(State::Missing);
        }
        let (people, pictures) = match file.product {
            Product::File(_) => return open_verified(&path, file).map(|_| State::Present),
            Product::People { people, pictures, .. } => (people, pictures),
        };
        ensure!(path.is_dir(), "{} is not a folder; move it away", path.display());
        let record = match read_record(&path.join(RECORD)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let empty = fs::read_dir(&path).with_context(unreadable)?.next().is_none();
                return Ok(if empty { State::Missing } else { State::Unverified });
            }
            record => record.with_context(unreadable)?,
        };
        let ours = serde_json::from_slice::<Record>(&record).is_ok_and(|record| record.sha256 == file.sha256);
        if !ours {
            return Ok(State::Unverified);
        }
        check_pictures(&path, people, pictures)
            .with_context(|| format!("remove {} to have it made again", path.display()))?;
        Ok(State::Present)
    }

    /// Makes a product that is missing: from the file that lies where it is downloaded to, else from the network.
    ///
    /// Whoever calls this holds the [lock](Self::lock). A file that lay there stays; one that was downloaded just now is removed once the folder is made.
    ///
    /// # Errors
    /// If the file can't be had, is not what it should be, or the product can't be written. Then nothing is there under the
    /// product's name.
    pub fn make(&self, file: &RemoteFile, source: &Source<'_>, told: &mut dyn FnMut(Step<'_>)) -> Result<State> {
        let download = self.download(file);
        let lay_there = fs::exists(&download).with_context(|| format!("can't read {}", download.display()))?;
        let (client, mirror) = match source {
            Source::Disk if !lay_there => return Ok(State::Missing),
            Source::Disk => (None, None),
            Source::Network { client, mirror } => (Some(client), *mirror),
        };
        if let (false, Some(client)) = (lay_there, client) {
            let own = mirror.map(|mirror| format!("{}/{}", mirror.trim_end_matches('/'), file.name));
            let addresses: Vec<String> = own.into_iter().chain(file.addresses.iter().cloned()).collect();
            client.fetch(file, &addresses, &download, &mut |event| told(Step::Transfer(event)))?;
        }
        if let Product::People { packing, people, pictures, .. } = &file.product {
            // Used as it was verified, whatever the name stands for meanwhile.
            let opened = open_verified(&download, file)?;
            let folder = self.product(file);
            let hidden = hidden(&folder);
            let made = remove(&hidden)
                .and_then(|()| fill(&hidden, opened, &download, packing, *people, *pictures, told))
                .and_then(|()| record(&hidden, file))
                .and_then(|()| name(&hidden, &folder));
            if made.is_err() {
                // Gives room back; what stays is removed by the next run.
                let _ = fs::remove_dir_all(&hidden);
            }
            made?;
            if !lay_there {
                fs::remove_file(&download).with_context(|| format!("can't remove {}", download.display()))?;
            }
        }
        Ok(State::Downloaded)
    }

    /// Downloaded files of which everything is made.
    pub fn leftovers(&self) -> Vec<PathBuf> {
        let left = |file: &&RemoteFile| {
            let download = self.download(file);
            download != self.product(file) && download.exists() && matches!(self.state(file), Ok(State::Present))
        };
        self.set.files.iter().filter(left).map(|file| self.download(file)).collect()
    }

    /// Whether something can be made of a file that is missing: it can be asked for, or lies there.
    ///
    /// # Errors
    /// If that can't be seen.
    pub fn can_make(&self, file: &RemoteFile, source: &Source<'_>) -> Result<bool> {
        let download = self.download(file);
        let lies_there = fs::exists(&download).with_context(|| format!("can't read {}", download.display()))?;
        Ok(lies_there || matches!(source, Source::Network { .. }))
    }

    /// Keeps other downloads away for as long as the value lives: two at once would write the same files.
    ///
    /// # Errors
    /// If another one is going on; if nothing can be written there.
    pub fn lock(&self) -> Result<File> {
        let path = self.data.join("downloads").join(".lock");
        let unwritable = || {
            format!("can't write {}; may files be written there? else name another folder with --data", path.display())
        };
        fs::create_dir_all(self.data.join("downloads")).with_context(unwritable)?;
        // To read as well: nothing is waited for, should it be a pipe.
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(&path).with_context(unwritable)?;
        if let Err(fs::TryLockError::WouldBlock) = file.try_lock() {
            bail!("another download into {} is going on; wait for its end", self.data.display());
        }
        Ok(file)
    }
}

/// Opens a file that has the bytes it should have, at its beginning.
fn open_verified(path: &Path, file: &RemoteFile) -> Result<File> {
    let unreadable = || format!("can't read {}", path.display());
    let advice = format!("move it away to have {} downloaded", file.name);
    let mut opened = open_regular_file(path).with_context(|| format!("can't read {}; {advice}", path.display()))?;
    let found = opened.metadata().with_context(unreadable)?.len();
    let fits = match file.size {
        Size::Exactly(bytes) => found == bytes,
        Size::About { limit, .. } => found <= limit,
    };
    ensure!(fits, "{} has {found} bytes and so is not the published file; {advice}", path.display());
    // No further, should it grow meanwhile.
    let sha256 = sha256_of((&opened).take(file.size.limit() + 1)).with_context(unreadable)?;
    ensure!(
        sha256 == file.sha256,
        "{} is not the published file: its sha256 is {sha256}, not {}; {advice}",
        path.display(),
        file.sha256
    );
    opened.rewind().with_context(unreadable)?;
    Ok(opened)
}

/// That a folder has all its people and pictures.
fn check_pictures(folder: &Path, people: usize, pictures: usize) -> Result<()> {
    let (mut found_people, mut found_pictures) = (0, 0);
    for person in visible(folder)?.into_iter().filter(|path| path.is_dir()) {
        found_people += 1;
        // Beside them may lie what systems leave in folders: `Thumbs.db`.
        let is_picture =
            |path: &PathBuf| path.extension().is_some_and(|extension| extension == "jpg" || extension == "png");
        found_pictures += visible(&person)?.into_iter().filter(is_picture).count();
    }
    ensure!(
        (found_people, found_pictures) == (people, pictures),
        "{} holds {found_pictures} pictures of {found_people} people, expected {pictures} of {people}",
        folder.display()
    );
    Ok(())
}

/// What a folder holds, hidden things apart.
fn visible(folder: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = || format!("can't read {}", folder.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).with_context(unreadable)? {
        let entry = entry.with_context(unreadable)?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    Ok(paths)
}

/// The folder beside another in which that one is made: `.images.part`.
fn hidden(folder: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(folder.file_name().unwrap_or_default());
    name.push(".part");
    folder.with_file_name(name)
}

/// Removes what an interrupted run has left.
fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("can't remove {}, which an earlier run left", folder.display()))
        }
        _ => Ok(()),
    }
}

fn fill(
    folder: &Path,
    opened: File,
    download: &Path,
    packing: &Packing,
    people: usize,
    pictures: usize,
    told: &mut dyn FnMut(Step<'_>),
) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("can't make the folder {}", folder.display()))?;
    match packing {
        Packing::TarGz { top } => {
            let unpacked = unpack(opened, download, top, &Limits::default(), folder, &mut |pictures| {
                told(Step::Pictures(pictures))
            })?;
            if unpacked.left_out > 0 {
                told(Step::LeftOut(unpacked.left_out));
            }
        }
        Packing::OlivettiMatrix => write_pictures(opened, download, people, folder)?,
    }
    check_pictures(folder, people, pictures).with_context(|| format!("{} can't be used", download.display()))
}

/// The beginning, which is all of a record.
fn read_record(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_regular_file(path)?.take(4 << 10).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn record(folder: &Path, file: &RemoteFile) -> Result<()> {
    let path = folder.join(RECORD);
    let record = Record { file: file.name.to_owned(), sha256: file.sha256.clone() };
    fs::write(&path, serde_json::to_vec(&record)?).with_context(|| format!("can't write {}", path.display()))
}

/// Gives a finished folder its name. An empty folder may have it already, nothing else.
fn name(hidden: &Path, folder: &Path) -> Result<()> {
    let empty = match fs::remove_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    empty.and_then(|()| fs::rename(hidden, folder)).with_context(|| format!("can't write {}", folder.display()))
}

#[cfg(test)]
mod tests;
