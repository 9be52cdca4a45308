//! What became of photos and of the entries of a folder.

use std::path::Path;

use facenet_recognition::{EmbeddedPhotos, ReadPhoto};
use indicatif::HumanCount;
use serde::Serialize;

use crate::arguments::found_photos::FoundPhotos;
use crate::output::note::Note;

/// Why a photo has no face.
#[must_use]
pub fn missing_face(photo: &ReadPhoto) -> String {
    photo.warning.map_or_else(|| "no face with that number".to_owned(), |warning| warning.to_string())
}

/// What became of photos and of the other entries of their folders.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Notes {
    /// Faces and photos to check.
    #[serde(rename = "doubts")]
    pub warnings: Vec<Note>,
    /// What can't be read.
    pub unread: Vec<Note>,
    /// What was passed over.
    pub passed_over: Vec<Note>,
    /// Number of files that are not images.
    pub other_files: usize,
}

impl Notes {
    /// The notes about photos, named by their paths relative to a folder.
    #[must_use]
    pub fn new(found: FoundPhotos, embedded: &EmbeddedPhotos, folder: &Path) -> Self {
        let FoundPhotos { unread, passed_over, other_files, .. } = found;
        let mut notes = Self { warnings: Vec::new(), unread, passed_over, other_files };
        for photo in &embedded.photos {
            let warning = photo.faces.is_empty().then(|| missing_face(photo));
            notes.warnings.extend(warning.map(|warning| Note::new(&photo.path, folder, warning)));
            for face in &embedded.faces[photo.faces.clone()] {
                let warning = face.warning.map(|warning| match photo.faces.len() {
                    1 => Note::new(&photo.path, folder, warning),
                    _ => Note::new(&photo.path, folder, format!("face {}: {warning}", face.number)),
                });
                notes.warnings.extend(warning);
            }
        }
        notes.unread.extend(embedded.unread.iter().map(|unread| Note::of_error(&unread.path, folder, &unread.error)));
        notes
    }

    /// The notes of both.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.warnings.extend(other.warnings);
        self.unread.extend(other.unread);
        self.passed_over.extend(other.passed_over);
        self.other_files += other.other_files;
        self
    }

    /// The first notes of each kind as lines below a heading.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let named = |notes: &[Note]| -> Vec<String> {
            notes.iter().map(|Note { photo, reason }| format!("{photo}: {reason}")).collect()
        };
        // Errors name the file.
        let unread = self.unread.iter().map(|Note { reason, .. }| reason.clone()).collect();
        for (lines, heading) in [
            (named(&self.warnings), count(self.warnings.len(), "doubt", "doubts")),
            (unread, format!("{} unreadable", HumanCount(self.unread.len() as u64))),
            (named(&self.passed_over), format!("{} passed over", HumanCount(self.passed_over.len() as u64))),
        ] {
            if lines.is_empty() {
                continue;
            }
            text += &format!("\n{heading}:\n");
            for line in lines.iter().take(MAX_LISTED) {
                text += &format!("  {line}\n");
            }
            if lines.len() > MAX_LISTED {
                text += &format!("  and {} more; --json lists all\n", lines.len() - MAX_LISTED);
            }
        }
        if self.other_files > 0 {
            text += &format!("\n{}\n", count(self.other_files, "file is not an image", "files are not images"));
        }
        text
    }
}

/// Limit on the notes of each kind that are printed.
const MAX_LISTED: usize = 10;

/// `1 photo`, `2 photos`.
#[must_use]
pub fn count(number: usize, one: &str, many: &str) -> String {
    format!("{} {}", HumanCount(number as u64), if number == 1 { one } else { many })
}

/// `97.3 % confident`; never 100 %.
#[must_use]
pub fn confidence(probability: f64) -> String {
    match 100.0 * probability {
        percent if percent > 99.9 => "more than 99.9 % confident".to_owned(),
        percent => format!("{percent:.1} % confident"),
    }
}
