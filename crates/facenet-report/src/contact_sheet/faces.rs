//! The faces of a contact sheet as thumbnails.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use facenet_data::{BoundedDecoder, DEFAULT_MEMORY_LIMIT, Error, read_bounded_file};
use maud::{Markup, PreEscaped, html};
use rayon::prelude::*;

use crate::contact_sheet::sheet::{ContactSheet, SheetFace};
use crate::page::text::{MAX_NAME, shortened};
use crate::page::thumbnail::{Thumbnail, ThumbnailBudget};

/// Thumbnails of faces within a budget.
pub(super) struct Faces<'a> {
    faces: &'a [SheetFace],
    thumbnails: BTreeMap<usize, Thumbnail>,
    budget: ThumbnailBudget,
}

impl<'a> Faces<'a> {
    /// Extracts the chosen faces, leaving out those of unreadable photos.
    pub(super) fn extract(sheet: &ContactSheet<'a>, chosen: BTreeSet<usize>) -> Self {
        let decoder = BoundedDecoder::new(DEFAULT_MEMORY_LIMIT);
        // Each photo is decoded once.
        let mut photos: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for index in chosen {
            photos.entry(sheet.faces[index].face.photo).or_default().push(index);
        }
        let thumbnails = photos
            .into_values()
            .collect::<Vec<_>>()
            .into_par_iter()
            .flat_map_iter(|indices| thumbnails(&decoder, sheet, &indices).unwrap_or_default())
            .collect();
        Self { faces: sheet.faces, thumbnails, budget: ThumbnailBudget::new() }
    }

    /// A face that links to its photo, marked if there is a warning. `None` if the face was not
    /// extracted or the budget is used up.
    pub(super) fn face(&mut self, index: usize) -> Option<Markup> {
        let thumbnail = self.thumbnails.get(&index).filter(|_| !self.budget.is_used_up())?;
        let SheetFace { photo, face, .. } = &self.faces[index];
        let name = shortened(&photo.name, MAX_NAME);
        let link = percent_encoded(&photo.link);
        let thumbnail = thumbnail.markup(&name);
        let face = html! {
            @if let Some(warning) = face.warning {
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

/// The thumbnails of faces of one photo, cut out of it with some of their surroundings.
fn thumbnails(
    decoder: &BoundedDecoder,
    sheet: &ContactSheet<'_>,
    indices: &[usize],
) -> Result<Vec<(usize, Thumbnail)>, Error> {
    let path = &sheet.faces[indices[0]].path;
    let bytes = read_bounded_file(path)?;
    decoder.decode_photo(&bytes, path, |photo| {
        let thumbnail = |&index: &usize| (index, Thumbnail::of_face(photo, &sheet.faces[index].face));
        indices.iter().map(thumbnail).collect()
    })
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
