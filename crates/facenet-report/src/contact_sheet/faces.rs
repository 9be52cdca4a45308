//! The faces of a contact sheet as thumbnails.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use facenet_data::{BoundedDecoder, DEFAULT_MEMORY_LIMIT, read_bounded_file};
use facenet_recognition::{Error, PortraitReader};
use maud::{Markup, PreEscaped, html};
use rayon::prelude::*;

use crate::contact_sheet::sheet::{ContactSheet, SheetImage};
use crate::page::text::{MAX_NAME, shortened};
use crate::page::thumbnail::{Thumbnail, ThumbnailBudget};

/// Thumbnails of faces within a budget.
pub(super) struct Faces<'a> {
    images: &'a [SheetImage],
    thumbnails: BTreeMap<usize, Thumbnail>,
    budget: ThumbnailBudget,
}

impl<'a> Faces<'a> {
    /// Extracts the faces of the chosen images, leaving out unreadable ones.
    pub(super) fn extract(sheet: &ContactSheet<'a>, chosen: BTreeSet<usize>) -> Self {
        let decoder = BoundedDecoder::new(DEFAULT_MEMORY_LIMIT);
        let thumbnails = chosen
            .into_par_iter()
            .filter_map(|index| Some((index, thumbnail(&decoder, sheet.reader, &sheet.images[index]).ok()?)))
            .collect();
        Self { images: sheet.images, thumbnails, budget: ThumbnailBudget::new() }
    }

    /// A face that links to its image, marked if there is a warning. `None` if the face was not
    /// extracted or the budget is used up.
    pub(super) fn face(&mut self, index: usize) -> Option<Markup> {
        let thumbnail = self.thumbnails.get(&index).filter(|_| !self.budget.is_used_up())?;
        let image = &self.images[index];
        let name = shortened(&image.name, MAX_NAME);
        let link = percent_encoded(&image.link);
        let thumbnail = thumbnail.markup(&name);
        let face = html! {
            @if let Some(warning) = image.portrait.warning() {
                a.face.doubtful href=(link) title=(format!("{name}: {warning}")) {
                    (thumbnail) span.cross role="img" aria-label=(warning) { "?" }
                }
            } @else {
                a.face href=(link) title=(name) { (thumbnail) }
            }
        };
        let face = face.into_string();
        self.budget.take(face.len()).then_some(PreEscaped(face))
    }
}

fn thumbnail(decoder: &BoundedDecoder, reader: &PortraitReader, image: &SheetImage) -> Result<Thumbnail, Error> {
    let SheetImage { path, portrait, .. } = image;
    let bytes = read_bounded_file(path)?;
    let face = decoder.decode(&bytes, path, |pixels| reader.cut(pixels, portrait, path))??;
    Ok(Thumbnail::new(face.view()))
}

/// A path as a relative URL (RFC 3986): percent-encodes all bytes but ASCII letters, digits and
/// `-._~/`.
pub(super) fn percent_encoded(path: &str) -> String {
    let mut url = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => url.push(char::from(byte)),
            _ => {
                let _ = write!(url, "%{byte:02X}");
            }
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::percent_encoded;

    #[test]
    fn paths_are_percent_encoded() {
        assert_eq!(percent_encoded("people/001/a - 1.jpg"), "people/001/a%20-%201.jpg");
        assert_eq!(percent_encoded("50% é?#&\"<.png"), "50%25%20%C3%A9%3F%23%26%22%3C.png");
    }
}
