//! Faces in photos.

use std::ops::Range;
use std::path::PathBuf;

use facenet_data::{Crop, Landmarks};
use facenet_metrics::BoundingBox;

use crate::detection::quality::{FaceQuality, QualityWarning};
use crate::face_source::FaceSource;

/// A photo that was searched for faces.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadPhoto {
    /// The file.
    pub path: PathBuf,
    /// `[height, width]` in pixels.
    pub size: [usize; 2],
    /// The rows of its faces.
    pub faces: Range<usize>,
    /// What is doubtful about the photo.
    pub warning: Option<PhotoWarning>,
}

/// A face in a photo, in pixels of the photo.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Face {
    /// The photo, as an index into the photos.
    pub photo: usize,
    /// The number of the face among those of its photo, from 1, from left to right.
    pub number: usize,
    /// How it was located.
    pub source: FaceSource,
    /// The box around it, whose coordinates are 0, 0 at the upper left corner of the photo.
    pub bounding_box: BoundingBox,
    /// Its landmarks, if it was aligned by them.
    pub landmarks: Option<Landmarks>,
    /// How well it can be recognized. `None` for a face that was not found by the detector.
    pub quality: Option<FaceQuality>,
    /// What is doubtful about it.
    pub warning: Option<FaceWarning>,
}

/// What is doubtful about a face.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum FaceWarning {
    /// It can't be recognized reliably.
    #[error(transparent)]
    Quality(#[from] QualityWarning),
    /// It looks as much like a face in another orientation.
    #[error("perhaps turned")]
    Orientation,
    /// The detector finds no face where the landmark list says there is one.
    #[error("not where the landmark list says; is the list for these photos?")]
    ListDisagrees,
}

/// What is doubtful about a photo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum PhotoWarning {
    /// It shows no face, as far as the detector sees.
    #[error("no face found")]
    NoFace,
    /// Without a detector only photos on the landmark list are embedded.
    #[error("not on the landmark list")]
    NotListed,
}

/// Which faces of a photo are meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FaceSelection {
    /// Every face.
    #[default]
    All,
    /// The face with the largest box.
    Largest,
    /// The face nearest to the center of the photo: by the distance from there to the center of its box, in
    /// units of the longer side of the box.
    Central,
    /// The face with a number, from 1, from left to right.
    Number(usize),
}

/// The region around a face that a thumbnail shows, in units of the longer side of its box.
const SURROUNDINGS: f64 = 1.6;

impl Face {
    /// The columns of a table of faces.
    pub const COLUMNS: [&'static str; 13] = [
        "face",
        "framing",
        "left",
        "top",
        "right",
        "bottom",
        "size",
        "score",
        "sharpness",
        "yaw",
        "pitch",
        "roll",
        "doubt",
    ];

    /// The face as a row of a table with the [columns](Self::COLUMNS); unknown values are empty. Lengths are
    /// in pixels of the photo, angles in degrees.
    #[must_use]
    pub fn cells(&self) -> [String; 13] {
        let BoundingBox { left, top, right, bottom } = self.bounding_box;
        let [left, top, right, bottom] = [left, top, right, bottom].map(|edge| format!("{edge:.1}"));
        let quality = |value: fn(&FaceQuality) -> String| self.quality.as_ref().map_or_else(String::new, value);
        [
            self.number.to_string(),
            self.source.to_string(),
            left,
            top,
            right,
            bottom,
            quality(|quality| format!("{:.1}", quality.side)),
            quality(|quality| format!("{:.3}", quality.score)),
            quality(|quality| format!("{:.3}", quality.sharpness)),
            quality(|quality| format!("{:.0}", quality.yaw)),
            quality(|quality| format!("{:.0}", quality.pitch)),
            quality(|quality| format!("{:.0}", quality.roll)),
            self.warning.map_or_else(String::new, |warning| warning.to_string()),
        ]
    }

    /// Whether nothing is doubtful about the face. By default only such faces start groups.
    #[must_use]
    pub fn is_reliable(&self) -> bool {
        self.warning.is_none()
    }

