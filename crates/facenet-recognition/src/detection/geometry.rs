//! What the five points of a face tell about it.

use facenet_data::Landmarks;

/// Distance of the nose from the eyes along the axis of the face, seen from the front, as a fraction of the distance
/// from the eyes to the mouth.
const FRONTAL_NOSE: f64 = 0.53;
/// How far the tip of the nose lies in front of the plane of eyes and mouth, likewise.
const NOSE_DEPTH: f64 = 0.41;

/// The five points in the frame of the face: the axis from the middle of the eyes to the middle of the mouth points
/// down, and its length is 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct FaceGeometry {
    /// The clockwise angle of the face in the photo, in degrees from -180 to 180.
    roll: f64,
    /// Distance from the middle of the eyes to the middle of the mouth, in pixels.
    height: f64,
    /// How far the right eye lies to the right of the left one, and the right corner of the mouth of the left one.
    widths: [f64; 2],
    /// The tip of the nose, `[right, down]` of the middle of the eyes.
    nose: [f64; 2],
}

impl FaceGeometry {
    /// `None` if the middles of eyes and mouth coincide.
    pub(super) fn new(landmarks: &Landmarks) -> Option<Self> {
        let [left_eye, right_eye, nose, left_mouth, right_mouth] = landmarks.0.map(|point| point.map(f64::from));
        let middle = |one: [f64; 2], other: [f64; 2]| [(one[0] + other[0]) / 2.0, (one[1] + other[1]) / 2.0];
        let eyes = middle(left_eye, right_eye);
        let down = difference(middle(left_mouth, right_mouth), eyes);
        let height = down[0].hypot(down[1]);
        if !(height > 0.0 && height.is_finite()) {
            return None;
        }
        let along = |vector: [f64; 2], axis: [f64; 2]| (vector[0] * axis[0] + vector[1] * axis[1]) / height.powi(2);
        let right = [down[1], -down[0]];
        let nose = difference(nose, eyes);
        Some(Self {
            roll: (-down[0]).atan2(down[1]).to_degrees(),
            height,
            widths: [along(difference(right_eye, left_eye), right), along(difference(right_mouth, left_mouth), right)],
            nose: [along(nose, right), along(nose, down)],
        })
    }

    /// Whether the points can be those of a face with a box of this shorter side.
    pub(super) fn is_plausible(&self, side: f64) -> bool {
        let [eyes, mouth] = self.widths;
        (0.15..=0.8).contains(&(self.height / side))
            && (-0.1..=2.0).contains(&eyes)
            && (-0.1..=2.0).contains(&mouth)
            && (0.1..=1.0).contains(&self.nose[1])
    }

    /// The clockwise angle of the face in the photo, in degrees from -180 to 180.
    pub(super) fn roll(&self) -> f64 {
        self.roll
    }

    /// The angle, in degrees from -90 to 90, by which the face is turned to the right side of an upright photo.
    pub(super) fn yaw(&self) -> f64 {
        (self.nose[0] / NOSE_DEPTH).clamp(-1.0, 1.0).asin().to_degrees()
    }

    /// The angle, in degrees from -90 to 90, by which the face looks down.
    pub(super) fn pitch(&self) -> f64 {
        ((self.nose[1] - FRONTAL_NOSE) / NOSE_DEPTH).atan().to_degrees()
    }
}

fn difference(one: [f64; 2], other: [f64; 2]) -> [f64; 2] {
    [one[0] - other[0], one[1] - other[1]]
}
