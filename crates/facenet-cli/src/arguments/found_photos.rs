//! Photos as arguments.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use facenet_data::{FolderContents, GalleryFolder, escape_path, photos_below};

use crate::output::note::Note;

/// The photos that were asked for, and the other entries of their folders.
#[derive(Debug, Default)]
pub struct FoundPhotos {
    /// The photos.
    pub photos: Vec<PathBuf>,
    /// What can't be read, and why.
    pub unread: Vec<Note>,
    /// What is passed over, and why.
    pub passed_over: Vec<Note>,
    /// Number of files that are not images.
    pub other_files: usize,
}

impl FoundPhotos {
    /// The given photos, and those below the given folders.
    ///
    /// # Errors
    ///
    /// If a given folder can't be read or has no photos.
    pub fn find(given: &[PathBuf]) -> Result<Self> {
        let mut found = Self::default();
        for path in given {
            if path.is_dir() {
                let below = Self::below(path, Path::new(""))?;
                found.photos.extend(below.photos);
                found.unread.extend(below.unread);
                found.passed_over.extend(below.passed_over);
                found.other_files += below.other_files;
            } else {
                found.photos.push(path.clone());
            }
        }
        Ok(found)
    }

    /// The photos below a folder. Notes name its other entries by their paths relative to `root`.
    ///
    /// # Errors
    ///
    /// If the folder can't be read or has no photos.
    pub fn below(folder: &Path, root: &Path) -> Result<Self> {
        let FolderContents { photos, passed_over, unreadable, other_files } = photos_below(folder)?;
        let unread: Vec<Note> = unreadable.iter().map(|entry| Note::new(&entry.path, root, &entry.error)).collect();
        let passed_over: Vec<Note> =
            passed_over.iter().map(|entry| Note::new(&entry.path, root, entry.reason)).collect();
        if photos.is_empty() && unread.is_empty() {
            let reasons = passed_over.iter().map(|Note { photo, reason }| format!("\n  {photo}: {reason}"));
            bail!("there are no photos below {}{}", escape_path(folder), reasons.take(10).collect::<String>());
        }
        Ok(Self { photos, unread, passed_over, other_files })
    }

    /// The entries of a gallery beside its photos.
    #[must_use]
    pub fn of_gallery(gallery: &GalleryFolder) -> Self {
        let root = Path::new("");
        let unread = gallery.unreadable.iter().map(|entry| Note::new(&entry.path, root, &entry.error));
        let passed_over = gallery.passed_over.iter().map(|entry| Note::new(&entry.path, root, entry.reason));
        Self {
            photos: Vec::new(),
            unread: unread.collect(),
            passed_over: passed_over.collect(),
            other_files: gallery.other_files,
        }
    }
}
