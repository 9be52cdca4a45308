//! What is said about single images.

use std::path::Path;

use facenet_data::escape_path;
use facenet_recognition::EmbeddedPortraits;
use indicatif::HumanCount;
use serde::Serialize;

/// A remark about an image.
#[derive(Clone, Debug, Serialize)]
pub struct Note {
    /// The image.
    pub picture: String,
    /// The remark.
    pub reason: String,
}

/// Warnings about images, and the images that could not be read, by their paths within a folder.
#[must_use]
pub fn notes(embedded: &EmbeddedPortraits, folder: &Path) -> (Vec<Note>, Vec<Note>) {
    let name = |image: &Path| escape_path(image.strip_prefix(folder).unwrap_or(image));
    let images = embedded.images.iter().zip(&embedded.portraits);
    let warnings = images.filter_map(|(image, portrait)| {
        let reason = portrait.warning()?.to_string();
        Some(Note { picture: name(image), reason })
    });
    let unread =
        embedded.unread.iter().map(|unread| Note { picture: name(&unread.path), reason: unread.error.to_string() });
    (warnings.collect(), unread.collect())
}

/// The most notes of a kind that are printed.
const LISTED: usize = 10;

/// The first few of both, line by line below a heading.
#[must_use]
pub fn notes_text(warnings: &[Note], unread: &[Note]) -> String {
    let warnings: Vec<_> = warnings.iter().map(|Note { picture, reason }| format!("{picture}: {reason}")).collect();
    // Their errors name the image.
    let unread: Vec<_> = unread.iter().map(|Note { reason, .. }| reason.clone()).collect();
    let mut text = String::new();
    for (lines, heading) in [(warnings, "to check"), (unread, "not read")] {
        if lines.is_empty() {
            continue;
        }
        text += &format!("\n{} {heading}:\n", count(lines.len(), "image", "images"));
        for line in lines.iter().take(LISTED) {
            text += &format!("  {line}\n");
        }
        if lines.len() > LISTED {
            text += &format!("  and {} more; --json lists all\n", lines.len() - LISTED);
        }
    }
    text
}

/// `1 image`, `2 images`.
#[must_use]
pub fn count(number: usize, one: &str, many: &str) -> String {
    format!("{} {}", HumanCount(number as u64), if number == 1 { one } else { many })
}

/// A confidence in words; never as if there were no doubt at all.
#[must_use]
pub fn confidence(probability: f64) -> String {
    match 100.0 * probability {
        percent if percent > 99.9 => "more than 99.9 % confident".to_owned(),
        percent => format!("{percent:.1} % confident"),
    }
}
