//! What can go wrong, one file per part.

mod entry;
mod fetch;
mod matrix;

use std::fmt::Write;
use std::io;
use std::path::PathBuf;

pub use entry::EntryError;
pub use fetch::{FailedAddress, FetchError};
pub use matrix::MatrixError;

/// Why a set of files is not complete.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Files are neither installed nor stored where they would be downloaded to, and the network
    /// was not to be used.
    #[error("{missing} of {files} files of {name} are missing")]
    Missing {
        /// Name of the set.
        name: &'static str,
        /// How many files are missing.
        missing: usize,
        /// How many files the set has.
        files: usize,
    },
    /// Another process is installing into the same data folder.
    #[error("another download into {} is in progress", data.display())]
    InProgress {
        /// The data folder.
        data: PathBuf,
    },

    /// A file or folder can't be read.
    #[error("can't read {}: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A file or folder can't be created or written.
    #[error("can't write {}: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A file or folder can't be removed.
    #[error("can't remove {}: {source}", path.display())]
    Remove {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },

    /// Something else is in the place of a folder.
    #[error("{} is not a folder", path.display())]
    NotAFolder {
        /// Where the folder belongs.
        path: PathBuf,
    },
    /// A pipe, a device or the like is in the place of a partial download.
    #[error("{} is not a regular file", path.display())]
    NotAFile {
        /// Where the file belongs.
        path: PathBuf,
    },
    /// A file in the place of a published one can't be opened, or is not a regular file.
    #[error("can't read {}, which should be {name}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Name of the published file.
        name: &'static str,
        /// What the operating system says.
        source: io::Error,
    },
    /// A file does not have the size of the published one.
    #[error("{} is not the published {name}: it has {bytes} bytes", path.display())]
    WrongSize {
        /// The file.
        path: PathBuf,
        /// Name of the published file.
        name: &'static str,
        /// Its size in bytes.
        bytes: u64,
    },
    /// A file does not have the hash of the published one.
    #[error("{} is not the published {name}: its sha256 is {found}, not {expected}", path.display())]
    WrongHash {
        /// The file.
        path: PathBuf,
        /// Name of the published file.
        name: &'static str,
        /// SHA-256 of its bytes.
        found: String,
        /// SHA-256 of the published file.
        expected: String,
    },
    /// A folder that was installed has lost or gained images or people.
    #[error(
        "{} has changed since it was installed: it holds {} images of {} people, expected {} of {}",
        path.display(), found.images, found.people, expected.images, expected.people
    )]
    ChangedFolder {
        /// The folder.
        path: PathBuf,
        /// What it holds.
        found: ImageCount,
        /// What was installed.
        expected: ImageCount,
    },

    /// No address had the file.
    #[error("can't download {name} to {}:{}{}", target.display(), list(failures), kept(*received, partial))]
    Unavailable {
        /// Name of the file.
        name: &'static str,
        /// Its SHA-256.
        sha256: String,
        /// Where it would have been downloaded to; a file put there is used.
        target: PathBuf,
        /// Each address with the reason why it failed, in the order in which they were tried.
        failures: Vec<FailedAddress>,
        /// How many bytes of the file have been received; the next download continues after them.
        received: u64,
        /// Where they are kept. If there are none, no file is left.
        partial: PathBuf,
    },

    /// An archive can't be read or decompressed.
    #[error("can't unpack {}: {source}", path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// An archive has more entries than allowed.
    #[error("can't unpack {}: more than {limit} entries", path.display())]
    TooManyEntries {
        /// The archive.
        path: PathBuf,
        /// The limit.
        limit: usize,
    },
    /// An entry of an archive is damaged or refused, or can't be written.
    #[error("can't unpack {}: in the entry `{}`: {source}", path.display(), entry.escape_debug())]
    Entry {
        /// The archive.
        path: PathBuf,
        /// The entry's name, as the archive has it.
        entry: String,
        /// What is wrong with it.
        source: EntryError,
    },
    /// The rest of a file, where a checksum and padding belong, can't be read.
    #[error("can't unpack {}: after the end of the {}: {source}", path.display(), end.name())]
    DamagedEnd {
        /// The archive.
        path: PathBuf,
        /// Which end.
        end: ArchiveEnd,
        /// What is wrong with it.
        source: io::Error,
    },
    /// Data follows where an archive has ended.
    #[error("can't unpack {}: unexpected data after the end of the {}", path.display(), end.name())]
    TrailingData {
        /// The archive.
        path: PathBuf,
        /// Which end.
        end: ArchiveEnd,
    },
    /// A MATLAB file does not hold the expected matrix of images.
    #[error("{} can't be used: {source}", path.display())]
    Matrix {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: MatrixError,
    },
    /// An archive holds another number of images or people than the published one.
    #[error(
        "{} can't be used: it holds {} images of {} people, expected {} of {}",
        path.display(), found.images, found.people, expected.images, expected.people
    )]
    UnexpectedImages {
        /// The archive.
        path: PathBuf,
        /// What it holds.
        found: ImageCount,
        /// What it should hold.
        expected: ImageCount,
    },
}

/// The images of a data set, counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageCount {
    /// Number of people.
    pub people: usize,
    /// Number of images of all people.
    pub images: usize,
}

/// A compressed archive ends twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchiveEnd {
    /// The end of the tar archive, within the compressed data.
    Archive,
    /// The end of the compressed data.
    CompressedData,
}

impl ArchiveEnd {
    fn name(self) -> &'static str {
        match self {
            Self::Archive => "archive",
            Self::CompressedData => "compressed data",
        }
    }
}

fn list(failures: &[FailedAddress]) -> String {
    let mut text = String::new();
    for FailedAddress { address, reason } in failures {
        let _ = write!(text, "\n  {address}: {reason}");
    }
    text
}

fn kept(bytes: u64, partial: &std::path::Path) -> String {
    match bytes {
        0 => String::new(),
        _ => format!("\nthe {bytes} bytes received so far are kept in {}", partial.display()),
    }
}
