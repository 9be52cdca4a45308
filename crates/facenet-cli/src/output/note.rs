//! A warning or an error about a single photo.

use std::fmt::Display;
use std::path::Path;

use facenet_data::escape_path;
use serde::Serialize;

use crate::failure::Causes;

/// A warning or an error about a photo or a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// The name of the photo.
    pub photo: String,
    /// The message.
    pub reason: String,
}

impl Note {
    /// A note about a file that can't be read, with advice if its format is not supported.
    pub fn of_error(path: &Path, folder: &Path, error: &facenet_recognition::Error) -> Self {
        let help = match error {
            facenet_recognition::Error::Data(facenet_data::Error::UnsupportedFormat { .. }) => {
                Causes::default().with_recognition(error).help()
            }
            _ => None,
        };
        let reason = help.map_or_else(|| error.to_string(), |help| format!("{error}; {help}"));
        Self::new(path, folder, reason)
    }

    /// A note about a file, named by its path relative to a folder.
    pub fn new(path: &Path, folder: &Path, reason: impl Display) -> Self {
        let photo = escape_path(path.strip_prefix(folder).unwrap_or(path));
        Self { photo, reason: reason.to_string() }
    }
}
