//! From a detector's outputs to faces.

use facenet_data::Landmarks;
use facenet_metrics::BoundingBox;
use ndarray::ArrayView3;

use crate::detection::detect::{DetectedFace, OrientationCertainty};

/// Two boxes that overlap more than this, as intersection over union, show one face.
const MAX_OVERLAP: f64 = 0.4;
/// Limit on the candidates of a photo among which overlaps are resolved.
const MAX_CANDIDATES: usize = 10_000;

/// The faces in an output of YuNet, in pixels of its input.
///
/// ```text
/// score  = sqrt(sigmoid(y[0]) sigmoid(y[1]))
/// center = (cell + y[2..4]) stride,  size = exp(y[4..6]) stride,  point j = (cell + y[6 + 2j..8 + 2j]) stride - 1/2
/// ```
///
/// # Shapes
///
/// `output`: `[height, width, 16]`, a cell for each `stride` x `stride` pixels.
pub(super) fn decode(output: ArrayView3<'_, f32>, stride: usize, min_score: f32, faces: &mut Vec<DetectedFace>) {
    let stride = stride as f32;
    // Both factors exceed the square of the least score.
    let min_logit = {
        let square = min_score * min_score;
        (square / (1.0 - square)).ln()
    };
    for (row, cells) in output.outer_iter().enumerate() {
        for (column, y) in cells.outer_iter().enumerate() {
            if y[0] < min_logit || y[1] < min_logit {
                continue;
            }
            let score = (sigmoid(y[0]) * sigmoid(y[1])).sqrt();
            let at = |index: usize| [(column as f32 + y[index]) * stride, (row as f32 + y[index + 1]) * stride];
            let ([x, y_center], [width, height]) = (at(2), [y[4], y[5]].map(|side| side.exp() * stride));
            // Positions of the network count from the corner of the input, points from the center of a pixel.
            let points = std::array::from_fn(|point| at(6 + 2 * point).map(|value| value - 0.5));
            let edges = [x - width / 2.0, y_center - height / 2.0, x + width / 2.0, y_center + height / 2.0];
            if score < min_score || !edges.iter().chain(points.as_flattened()).all(|value| value.is_finite()) {
                continue;
            }
            let [left, top, right, bottom] = edges.map(f64::from);
            let bounding_box = BoundingBox { left, top, right, bottom };
            let orientation = OrientationCertainty::Certain;
            faces.push(DetectedFace { bounding_box, score, landmarks: Landmarks(points), orientation });
        }
    }
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// Of faces that overlap, the one with the best score stays; ties by the first. Sorted by descending
/// score.
pub(super) fn suppress_overlaps(mut faces: Vec<DetectedFace>) -> Vec<DetectedFace> {
    faces.sort_by(|one, other| other.score.total_cmp(&one.score));
    faces.truncate(MAX_CANDIDATES);
    let mut kept: Vec<DetectedFace> = Vec::new();
    for face in faces {
        if kept.iter().all(|better| better.bounding_box.overlap(&face.bounding_box) <= MAX_OVERLAP) {
            kept.push(face);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    #[test]
    fn a_cell_becomes_a_face() {
        let mut output = Array3::from_elem((2, 3, 16), f32::NEG_INFINITY);
        let cell = [2.0, 3.0, 0.5, 0.25, 0.0, 2.0_f32.ln(), 0.0, 0.0, 1.0, 0.0, 0.5, 0.5, 0.0, 1.0, 1.0, 1.0];
        output.slice_mut(ndarray::s![1, 2, ..]).assign(&ndarray::aview1(&cell));
        let mut faces = Vec::new();
        decode(output.view(), 8, 0.5, &mut faces);
        let [face] = &*faces else { panic!("{faces:?}") };
        assert!((face.score - (0.880_797 * 0.952_574_1_f32).sqrt()).abs() < 1e-6);
        assert_eq!(face.bounding_box, BoundingBox { left: 16.0, top: 2.0, right: 24.0, bottom: 18.0 });
        assert_eq!(face.landmarks.0, [[15.5, 7.5], [23.5, 7.5], [19.5, 11.5], [15.5, 15.5], [23.5, 15.5]]);
        decode(output.view(), 8, 0.95, &mut faces);
        assert_eq!(faces.len(), 1, "the score is too low");
        output[[1, 2, 4]] = 1e30;
        decode(output.view(), 8, 0.5, &mut faces);
        assert_eq!(faces.len(), 1, "the box is not finite");
    }

    #[test]
    fn the_best_of_overlapping_faces_stays() {
        let face = |left: f64, score: f32| DetectedFace {
            bounding_box: BoundingBox { left, top: 0.0, right: left + 10.0, bottom: 10.0 },
            score,
            landmarks: Landmarks([[0.0; 2]; 5]),
            orientation: OrientationCertainty::Certain,
        };
        // 20 and 22 overlap by 2/3, 22 and 27 by 1/3.
        let kept = suppress_overlaps(vec![face(22.0, 0.8), face(20.0, 0.9), face(27.0, 0.5), face(0.0, 0.6)]);
        assert_eq!(kept, [face(20.0, 0.9), face(0.0, 0.6), face(27.0, 0.5)]);
    }
}
