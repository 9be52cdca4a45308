//! New folders for results: whole or not there, and nothing that exists is written over.

use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use facenet_data::{Error, escape_path};
use tempfile::{Builder, TempDir};

use crate::folders::runs;
use crate::output::file_names::safe;

/// Where a new folder goes. It is made hidden beside that place and gets its name when it is whole.
#[derive(Debug)]
pub struct NewFolder {
    /// As it is shown.
    path: PathBuf,
    /// Without links.
    real: PathBuf,
    name: Name,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    /// This one, which is free or that of an empty folder.
    Given,
    /// The first one that is free of this one, `-2`, `-3` and so on.
    Numbered,
}

/// The highest number behind a name.
const NUMBERS: usize = 10_000;

impl NewFolder {
    /// A folder that was asked for; `pictures` is the folder, without links, whose pictures are looked for.
    pub fn given(path: &Path, pictures: &Path) -> Result<Self> {
        let out = Self::new(path, pictures, Name::Given)?;
        match fs::read_dir(&out.real) {
            Ok(mut entries) => ensure!(
                entries.next().is_none(),
                "{} is not empty, and nothing in it shall be lost: give a new folder by --out",
                escape_path(path)
            ),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(source) => bail!(Error::Write { path: path.to_owned(), source }),
        }
        Ok(out)
    }

    /// The folder that was asked for, else a numbered one in `runs/<command>` that is called as the folder of pictures.
    pub fn of_command(given: Option<&Path>, command: &str, pictures: &Path) -> Result<Self> {
        match given {
            Some(out) => Self::given(out, pictures),
            None => {
                let name = pictures.file_name().map_or_else(|| "pictures".to_owned(), |name| safe(Path::new(name)));
                Self::numbered(&runs().join(command).join(name), pictures)
            }
        }
    }

    /// The first folder that is free of `path`, `path-2` and so on.
    pub fn numbered(path: &Path, pictures: &Path) -> Result<Self> {
        Self::new(path, pictures, Name::Numbered)
    }

    fn new(path: &Path, pictures: &Path, name: Name) -> Result<Self> {
        let real = without_links(path).with_context(|| format!("can't write to {}", escape_path(path)))?;
        ensure!(
            !real.starts_with(pictures),
            "{} lies in {}: what is written there would be among its pictures the next time; give a folder elsewhere by --out",
            escape_path(path),
            escape_path(pictures)
        );
        ensure!(real.file_name().is_some(), "{} can't be a new folder", escape_path(path));
        Ok(Self { path: path.to_owned(), real, name })
    }

    /// The hidden folder, empty. It is gone with the value.
    pub fn begin(&self) -> Result<TempDir> {
        let parent = self.real.parent().unwrap_or(Path::new("/"));
        let mut builder = Builder::new();
        builder.prefix(".").suffix(".part");
        // Open to whom new folders are open to.
        #[cfg(unix)]
        let permissions: fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        #[cfg(unix)]
        builder.permissions(permissions);
        let made = fs::create_dir_all(parent).and_then(|()| builder.tempdir_in(parent));
        Ok(made.map_err(|source| self.failed(source))?)
    }

    /// Gives the folder its name, and returns that.
    pub fn finish(self, made: TempDir) -> Result<PathBuf> {
        let numbers = if self.name == Name::Numbered { NUMBERS } else { 1 };
        for number in 1..=numbers {
            let (path, real) = (with_number(&self.path, number), with_number(&self.real, number));
            if self.name == Name::Numbered && real.symlink_metadata().is_ok() {
                continue;
            }
            // Renaming replaces nothing but an empty folder.
            match fs::rename(made.path(), &real) {
                Ok(()) => {
                    let _ = made.keep();
                    return Ok(path);
                }
                Err(error) if self.name == Name::Numbered && real.symlink_metadata().is_ok() => drop(error),
                Err(source) => bail!(self.failed(source)),
            }
        }
        bail!("{} to {NUMBERS} are there already: give a folder by --out", escape_path(&with_number(&self.path, 2)))
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

/// Where a path leads, as far as it is there.
fn without_links(path: &Path) -> Result<PathBuf> {
    let absolute = std::path::absolute(path)?;
    for start in absolute.ancestors() {
        let rest = absolute.strip_prefix(start)?;
        match fs::canonicalize(start) {
            Ok(real) => {
                ensure!(
                    !rest.components().any(|part| part == Component::ParentDir),
                    "it goes back from a folder that is not there"
                );
                // Without a slash at its end.
                return Ok(real.components().chain(rest.components()).collect());
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                ensure!(start.symlink_metadata().is_err(), "{} is a link that leads nowhere", escape_path(start));
            }
            Err(error) => return Err(error.into()),
        }
    }
    bail!("no part of it is there")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_taken_one_after_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let pictures = folder.path().join("pictures");
        for expected in ["faces", "faces-2", "faces-3"] {
            let out = NewFolder::numbered(&folder.path().join("new/faces"), &pictures).unwrap();
            let made = out.begin().unwrap();
            fs::write(made.path().join("file"), expected).unwrap();
            assert_eq!(out.finish(made).unwrap(), folder.path().join("new").join(expected));
        }
        assert_eq!(fs::read_to_string(folder.path().join("new/faces/file")).unwrap(), "faces");
        assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 3);
    }

    #[test]
    fn what_is_there_stays_whole() {
        let folder = tempfile::tempdir().unwrap();
        let [pictures, out] = ["pictures", "out"].map(|name| folder.path().join(name));
        fs::create_dir(&out).unwrap();
        let given = NewFolder::given(&out, &pictures).unwrap();
        let made = given.begin().unwrap();
        // Somebody else was faster.
        fs::write(out.join("file"), "theirs").unwrap();
        assert!(given.finish(made).unwrap_err().to_string().contains("can't write"));
        assert_eq!(fs::read_to_string(out.join("file")).unwrap(), "theirs");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the hidden folder is gone");
        assert!(NewFolder::given(&out, &pictures).unwrap_err().to_string().contains("is not empty"));
        assert!(NewFolder::given(&out.join("file"), &pictures).is_err(), "a file is no folder");
    }

    #[test]
    fn pictures_are_not_written_among_pictures() {
        let folder = tempfile::tempdir().unwrap();
        let pictures = fs::canonicalize(folder.path()).unwrap().join("pictures");
        fs::create_dir_all(pictures.join("below")).unwrap();
        for inside in ["pictures", "pictures/new/out", "pictures/below/../out", "pictures/../pictures/out"] {
            let error = NewFolder::given(&folder.path().join(inside), &pictures).unwrap_err().to_string();
            assert!(error.contains("lies in"), "{inside}: {error}");
        }
        assert!(NewFolder::given(&folder.path().join("new/../pictures/out"), &pictures).is_err());
        assert!(NewFolder::given(&folder.path().join("pictures-2"), &pictures).is_ok());
    }
}
