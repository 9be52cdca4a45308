//! What the five points of a face tell about it.

use facenet_data::Landmarks;

/// Distance of the nose from the eyes along the axis of the face, seen from the front, as a fraction of the distance
/// from the eyes to the mouth. (The medians are 0.57 over the training people of LFW's View 1 and 0.52 over the first
/// 100 photos of WIDER FACE.)
const FRONTAL_NOSE: f64 = 0.55;
/// How far the tip of the nose lies in front of the plane of eyes and mouth, likewise; about that of an average head.
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

    /// Whether the points can be those of a face with a box of this shorter side. All faces of the training
    /// people of LFW's View 1 are, with ranges half as wide, and all that are marked in the first 100 photos of
    /// WIDER FACE and found with a score of at least 0.5.
    pub(super) fn is_plausible(&self, side: f64) -> bool {
        (0.25..=1.0).contains(&(self.height / side))
            && self.widths.iter().all(|width| (-0.12..=1.8).contains(width))
            && self.nose[0].abs() <= 0.65
            && (0.2..=0.9).contains(&self.nose[1])
    }

    /// The clockwise angle of the face in the photo, in degrees from -180 to 180.
    pub(super) fn roll(&self) -> f64 {
        self.roll
    }

    /// The angle, in degrees from -90 to 90, by which the face is turned to the right side of an upright photo:
    ///
    /// ```text
    /// sin(yaw) = nose_x / (0.41 height)
    /// ```
    pub(super) fn yaw(&self) -> f64 {
        (self.nose[0] / NOSE_DEPTH).clamp(-1.0, 1.0).asin().to_degrees()
    }

    /// The angle, in degrees from -90 to 90, by which the face looks down:
    ///
    /// ```text
    /// tan(pitch) = (nose_y / height - 0.55) / 0.41
    /// ```
    pub(super) fn pitch(&self) -> f64 {
        ((self.nose[1] - FRONTAL_NOSE) / NOSE_DEPTH).atan().to_degrees()
    }
}

fn difference(one: [f64; 2], other: [f64; 2]) -> [f64; 2] {
    [one[0] - other[0], one[1] - other[1]]
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRONTAL: [[f64; 2]; 5] = [[-24.0, 0.0], [24.0, 0.0], [0.0, 27.5], [-20.0, 50.0], [20.0, 50.0]];

    /// The points of [`FRONTAL`] on a head turned by yaw, pitch and then roll, in degrees, seen from afar.
    fn project([yaw, pitch, roll]: [f64; 3]) -> Landmarks {
        let [(sin_yaw, cos_yaw), (sin_pitch, cos_pitch), (sin_roll, cos_roll)] =
            [yaw, pitch, roll].map(|angle| angle.to_radians().sin_cos());
        let mut point = 0;
        Landmarks(FRONTAL.map(|[x, y]| {
            let depth = if point == 2 { NOSE_DEPTH * 50.0 } else { 0.0 };
            point += 1;
            let (x, depth) = (x * cos_yaw + depth * sin_yaw, depth * cos_yaw - x * sin_yaw);
            let y = y * cos_pitch + depth * sin_pitch;
            [100.0 + x * cos_roll - y * sin_roll, 90.0 + x * sin_roll + y * cos_roll].map(|value| value as f32)
        }))
    }

    #[test]
    fn angles_are_those_of_the_head() {
        for angles in [[0.0; 3], [40.0, 0.0, 0.0], [-55.0, 0.0, 90.0], [0.0, 25.0, -120.0], [0.0, -30.0, 179.0]] {
            let geometry = FaceGeometry::new(&project(angles)).unwrap();
            let found = [geometry.yaw(), geometry.pitch(), geometry.roll()];
            for (found, expected) in found.iter().zip(angles) {
                assert!((found - expected).abs() < 1e-3, "{found} for {expected}");
            }
            assert!(geometry.is_plausible(100.0), "{angles:?}");
        }
        // To the side and down at once the formulas are off.
        let geometry = FaceGeometry::new(&project([30.0, 15.0, 10.0])).unwrap();
        assert!((geometry.yaw() - 30.0).abs() < 6.0 && (geometry.pitch() - 15.0).abs() < 6.0, "{geometry:?}");
    }

    #[test]
    fn other_arrangements_are_no_face() {
        let plausible = |landmarks: &Landmarks, side| {
            FaceGeometry::new(landmarks).is_some_and(|geometry| geometry.is_plausible(side))
        };
        let Landmarks([left_eye, right_eye, nose, left_mouth, right_mouth]) = project([0.0; 3]);
        assert!(plausible(&Landmarks([left_eye, right_eye, nose, left_mouth, right_mouth]), 100.0));
        let others = [
            [right_eye, left_eye, nose, right_mouth, left_mouth], // mirrored
            [left_mouth, right_mouth, nose, left_eye, right_eye], // the mouth above the eyes
            [right_eye, left_eye, nose, left_mouth, right_mouth],
            [left_eye, right_eye, [100.0, 70.0], left_mouth, right_mouth], // the nose above the eyes
            [left_eye, right_eye, [160.0, 115.0], left_mouth, right_mouth], // the nose beside the face
            [left_eye, left_eye, left_eye, left_eye, left_eye],
        ];
        for points in others {
            assert!(!plausible(&Landmarks(points), 100.0), "{points:?}");
        }
        let face = Landmarks([left_eye, right_eye, nose, left_mouth, right_mouth]);
        assert!(!plausible(&face, 300.0), "crowded in the box");
        assert!(!plausible(&face, 40.0), "far outside the box");
        assert!(!plausible(&Landmarks([[f32::NAN; 2]; 5]), 100.0));
    }
}
