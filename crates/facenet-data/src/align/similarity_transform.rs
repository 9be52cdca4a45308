//! Similarity transforms of the plane.

/// A rotation, a uniform scaling and a translation, without reflection:
///
/// ```text
/// (x, y) -> (a x - b y + c, b x + a y + d)
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SimilarityTransform {
    a: f64,
    b: f64,
    c: f64,
    d: f64,
}

impl SimilarityTransform {
    /// The least-squares fit: minimizes the sum of squared distances between mapped points and
    /// targets.
    ///
    /// This is the transformation of Umeyama (1991, "Least-squares estimation of transformation
    /// parameters between two point patterns", equations 40 to 42). In the plane it needs no
    /// singular value decomposition: with centered points as complex numbers `p` and targets `q`,
    /// it is multiplication by `w = sum(conj(p) q) / sum(|p|^2)`, which never reflects.
    ///
    /// Returns `None` if the fit is not invertible: all points or all targets coincide, or `w` is 0
    /// (as it may be for a figure and its mirror image).
    ///
    /// # Panics
    /// If there are not as many targets as points.
    #[must_use]
    #[track_caller]
    pub fn fit(from: &[[f64; 2]], to: &[[f64; 2]]) -> Option<Self> {
        assert_eq!(from.len(), to.len(), "as many targets as points");
        let (from_mean, to_mean) = (centroid(from), centroid(to));
        let [mut along, mut across, mut squares] = [0.0; 3];
        for (from, to) in from.iter().zip(to) {
            let [px, py] = [from[0] - from_mean[0], from[1] - from_mean[1]];
            let [qx, qy] = [to[0] - to_mean[0], to[1] - to_mean[1]];
            along += px * qx + py * qy;
            across += px * qy - py * qx;
            squares += px * px + py * py;
        }
        let (a, b) = (along / squares, across / squares);
        let [x, y] = from_mean;
        let map = Self { a, b, c: to_mean[0] - a * x + b * y, d: to_mean[1] - b * x - a * y };
        map.inverse().map(|_| map)
    }

    /// Maps a point.
    #[must_use]
    pub fn apply(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        [self.a * x - self.b * y + self.c, self.b * x + self.a * y + self.d]
    }

    /// The scaling factor; more than 0.
    #[must_use]
    pub fn scale(&self) -> f64 {
        self.a.hypot(self.b)
    }

    /// The inverse; `None` if it is not finite.
    #[must_use]
    pub fn inverse(&self) -> Option<Self> {
        let square = self.a * self.a + self.b * self.b;
        let (a, b) = (self.a / square, -self.b / square);
        let inverse = Self { a, b, c: b * self.d - a * self.c, d: -b * self.c - a * self.d };
        [a, b, inverse.c, inverse.d].iter().all(|coefficient| coefficient.is_finite()).then_some(inverse)
    }
}

/// The centroid of points.
pub(crate) fn centroid(points: &[[f64; 2]]) -> [f64; 2] {
    [0, 1].map(|axis| points.iter().map(|point| point[axis]).sum::<f64>() / points.len() as f64)
}
