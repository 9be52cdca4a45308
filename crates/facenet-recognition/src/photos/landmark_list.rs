//! Known landmarks of photos.

use std::fs;
use std::path::{Path, PathBuf};

use facenet_data::{LandmarkList, Landmarks};

use crate::error::Error;

/// A landmark list and the folders that its paths may be relative to.
#[derive(Clone, Debug)]
pub struct PhotoLandmarks {
    list: LandmarkList,
    folders: Vec<PathBuf>,
}

impl PhotoLandmarks {
    /// Reads a landmark list. Paths may be relative to any of `folders` or to the folder of the
    /// list; the first that matches counts. Of a file its folder counts; what does not exist is ignored.
    ///
    /// # Errors
    ///
    /// If the list can't be read.
    pub fn read(path: &Path, folders: &[&Path]) -> Result<Self, Error> {
        let list = LandmarkList::read(path)?;
        let own = path.parent().unwrap_or(Path::new(""));
        let folders = folders.iter().copied().chain([own]).filter_map(|path| {
            let folder = if path.is_file() { path.parent()? } else { path };
            fs::canonicalize(if folder.as_os_str().is_empty() { Path::new(".") } else { folder }).ok()
        });
        Ok(Self { list, folders: folders.collect() })
    }

    /// The file of the list.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.list.path
    }

    /// The landmarks of a photo, if it is on the list.
    #[must_use]
    pub fn get(&self, photo: &Path) -> Option<Landmarks> {
        // Resolves links among the parent folders, but not the photo itself.
        let parent = photo.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let path = fs::canonicalize(parent).ok()?.join(photo.file_name()?);
        self.folders.iter().find_map(|folder| self.list.get(path.strip_prefix(folder).ok()?))
    }
}
