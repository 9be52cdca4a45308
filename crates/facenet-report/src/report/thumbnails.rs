//! The faces of a report as thumbnails.

use maud::Markup;
use ndarray::Axis;

use crate::page::text::{MAX_NAME, shortened};
use crate::page::thumbnail::{Thumbnail, ThumbnailBudget};
use facenet_training::LabeledFaces;

/// Upper bound on the characters of the name and the markup around a thumbnail.
const MARKUP: usize = 1200;

/// Creates thumbnails of faces within a budget.
pub(super) struct Thumbnails<'a> {
    faces: &'a LabeledFaces,
    budget: ThumbnailBudget,
}

impl<'a> Thumbnails<'a> {
    pub(super) fn new(faces: &'a LabeledFaces) -> Self {
        Self { faces, budget: ThumbnailBudget::new() }
    }

    /// The thumbnail of an image with its name as alternative text. `None` if the budget is used
    /// up.
    pub(super) fn image(&mut self, index: usize) -> Option<Markup> {
        if self.budget.is_used_up() {
            return None;
        }
        let thumbnail = Thumbnail::new(self.faces.faces.index_axis(Axis(0), index));
        let fits = self.budget.take(thumbnail.len() + MARKUP);
        fits.then(|| thumbnail.markup(&shortened(&self.faces.images[index], MAX_NAME)))
    }
}
