//! Photos turned by multiples of 90 degrees.

use facenet_data::Landmarks;
use facenet_metrics::BoundingBox;
use ndarray::{ArrayView3, Axis};

use crate::detection::detect::DetectedFace;

/// How far a photo is turned clockwise before the search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Upright,
    Quarter,
    Half,
    ThreeQuarters,
}

impl Turn {
    pub(super) const TURNED: [Self; 3] = [Self::Quarter, Self::Half, Self::ThreeQuarters];
    pub(super) const ALL: [Self; 4] = [Self::Upright, Self::Quarter, Self::Half, Self::ThreeQuarters];

    /// The turned image, `[height, width, 3]`.
    pub(super) fn apply(self, mut image: ArrayView3<'_, u8>) -> ArrayView3<'_, u8> {
        if matches!(self, Self::Quarter | Self::ThreeQuarters) {
            image.swap_axes(0, 1);
        }
        if matches!(self, Self::Half | Self::ThreeQuarters) {
            image.invert_axis(Axis(0));
        }
        if matches!(self, Self::Half | Self::Quarter) {
            image.invert_axis(Axis(1));
        }
        image
    }

    /// The position in an image of `[height, width]` of a point of the turned image, both with the upper left
    /// corner at 0, 0.
    fn point(self, [x, y]: [f64; 2], [height, width]: [f64; 2]) -> [f64; 2] {
        match self {
            Self::Upright => [x, y],
            Self::Quarter => [y, height - x],
            Self::Half => [width - x, height - y],
            Self::ThreeQuarters => [width - y, x],
        }
    }

    /// A face of the turned image in an image of `[height, width]`. The points keep their order.
    pub(super) fn face(self, face: &DetectedFace, size: [usize; 2]) -> DetectedFace {
        let size = size.map(|side| side as f64);
        let BoundingBox { left, top, right, bottom } = face.bounding_box;
        let [one, other] = [[left, top], [right, bottom]].map(|corner| self.point(corner, size));
        let bounding_box = BoundingBox {
            left: one[0].min(other[0]),
            top: one[1].min(other[1]),
            right: one[0].max(other[0]),
            bottom: one[1].max(other[1]),
        };
        // Pixel centers are half a pixel from the corners of a photo.
        let point = |point: [f32; 2]| {
            self.point(point.map(|value| f64::from(value) + 0.5), size).map(|value| (value - 0.5) as f32)
        };
        DetectedFace { bounding_box, landmarks: Landmarks(face.landmarks.0.map(point)), ..*face }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detection::detect::OrientationCertainty;
    use ndarray::Array3;

    #[test]
    fn points_turn_with_their_pixels() {
        let image = Array3::from_shape_fn((3, 5, 3), |(row, column, _)| (5 * row + column) as u8);
        for turn in [Turn::Upright, Turn::Quarter, Turn::Half, Turn::ThreeQuarters] {
            let turned = turn.apply(image.view());
            for ((row, column, _), &level) in turned.indexed_iter() {
                let landmarks = Landmarks([[column as f32, row as f32]; 5]);
                let [left, top] = [column as f64, row as f64];
                let bounding_box = BoundingBox { left, top, right: left + 1.0, bottom: top + 1.0 };
                let face = turn.face(
                    &DetectedFace { bounding_box, score: 0.5, landmarks, orientation: OrientationCertainty::Certain },
                    [3, 5],
                );
                let [x, y] = face.landmarks.0[0];
                assert_eq!(image[[y as usize, x as usize, 0]], level, "{turn:?}");
                let [left, top] = [f64::from(x), f64::from(y)];
                let expected = BoundingBox { left, top, right: left + 1.0, bottom: top + 1.0 };
                assert_eq!(face.bounding_box, expected, "{turn:?}");
            }
        }
        // Turned clockwise, the upper left pixel comes to the upper right.
        assert_eq!(Turn::Quarter.apply(image.view())[[0, 2, 0]], image[[0, 0, 0]]);
    }
}
