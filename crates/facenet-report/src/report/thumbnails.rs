//! Faces as pictures within the page.

use maud::Markup;
use ndarray::Axis;

use crate::page::text::{NAME, shortened};
use crate::page::thumbnail::{Room, Thumbnail};
use facenet_training::LabelledFaces;

/// More characters than a name and its place in the page take.
const AROUND: usize = 1200;

/// Makes pictures of faces as long as there is room for them.
pub(super) struct Thumbnails<'a> {
    faces: &'a LabelledFaces,
    room: Room,
}

impl<'a> Thumbnails<'a> {
    pub(super) fn new(faces: &'a LabelledFaces) -> Self {
        Self { faces, room: Room::new() }
    }

    /// A picture with its name for those who can't see it; none if there is no room for it.
    pub(super) fn picture(&mut self, index: usize) -> Option<Markup> {
        if self.room.is_full() {
            return None;
        }
        let thumbnail = Thumbnail::new(self.faces.faces.index_axis(Axis(0), index));
        let fits = self.room.take(thumbnail.len() + AROUND);
        fits.then(|| thumbnail.markup(&shortened(&self.faces.pictures[index], NAME)))
    }
}
