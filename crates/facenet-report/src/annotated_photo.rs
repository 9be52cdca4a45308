//! Photos with boxes around their faces.

use facenet_data::{Photo, encode_jpeg};
use facenet_recognition::{BoundingBox, Face};
use font8x8::{BASIC_FONTS, GREEK_FONTS, LATIN_FONTS, UnicodeFonts};
use ndarray::Array3;

/// A face with what to write beside its box.
#[derive(Clone, Debug, PartialEq)]
pub struct LabeledFace {
    /// The face.
    pub face: Face,
    /// The label: a name or a number.
    pub label: String,
    /// A score or a confidence, written behind the label where the face is wide enough.
    pub note: String,
}

/// RGB of faces, of faces with a warning, and of labels.
const SURE: [u8; 3] = [0, 200, 120];
const DOUBTFUL: [u8; 3] = [255, 170, 0];
const BACKGROUND: [u8; 3] = [20, 20, 20];
/// A line is this many times thinner than the longer side of the photo.
const SIDES_PER_LINE: usize = 400;
const QUALITY: u8 = 90;
/// Limit on the length of a label, in characters.
const MAX_LABEL: usize = 40;
/// A label is at most this many times as wide as its face, as far as it stays readable.
const MAX_LABEL_WIDTH: f64 = 2.0;

/// A copy of a photo, as JPEG, in which each face has a box, its landmarks and its label; faces with a warning
/// in orange. A photo that was decoded at a reduced scale is drawn at that scale. Letters that are neither
/// Latin nor Greek are drawn as `?`.
#[must_use]
pub fn annotated_photo(photo: &Photo, faces: &[LabeledFace]) -> Vec<u8> {
    let (rows, columns, _) = photo.pixels.dim();
    let scale = [columns as f64 / photo.size[1] as f64, rows as f64 / photo.size[0] as f64];
    let line = rows.max(columns).div_ceil(SIDES_PER_LINE) as i64;
    let mut canvas = Canvas { pixels: photo.pixels.clone() };
    for LabeledFace { face, .. } in faces {
        let BoundingBox { left, top, right, bottom } = face.bounding_box;
        let [left, right] = [left, right].map(|edge| pixel(edge * scale[0]));
        let [top, bottom] = [top, bottom].map(|edge| pixel(edge * scale[1]));
        // Thinner around small faces, of which one would see nothing else.
        let line = line.min((right - left) / 12).max(1);
        let color = color(face);
        canvas.fill([left - line, right + line], [top - line, top], color);
        canvas.fill([left - line, right + line], [bottom, bottom + line], color);
        canvas.fill([left - line, left], [top, bottom], color);
        canvas.fill([right, right + line], [top, bottom], color);
        for point in face.landmarks.iter().flat_map(|landmarks| landmarks.0) {
            let [x, y] = [0, 1].map(|axis| pixel((f64::from(point[axis]) + 0.5) * scale[axis]));
            canvas.fill([x - line / 2, x + line / 2 + 1], [y - line / 2, y + line / 2 + 1], color);
        }
    }
    // Above all boxes.
    for LabeledFace { face, label, note } in faces {
        let width = face.bounding_box.sides()[0] * scale[0];
        let widest = MAX_LABEL_WIDTH * width;
        let whole = format!("{label} {note}");
        let fits = |text: &str| (8 * text.chars().count() + 2) as f64 <= widest;
        let text = if fits(&whole) { whole.trim_end() } else { label };
        let dot = (widest / (8 * text.chars().count() + 2) as f64) as i64;
        let corner = [face.bounding_box.left * scale[0], face.bounding_box.top * scale[1]];
        canvas.label(text, corner, dot.clamp(1, line), color(face));
    }
    encode_jpeg(canvas.pixels.view(), QUALITY)
}

/// A coordinate in whole pixels, within bounds in which sums don't overflow.
fn pixel(coordinate: f64) -> i64 {
    coordinate.clamp(-1e6, 1e6) as i64
}

fn color(face: &Face) -> [u8; 3] {
    if face.warning.is_some() { DOUBTFUL } else { SURE }
}

struct Canvas {
    pixels: Array3<u8>,
}

