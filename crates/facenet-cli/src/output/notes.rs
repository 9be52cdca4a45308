//! Warnings and errors about single images.

use std::path::Path;

use facenet_data::escape_path;
use facenet_recognition::EmbeddedPortraits;
use indicatif::HumanCount;
use serde::Serialize;

/// A warning or an error about an image.
#[derive(Clone, Debug, Serialize)]
pub struct Note {
    /// The name of the image.
    #[serde(rename = "picture")]
    pub image: String,
    /// The message.
    pub reason: String,
}

/// The warnings about images and the unreadable images, named by their paths relative to a folder.
#[must_use]
pub fn notes(embedded: &EmbeddedPortraits, folder: &Path) -> (Vec<Note>, Vec<Note>) {
    let name = |image: &Path| escape_path(image.strip_prefix(folder).unwrap_or(image));
    let images = embedded.images.iter().zip(&embedded.portraits);
    let warnings = images.filter_map(|(image, portrait)| {
        let reason = portrait.warning()?.to_string();
        Some(Note { image: name(image), reason })
    });
    let unread =
        embedded.unread.iter().map(|unread| Note { image: name(&unread.path), reason: unread.error.to_string() });
    (warnings.collect(), unread.collect())
}

/// Limit on the notes of each kind that are printed.
const MAX_LISTED: usize = 10;

/// The first notes of each kind as lines below a heading.
#[must_use]
pub fn notes_text(warnings: &[Note], unread: &[Note]) -> String {
    let warnings: Vec<_> = warnings.iter().map(|Note { image, reason }| format!("{image}: {reason}")).collect();
    // The errors name the image.
    let unread: Vec<_> = unread.iter().map(|Note { reason, .. }| reason.clone()).collect();
    let mut text = String::new();
    for (lines, heading) in [(warnings, "to check"), (unread, "unreadable")] {
        if lines.is_empty() {
            continue;
        }
        text += &format!("\n{} {heading}:\n", count(lines.len(), "image", "images"));
        for line in lines.iter().take(MAX_LISTED) {
            text += &format!("  {line}\n");
        }
        if lines.len() > MAX_LISTED {
            text += &format!("  and {} more; --json lists all\n", lines.len() - MAX_LISTED);
        }
    }
    text
}

/// `1 image`, `2 images`.
#[must_use]
pub fn count(number: usize, one: &str, many: &str) -> String {
    format!("{} {}", HumanCount(number as u64), if number == 1 { one } else { many })
}

/// A confidence in percent; never 100 %.
#[must_use]
pub fn confidence(probability: f64) -> String {
    match 100.0 * probability {
        percent if percent > 99.9 => "more than 99.9 % confident".to_owned(),
        percent => format!("{percent:.1} % confident"),
    }
}
