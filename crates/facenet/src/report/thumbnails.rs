//! Faces as pictures within the page.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use facenet_data::{Crop, encode_jpeg};
use maud::{Markup, html};
use ndarray::Axis;

use crate::LabelledFaces;

/// The most characters that all pictures of a page take.
const BUDGET: usize = 3 << 20;
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

    /// Whether about so many more pictures can be shown.
    pub(super) fn room_for(&self, pictures: usize) -> bool {
        // Of 72 x 72 pixels at this quality; a face takes some 2,000.
        pictures.saturating_mul(3000) <= self.room
    }

    /// A picture with its name for those who can't see it.
    pub(super) fn picture(&mut self, index: usize) -> Markup {
        let face = self.faces.faces.index_axis(Axis(0), index);
        let (height, width, _) = face.dim();
        let shrink = (SIDE as f64 / height.max(width) as f64).min(1.0);
        let [rows, columns] = [height, width].map(|side| ((side as f64 * shrink).round() as usize).max(1));
        let shown = match shrink < 1.0 {
            true => Crop::Whole.apply(face.as_standard_layout().view(), [rows, columns]),
            false => face.to_owned(),
        };
        let source = format!("data:image/jpeg;base64,{}", STANDARD.encode(encode_jpeg(shown.view(), QUALITY)));
        self.room = self.room.saturating_sub(source.len());
        html! { img src=(source) width=(columns) height=(rows) alt=(self.faces.pictures[index]); }
    }
}
