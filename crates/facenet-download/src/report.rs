//! What of a set of files is installed.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::file_set::{FileSet, RemoteFile, Size};
use crate::installation::{FileState, Installation};

/// What of a set of files is installed. `Display` is a readable text, with the terms first and, for
/// each missing file, its addresses and where to put it by hand; `Serialize` has the public fields.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report<'a> {
    /// Name of the set.
    pub dataset: &'a str,
    /// Folder of the set.
    pub folder: PathBuf,
    /// Who published it and what it may be used for.
    pub terms: &'a str,
    /// Whether no file is missing.
    pub complete: bool,
    /// The files, in the order of the set.
    pub files: Vec<FileReport<'a>>,
    #[serde(skip)]
    embedder: Option<PathBuf>,
    #[serde(skip)]
    leftovers: Vec<PathBuf>,
}

/// Whether one file is installed.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct FileReport<'a> {
    /// Its name.
    pub name: &'a str,
    /// The file or folder that is installed from it.
    pub path: PathBuf,
    /// Its size in bytes, if that is known exactly.
    pub bytes: Option<u64>,
    /// Its SHA-256.
    pub sha256: &'a str,
    /// Whether it is installed.
    pub state: FileState,
    #[serde(skip)]
    file: &'a RemoteFile,
    #[serde(skip)]
    download: PathBuf,
}

impl<'a> Report<'a> {
    /// The report on a set in a data folder, whose files have these states.
    pub(crate) fn new(set: &'a FileSet, data: &Path, states: &[FileState]) -> Self {
        let installation = Installation { data, set };
        let file_report = |(file, &state): (&'a RemoteFile, &FileState)| FileReport {
            name: file.name,
            path: installation.installed_path(file),
            bytes: match file.size {
                Size::Exactly(bytes) => Some(bytes),
                Size::About { .. } => None,
            },
            sha256: &file.sha256,
            state,
            file,
            download: installation.download_path(file),
        };
        let embedder = set.files.iter().find(|file| set.embedder == Some(file.name));
        Self {
            dataset: set.name,
            folder: installation.folder(),
            terms: set.terms,
            complete: !states.contains(&FileState::Missing),
            files: set.files.iter().zip(states).map(file_report).collect(),
            embedder: embedder.map(|file| installation.installed_path(file)),
            leftovers: installation.leftovers(),
        }
    }

    /// The file to load as an embedding network, if the set has one and is complete.
    #[must_use]
    pub fn embedder(&self) -> Option<&Path> {
        self.embedder.as_deref().filter(|_| self.complete)
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}\n", self.terms)?;
        for file in &self.files {
            let (state, rest) = match file.state {
                FileState::Present => ("present", ""),
                FileState::Unverified => ("unverified", ": no download has made this folder, so it is left alone"),
                FileState::Downloaded => ("downloaded", ""),
                FileState::Missing => ("missing", ""),
            };
            writeln!(formatter, "{state:<12}{}{rest}", file.path.display())?;
        }
        for report in self.files.iter().filter(|report| report.state == FileState::Missing) {
            writeln!(formatter, "\n{}: {}, sha256 {}", report.name, report.file.size, report.sha256)?;
            for address in &report.file.addresses {
                writeln!(formatter, "  from {address}")?;
            }
            writeln!(formatter, "  to   {}", report.download.display())?;
        }
        for file in &self.leftovers {
            writeln!(formatter, "\n{} is no longer needed", file.display())?;
        }
        let unverified = self.files.iter().any(|file| file.state == FileState::Unverified);
        match self.complete {
            true if unverified => writeln!(formatter, "\nnothing of {} is missing", self.dataset),
            true => writeln!(formatter, "\n{} is complete", self.dataset),
            false => writeln!(formatter, "\nfiles put there by hand are verified and used by the next run"),
        }
    }
}
