//! New folders for results: complete or absent, and nothing is ever overwritten.

use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use facenet_data::{Error, escape_path};
use tempfile::{Builder, TempDir};

use crate::folders::runs;
use crate::output::file_names::safe;

/// The place of a new folder. The folder is filled under a hidden name next to it and renamed when
/// complete.
#[derive(Debug)]
pub struct NewFolder {
    /// The path to show.
    path: PathBuf,
    /// The path without symbolic links.
    real: PathBuf,
    naming: Naming,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Naming {
    /// The given name; an empty folder of that name is replaced.
    Given,
    /// The first name that is free: the given one, with `-2`, `-3` and so on.
    Numbered,
}

/// The highest number of a name.
const MAX_NUMBER: usize = 10_000;

impl NewFolder {
    /// The folder given with `--out`, else a numbered one in `runs/<command>` named after the
    /// folder `images`, a path without symbolic links.
    pub fn of_command(given: Option<&Path>, command: &str, images: &Path) -> Result<Self> {
        match given {
            Some(out) => Self::given(out, images),
            None => {
                let name = images.file_name().map_or_else(|| "photos".to_owned(), |name| safe(Path::new(name)));
                Self::numbered(&runs().join(command).join(name), images)
            }
        }
    }

    /// A given folder, outside the folders among some paths.
    pub fn apart(path: &Path, read: &[PathBuf]) -> Result<Self> {
        let folders = read.iter().filter(|path| path.is_dir()).filter_map(|path| fs::canonicalize(path).ok());
        Self::empty(Self::new(path, &folders.collect::<Vec<_>>(), Naming::Given)?)
    }

    fn given(path: &Path, images: &Path) -> Result<Self> {
        Self::empty(Self::new(path, &[images.to_owned()], Naming::Given)?)
    }

    /// Checks that the folder has no entries.
    fn empty(out: Self) -> Result<Self> {
        let path = &out.path;
        match fs::read_dir(&out.real) {
            Ok(mut entries) => {
                ensure!(entries.next().is_none(), "{} is not empty; pass another folder with --out", escape_path(path))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(source) => bail!(Error::Write { path: path.clone(), source }),
        }
        Ok(out)
    }

    fn numbered(path: &Path, images: &Path) -> Result<Self> {
        Self::new(path, &[images.to_owned()], Naming::Numbered)
    }

    fn new(path: &Path, read: &[PathBuf], naming: Naming) -> Result<Self> {
        let real = without_links(path).with_context(|| format!("can't write to {}", escape_path(path)))?;
        for images in read {
            ensure!(
                !real.starts_with(images),
                "{} is inside {}, where the next run would read the outputs as photos; pass a folder elsewhere with --out",
                escape_path(path),
                escape_path(images)
            );
        }
        ensure!(real.file_name().is_some(), "{} can't be a new folder", escape_path(path));
        Ok(Self { path: path.to_owned(), real, naming })
    }

    /// Creates the hidden folder, empty. It is removed when the value is dropped.
    pub fn begin(&self) -> Result<TempDir> {
        let parent = self.real.parent().unwrap_or(Path::new("/"));
        let mut builder = Builder::new();
        builder.prefix(".").suffix(".part");
        // The permissions of an ordinary new folder, subject to the umask.
        #[cfg(unix)]
        let permissions: fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        #[cfg(unix)]
        builder.permissions(permissions);
        let hidden = fs::create_dir_all(parent).and_then(|()| builder.tempdir_in(parent));
        Ok(hidden.map_err(|source| self.failed(source))?)
    }

    /// Renames the hidden folder and returns its path.
    pub fn finish(self, hidden: TempDir) -> Result<PathBuf> {
        let last = if self.naming == Naming::Numbered { MAX_NUMBER } else { 1 };
        for number in 1..=last {
            let (path, real) = (with_number(&self.path, number), with_number(&self.real, number));
            if self.naming == Naming::Numbered && real.symlink_metadata().is_ok() {
                continue;
            }
            // A rename can replace an empty folder, but nothing else.
            match fs::rename(hidden.path(), &real) {
                Ok(()) => {
                    let _ = hidden.keep();
                    return Ok(path);
                }
                Err(error) if self.naming == Naming::Numbered && real.symlink_metadata().is_ok() => drop(error),
                Err(source) => bail!(self.failed(source)),
            }
        }
        bail!("{} to {MAX_NUMBER} exist already; pass a folder with --out", escape_path(&with_number(&self.path, 2)))
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::Write { path: self.path.clone(), source }
    }
}

/// `faces-2` for `faces`.
fn with_number(path: &Path, number: usize) -> PathBuf {
    match path.file_name() {
        Some(name) if number > 1 => {
            let mut name: OsString = name.to_owned();
            name.push(format!("-{number}"));
            path.with_file_name(name)
        }
        _ => path.to_owned(),
    }
}

/// An absolute path without symbolic links, whose last components need not exist.
fn without_links(path: &Path) -> Result<PathBuf> {
    let absolute = std::path::absolute(path)?;
    for start in absolute.ancestors() {
        let rest = absolute.strip_prefix(start)?;
        match fs::canonicalize(start) {
            Ok(real) => {
                ensure!(
                    !rest.components().any(|part| part == Component::ParentDir),
                    "it contains `..` after a folder that does not exist"
                );
                // Removes a trailing slash.
                return Ok(real.components().chain(rest.components()).collect());
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                ensure!(start.symlink_metadata().is_err(), "{} is a dangling symbolic link", escape_path(start));
            }
            Err(error) => return Err(error.into()),
        }
    }
    bail!("no part of it exists")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_numbered_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let images = folder.path().join("images");
        for expected in ["faces", "faces-2", "faces-3"] {
            let out = NewFolder::numbered(&folder.path().join("new/faces"), &images).unwrap();
            let hidden = out.begin().unwrap();
            fs::write(hidden.path().join("file"), expected).unwrap();
            assert_eq!(out.finish(hidden).unwrap(), folder.path().join("new").join(expected));
        }
        assert_eq!(fs::read_to_string(folder.path().join("new/faces/file")).unwrap(), "faces");
        assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 3);
    }

    #[test]
    fn existing_files_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let [images, out] = ["images", "out"].map(|name| folder.path().join(name));
        fs::create_dir(&out).unwrap();
        let given = NewFolder::given(&out, &images).unwrap();
        let hidden = given.begin().unwrap();
        // A file appears in the meantime.
        fs::write(out.join("file"), "theirs").unwrap();
        assert!(given.finish(hidden).unwrap_err().to_string().contains("can't write"));
        assert_eq!(fs::read_to_string(out.join("file")).unwrap(), "theirs");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the hidden folder is gone");
        assert!(NewFolder::given(&out, &images).unwrap_err().to_string().contains("is not empty"));
        assert!(NewFolder::given(&out.join("file"), &images).is_err(), "a file is not a folder");
    }

    #[test]
    fn outputs_inside_the_folder_of_images_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let images = fs::canonicalize(folder.path()).unwrap().join("images");
        fs::create_dir_all(images.join("below")).unwrap();
        for inside in ["images", "images/new/out", "images/below/../out", "images/../images/out"] {
            let error = NewFolder::given(&folder.path().join(inside), &images).unwrap_err().to_string();
            assert!(error.contains("is inside"), "{inside}: {error}");
        }
        assert!(NewFolder::given(&folder.path().join("new/../images/out"), &images).is_err());
        assert!(NewFolder::given(&folder.path().join("images-2"), &images).is_ok());
    }
}