    /// Whether the landmark list has it where the detector finds no face. Nothing can be said about such a face.
    #[must_use]
    pub fn is_misplaced(&self) -> bool {
        self.warning == Some(FaceWarning::ListDisagrees)
    }

    /// A square of the photo around the face, shifted to lie in the photo, smaller if it does not fit.
    #[must_use]
    pub fn surroundings(&self, [height, width]: [usize; 2]) -> Crop {
        let [x, y] = self.bounding_box.center();
        let longer = longer_side(&self.bounding_box);
        let side = (SURROUNDINGS * longer).round().clamp(1.0, height.min(width).max(1) as f64);
        let start =
            |center: f64, length: usize| (center - side / 2.0).round().clamp(0.0, length as f64 - side) as usize;
        Crop::Rectangle { left: start(x, width), top: start(y, height), width: side as usize, height: side as usize }
    }
}

impl FaceSelection {
    /// The indices of the selected faces of a photo of `[height, width]`; ties by the first.
    #[must_use]
    pub fn of(self, faces: &[Face], [height, width]: [usize; 2]) -> Range<usize> {
        let nearest_by = |key: &dyn Fn(&BoundingBox) -> f64| {
            let keys = faces.iter().map(|face| key(&face.bounding_box)).enumerate();
            let best = keys.min_by(|(_, one), (_, other)| one.total_cmp(other));
            best.map_or(0..0, |(index, _)| index..index + 1)
        };
        match self {
            Self::All => 0..faces.len(),
            Self::Largest => nearest_by(&|face| -face.area()),
            Self::Central => nearest_by(&|face| {
                let [x, y] = face.center();
                let distance = (x - width as f64 / 2.0).hypot(y - height as f64 / 2.0);
                distance / longer_side(face).max(f64::MIN_POSITIVE)
            }),
            Self::Number(number) => match number.checked_sub(1) {
                Some(index) if index < faces.len() => index..index + 1,
                _ => 0..0,
            },
        }
    }
}

fn longer_side(bounding_box: &BoundingBox) -> f64 {
    let [width, height] = bounding_box.sides();
    width.max(height)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(left: f64, top: f64, side: f64) -> Face {
        let bounding_box = BoundingBox { left, top, right: left + side, bottom: top + side };
        Face {
            photo: 0,
            number: 1,
            source: FaceSource::Detector,
            bounding_box,
            landmarks: None,
            quality: None,
            warning: None,
        }
    }

    #[test]
    fn faces_are_selected() {
        // At the edge the largest; beside the center a small one; around the center a middling one.
        let faces = [face(0.0, 0.0, 90.0), face(160.0, 90.0, 10.0), face(130.0, 90.0, 60.0)];
        let of = |selection: FaceSelection| selection.of(&faces, [200, 300]);
        assert_eq!(of(FaceSelection::All), 0..3);
        assert_eq!(of(FaceSelection::Largest), 0..1);
        assert_eq!(of(FaceSelection::Central), 2..3);
        assert_eq!([0, 1, 3, 4].map(|number| of(FaceSelection::Number(number))), [0..0, 0..1, 2..3, 0..0]);
        assert_eq!(FaceSelection::Central.of(&[], [200, 300]), 0..0);
    }

    #[test]
    fn surroundings_lie_in_the_photo() {
        let rectangle = |left, top, side| Crop::Rectangle { left, top, width: side, height: side };
        assert_eq!(face(100.0, 50.0, 50.0).surroundings([200, 300]), rectangle(85, 35, 80));
        assert_eq!(face(-20.0, 160.0, 50.0).surroundings([200, 300]), rectangle(0, 120, 80));
        assert_eq!(face(10.0, 10.0, 1e9).surroundings([200, 300]), rectangle(100, 0, 200));
        for size in [[1, 1], [1, 300], [7, 2]] {
            assert!(face(-5.0, 3.0, 40.0).surroundings(size).fits(size), "{size:?}");
        }
    }
}