impl Canvas {
    /// Fills the part of a rectangle that lies in the photo.
    fn fill(&mut self, [left, right]: [i64; 2], [top, bottom]: [i64; 2], color: [u8; 3]) {
        let (rows, columns, _) = self.pixels.dim();
        for row in top.max(0)..bottom.min(rows as i64) {
            for column in left.max(0)..right.min(columns as i64) {
                for (channel, &level) in color.iter().enumerate() {
                    self.pixels[[row as usize, column as usize, channel]] = level;
                }
            }
        }
    }

    /// Writes a label above a position, shifted to lie in the photo.
    fn label(&mut self, label: &str, [x, y]: [f64; 2], dot: i64, color: [u8; 3]) {
        let (rows, columns, _) = self.pixels.dim();
        let characters: Vec<char> = label.chars().take(MAX_LABEL).collect();
        // Shrunk if it would not fit.
        let dot = dot.min(columns as i64 / (8 * characters.len() as i64 + 2)).max(1);
        let [width, height] = [dot * (8 * characters.len() as i64 + 2), 10 * dot];
        let left = pixel(x).min(columns as i64 - width).max(0);
        let top = (pixel(y) - height).min(rows as i64 - height).max(0);
        self.fill([left, left + width], [top, top + height], BACKGROUND);
        for (index, &character) in characters.iter().enumerate() {
            for (row, bits) in glyph(character).into_iter().enumerate() {
                for column in (0..8).filter(|column| bits >> column & 1 == 1) {
                    let x = left + dot * (1 + 8 * index as i64 + column);
                    let y = top + dot * (1 + row as i64);
                    self.fill([x, x + dot], [y, y + dot], color);
                }
            }
        }
    }
}

/// The rows of a character, the leftmost pixel in the lowest bit.
fn glyph(character: char) -> [u8; 8] {
    let known =
        BASIC_FONTS.get(character).or_else(|| LATIN_FONTS.get(character)).or_else(|| GREEK_FONTS.get(character));
    known.or_else(|| BASIC_FONTS.get('?')).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    use facenet_data::{Landmarks, decode_image};
    use facenet_recognition::FaceSource;

    fn face(left: f64, top: f64, side: f64) -> Face {
        Face {
            photo: 0,
            number: 1,
            source: FaceSource::Detector,
            bounding_box: BoundingBox { left, top, right: left + side, bottom: top + side },
            landmarks: Some(Landmarks([[left as f32, top as f32]; 5])),
            quality: None,
            warning: None,
        }
    }

    #[test]
    fn boxes_and_labels_are_drawn_at_the_scale_of_the_pixels() {
        let photo = Photo { pixels: Array3::from_elem((200, 300, 3), 90), size: [400, 600] };
        let labeled =
            LabeledFace { face: face(100.0, 200.0, 120.0), label: "Zoë".to_owned(), note: "97 %".to_owned() };
        let drawn = decode_image(&annotated_photo(&photo, &[labeled]), Path::new("drawn.jpg")).unwrap();
        assert_eq!(drawn.dim(), (200, 300, 3));
        let is_green = |row: usize, column: usize| drawn[[row, column, 1]] > drawn[[row, column, 0]].saturating_add(60);
        assert!(is_green(130, 49) && is_green(160, 80) && is_green(130, 110), "the box");
        assert!(!is_green(130, 80), "within the box");
        assert!(drawn[[95, 110, 0]] < 60, "the background of the label");
        let text = (91..99).flat_map(|row| (51..115).map(move |column| (row, column)));
        assert!(text.filter(|&(row, column)| is_green(row, column)).count() > 50, "the label");
    }

    #[test]
    fn faces_at_the_edges_and_tiny_photos_are_no_problem() {
        for size in [[1, 1], [3, 500], [40, 40]] {
            let photo = Photo { pixels: Array3::zeros((size[0], size[1], 3)), size };
            for face in [face(-50.0, -20.0, 1e6), face(1e9, 1e9, 10.0), face(0.0, 0.0, 0.0)] {
                let label = "a long label 日本 ".repeat(9);
                assert!(!annotated_photo(&photo, &[LabeledFace { face, label, note: String::new() }]).is_empty());
            }
        }
    }
}
