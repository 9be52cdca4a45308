//! Faces as pictures within the page.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use facenet_data::{Crop, encode_jpeg};
use maud::{Markup, html};
use ndarray::Axis;

use super::{NAME, shortened};
use crate::LabelledFaces;

/// The most characters that all pictures of a page take, with what stands around each.
const BUDGET: usize = 2_750_000;
/// More than a name and its place in the page take of them.
const AROUND: usize = 1200;
/// The longer side of a picture, at most.
const SIDE: usize = 72;
const QUALITY: u8 = 78;

/// Makes pictures of faces as long as there is room for them.
pub(super) struct Thumbnails<'a> {
    faces: &'a LabelledFaces,
    room: usize,
}

impl<'a> Thumbnails<'a> {
    pub(super) fn new(faces: &'a LabelledFaces) -> Self {
        Self { faces, room: BUDGET }
    }

    /// A picture with its name for those who can't see it; none if there is no room for it.
    pub(super) fn picture(&mut self, index: usize) -> Option<Markup> {
        if self.room == 0 {
            return None;
        }
        let face = self.faces.faces.index_axis(Axis(0), index);
        let (height, width, _) = face.dim();
        let shrink = (SIDE as f64 / height.max(width) as f64).min(1.0);
        let [rows, columns] = [height, width].map(|side| ((side as f64 * shrink).round() as usize).max(1));
        let shown = match shrink < 1.0 {
            true => Crop::Whole.apply(face.as_standard_layout().view(), [rows, columns]),
            false => face.to_owned(),
        };
        let source = format!("data:image/jpeg;base64,{}", STANDARD.encode(encode_jpeg(shown.view(), QUALITY)));
        let Some(room) = self.room.checked_sub(source.len() + AROUND) else {
            self.room = 0;
            return None;
        };
        self.room = room;
        let name = shortened(&self.faces.pictures[index], NAME);
        Some(html! { img src=(source) width=(columns) height=(rows) alt=(name); })
    }
}
