use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use facenet_data::{BoundedDecoder, DEFAULT_MEMORY_LIMIT, read_bounded_file};
use maud::{Markup, PreEscaped, html};
use rayon::prelude::*;

use facenet_recognition::{Error, PortraitReader};

use crate::contact_sheet::sheet::{ContactSheet, SheetPicture};
use crate::page::text::{NAME, shortened};
use crate::page::thumbnail::{Room, Thumbnail};

/// The faces of a page, as long as there is room for them.
pub(super) struct Faces<'a> {
    pictures: &'a [SheetPicture],
    thumbnails: BTreeMap<usize, Thumbnail>,
    room: Room,
}

impl<'a> Faces<'a> {
    /// Cuts the faces of the chosen pictures out.
    pub(super) fn cut(sheet: &ContactSheet<'a>, chosen: BTreeSet<usize>) -> Self {
        let files = BoundedDecoder::new(DEFAULT_MEMORY_LIMIT);
        let thumbnails = chosen
            .into_par_iter()
            .filter_map(|index| Some((index, thumbnail(&files, sheet.reader, &sheet.pictures[index]).ok()?)))
            .collect();
        Self { pictures: sheet.pictures, thumbnails, room: Room::new() }
    }

    /// A face that leads to its picture, marked if it should be looked at; none if there is no room for it.
    pub(super) fn face(&mut self, index: usize) -> Option<Markup> {
        let thumbnail = self.thumbnails.get(&index).filter(|_| !self.room.is_full())?;
        let picture = &self.pictures[index];
        let name = shortened(&picture.name, NAME);
        let link = percent_encoded(&picture.link);
        let image = thumbnail.markup(&name);
        let face = html! {
            @if let Some(doubt) = picture.portrait.warning() {
                a.face.doubtful href=(link) title=(format!("{name}: {doubt}")) {
                    (image) span.cross role="img" aria-label=(doubt) { "?" }
                }
            } @else {
                a.face href=(link) title=(name) { (image) }
            }
        };
        let face = face.into_string();
        self.room.take(face.len()).then_some(PreEscaped(face))
    }
}

fn thumbnail(files: &BoundedDecoder, reader: &PortraitReader, picture: &SheetPicture) -> Result<Thumbnail, Error> {
    let SheetPicture { path, portrait, .. } = picture;
    let bytes = read_bounded_file(path)?;
    let face = files.decode(&bytes, path, |pixels| reader.cut(pixels, portrait, path))??;
    Ok(Thumbnail::new(face.view()))
}

/// A path as a URL that begins beside the page (RFC 3986): all bytes but letters, digits and `-._~/` as `%20`.
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
    fn names_are_parts_of_urls() {
        assert_eq!(percent_encoded("people/001/a - 1.jpg"), "people/001/a%20-%201.jpg");
        assert_eq!(percent_encoded("50% é?#&\"<.png"), "50%25%20%C3%A9%3F%23%26%22%3C.png");
    }
}
