//! Maps of the plane that keep shapes.

/// A rotation, a change of size and a shift, never a reflection:
///
/// ```text
/// (x, y) -> (a x - b y + c, b x + a y + d)
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Similarity {
    a: f64,
    b: f64,
    c: f64,
    d: f64,
}

impl Similarity {
    /// The one that takes points nearest to others: the sum of the squared distances to them is least.
    ///
    /// This is the transformation of Umeyama (1991, "Least-squares estimation of transformation parameters between two
    /// point patterns", equations 40 to 42). In the plane it needs no singular values: with points as complex numbers
    /// `p` and `q` about their means, the map is multiplication by `w = sum(conj(p) q) / sum(|p|^2)`, and no `w` reflects.
    ///
    /// `None` if it is not a map onto the plane: the points all coincide, or the others do, or they have nothing in common
    /// (as a figure and its mirror image may have).
    ///
    /// # Panics
    /// If the numbers of points differ.
    #[must_use]
    #[track_caller]
    pub fn nearest(from: &[[f64; 2]], to: &[[f64; 2]]) -> Option<Self> {
        assert_eq!(from.len(), to.len(), "as many points as others");
        let (from_mean, to_mean) = (mean(from), mean(to));
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

    /// Where a point goes.
    #[must_use]
    pub fn apply(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        [self.a * x - self.b * y + self.c, self.b * x + self.a * y + self.d]
    }

    /// What every length is multiplied by; more than 0.
    #[must_use]
    pub fn scale(&self) -> f64 {
        self.a.hypot(self.b)
    }

    /// The way back; `None` if its numbers are beyond all bounds.
    #[must_use]
    pub fn inverse(&self) -> Option<Self> {
        let square = self.a * self.a + self.b * self.b;
        let (a, b) = (self.a / square, -self.b / square);
        let back = Self { a, b, c: b * self.d - a * self.c, d: -b * self.c - a * self.d };
        [a, b, back.c, back.d].iter().all(|number| number.is_finite()).then_some(back)
    }
}

/// The middle of points.
pub(crate) fn mean(points: &[[f64; 2]]) -> [f64; 2] {
    [0, 1].map(|axis| points.iter().map(|point| point[axis]).sum::<f64>() / points.len() as f64)
}
