//! Faces as JPEG data URLs, within a budget.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use facenet_data::{Crop, Photo, encode_jpeg};
use facenet_recognition::{BoundingBox, Face};
use maud::{Markup, html};
use ndarray::ArrayView3;

/// The longer side of a thumbnail in pixels, at most.
const SIDE: usize = 72;
const QUALITY: u8 = 78;
/// Limit on the characters of all thumbnails of a page with their markup.
const BUDGET: usize = 2_750_000;

/// A face as an image embedded in a page.
#[derive(Debug)]
pub(crate) struct Thumbnail {
    source: String,
    rows: usize,
    columns: usize,
}

impl Thumbnail {
    /// Encodes a face `[height, width, 3]`.
    pub(crate) fn new(face: ArrayView3<'_, u8>) -> Self {
        let (height, width, _) = face.dim();
        let shrink = (SIDE as f64 / height.max(width) as f64).min(1.0);
        let [rows, columns] = [height, width].map(|side| ((side as f64 * shrink).round() as usize).max(1));
        let scaled = match shrink < 1.0 {
            true => Crop::Whole.apply(face.as_standard_layout().view(), [rows, columns]),
            false => face.to_owned(),
        };
        let source = format!("data:image/jpeg;base64,{}", STANDARD.encode(encode_jpeg(scaled.view(), QUALITY)));
        Self { source, rows, columns }
    }

    /// Cuts a face with some of its surroundings out of a photo.
    pub(crate) fn of_face(photo: &Photo, face: &Face) -> Self {
        let (rows, columns, _) = photo.pixels.dim();
        let BoundingBox { left, top, right, bottom } = face.bounding_box;
        let [y, x] = [rows as f64 / photo.size[0] as f64, columns as f64 / photo.size[1] as f64];
        let bounding_box = BoundingBox { left: x * left, top: y * top, right: x * right, bottom: y * bottom };
        let crop = Face { bounding_box, ..*face }.surroundings([rows, columns]);
        let [_, _, width, height] = crop.rectangle([rows, columns], [1, 1]);
        let shrink = (SIDE as f64 / height.max(width) as f64).min(1.0);
        let size = [height, width].map(|side| ((side as f64 * shrink).round() as usize).max(1));
        Self::new(crop.apply(photo.pixels.view(), size).view())
    }

    /// Number of characters without the name.
    pub(crate) fn len(&self) -> usize {
        self.source.len()
    }

    /// The image with its name as alternative text.
    pub(crate) fn markup(&self, name: &str) -> Markup {
        html! { img src=(self.source) width=(self.columns) height=(self.rows) alt=(name); }
    }
}

/// The characters that are left for thumbnails of a page.
#[derive(Debug)]
pub(crate) struct ThumbnailBudget(usize);

impl ThumbnailBudget {
    /// The budget of an empty page.
    pub(crate) fn new() -> Self {
        Self(BUDGET)
    }

    /// Whether the budget is used up.
    pub(crate) fn is_used_up(&self) -> bool {
        self.0 == 0
    }

    /// Takes characters if that many are left, and returns whether they were. After the first
    /// failure the budget is used up.
    pub(crate) fn take(&mut self, characters: usize) -> bool {
        let left = self.0.checked_sub(characters);
        self.0 = left.unwrap_or(0);
        left.is_some()
    }
}
