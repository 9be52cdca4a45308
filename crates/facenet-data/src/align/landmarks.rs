//! Five facial landmarks.

use crate::align::similarity_transform::centroid;

/// Five facial landmarks as `[x, y]` in pixels, x to the right and y down; the center of the upper
/// left pixel is `[0, 0]`.
///
/// In order: the eye on the left side of the image, the eye on its right side, the tip of the nose,
/// the left and the right corner of the mouth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Landmarks(pub [[f32; 2]; 5]);

impl Landmarks {
    /// Moves all points by `[x, y]` pixels.
    #[must_use]
    pub fn translated(&self, [x, y]: [f32; 2]) -> Self {
        Self(self.0.map(|point| [point[0] + x, point[1] + y]))
    }

    /// Whether the centroid lies in an image of `[height, width]`.
    #[must_use]
    pub fn are_inside(&self, [height, width]: [usize; 2]) -> bool {
        let [x, y] = centroid(&self.to_f64());
        (-0.5..=width as f64 - 0.5).contains(&x) && (-0.5..=height as f64 - 0.5).contains(&y)
    }

    pub(crate) fn to_f64(self) -> [[f64; 2]; 5] {
        self.0.map(|point| point.map(f64::from))
    }
}
