use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use facenet_data::{Crop, encode_jpeg};
use maud::{Markup, html};
use ndarray::ArrayView3;

/// The longer side of a picture, at most.
const SIDE: usize = 72;
const QUALITY: u8 = 78;
/// The most characters that all pictures of a page take, with what stands around each.
const BUDGET: usize = 2_750_000;

/// A face as a picture within a page.
#[derive(Debug)]
pub(crate) struct Thumbnail {
    source: String,
    rows: usize,
    columns: usize,
}

impl Thumbnail {
    /// Of a face `[height, width, 3]`.
    pub(crate) fn new(face: ArrayView3<'_, u8>) -> Self {
        let (height, width, _) = face.dim();
        let shrink = (SIDE as f64 / height.max(width) as f64).min(1.0);
        let [rows, columns] = [height, width].map(|side| ((side as f64 * shrink).round() as usize).max(1));
        let shown = match shrink < 1.0 {
            true => Crop::Whole.apply(face.as_standard_layout().view(), [rows, columns]),
            false => face.to_owned(),
        };
        let source = format!("data:image/jpeg;base64,{}", STANDARD.encode(encode_jpeg(shown.view(), QUALITY)));
        Self { source, rows, columns }
    }

    /// How many characters it takes, its name apart.
    pub(crate) fn len(&self) -> usize {
        self.source.len()
    }

    /// The picture, with its name for those who can't see it.
    pub(crate) fn markup(&self, name: &str) -> Markup {
        html! { img src=(self.source) width=(self.columns) height=(self.rows) alt=(name); }
    }
}

/// How many characters of pictures a page has room for.
#[derive(Debug)]
pub(crate) struct Room(usize);

impl Room {
    /// That of an empty page.
    pub(crate) fn new() -> Self {
        Self(BUDGET)
    }

    /// Whether nothing more fits in.
    pub(crate) fn is_full(&self) -> bool {
        self.0 == 0
    }

    /// Whether so many characters fit in, which they take then. Once something does not fit in, nothing more does.
    pub(crate) fn take(&mut self, characters: usize) -> bool {
        let left = self.0.checked_sub(characters);
        self.0 = left.unwrap_or(0);
        left.is_some()
    }
}
