//! How photos are searched for faces.

/// How a photo is searched for faces.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DetectionOptions {
    /// The smallest faces to look for.
    pub min_face: MinFace,
    /// The orientations to look for.
    pub orientations: Orientations,
    /// The least score of a face.
    pub min_score: f32,
}

impl Default for DetectionOptions {
    /// Faces from an 80th of the photo's longer side on, upright first, with a score of at least 0.5.
    ///
    /// The photo is searched at longer sides of 960 and 480 pixels, the best of twelve settings on the first 100
    /// of 200 photos of WIDER FACE.
    fn default() -> Self {
        Self { min_face: MinFace::default(), orientations: Orientations::default(), min_score: 0.5 }
    }
}

/// The shorter side of the smallest faces to look for. Smaller faces may be found, too.
///
/// It determines how much a photo is scaled down before the search, and so the time: a photo is searched at
/// the scale at which such a face has 12 pixels, and at halves of it down to a longer side of 480 pixels for
/// larger faces.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MinFace {
    /// A fraction of the photo's longer side. The time does not depend on the number of pixels.
    Fraction(f64),
    /// Decoded pixels. The time grows with the number of pixels.
    Pixels(f64),
}

impl Default for MinFace {
    fn default() -> Self {
        Self::Fraction(1.0 / 80.0)
    }
}

/// The orientations in which a photo is searched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Orientations {
    /// Faces that are upright in the photo, or tilted by less than about 45 degrees.
    Upright,
    /// Upright first; turned by 90, 180 and 270 degrees where no certain upright face is found.
    #[default]
    UprightFirst,
    /// All four. Finds people who lie beside people who stand, in about four times the time.
    All,
}

/// The least shorter side of a face, in pixels, that the network finds reliably. It finds many of 8 pixels.
const MIN_NETWORK_FACE: f64 = 12.0;
/// Photos are searched at halves of the finest scale until their longer side is at most this.
const COARSEST_SIDE: f64 = 480.0;
/// Photos are enlarged at most this many times: a face that fills a small photo would be too large for the
/// network.
const MAX_ENLARGEMENT: f64 = 2.0;

impl MinFace {
    /// The scales at which a photo of `[height, width]` is searched, in descending order.
    pub(super) fn scales(self, [height, width]: [usize; 2]) -> Vec<f64> {
        let longer = height.max(width) as f64;
        let side = match self {
            Self::Fraction(fraction) => fraction * longer,
            Self::Pixels(side) => side,
        };
        let finest = (MIN_NETWORK_FACE / side.max(f64::MIN_POSITIVE)).min(MAX_ENLARGEMENT);
        let mut scales = vec![finest];
        while scales[scales.len() - 1] * longer > COARSEST_SIDE + 0.5 {
            scales.push(scales[scales.len() - 1] / 2.0);
        }
        scales
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sides(min_face: MinFace, size: [usize; 2]) -> Vec<f64> {
        min_face.scales(size).iter().map(|scale| (scale * size[0].max(size[1]) as f64).round()).collect()
    }

    #[test]
    fn the_least_face_determines_the_scales() {
        assert_eq!(sides(MinFace::default(), [3000, 4000]), [960.0, 480.0]);
        assert_eq!(sides(MinFace::default(), [1024, 681]), [960.0, 480.0]);
        assert_eq!(sides(MinFace::Fraction(1.0 / 160.0), [3000, 4000]), [1920.0, 960.0, 480.0]);
        assert_eq!(sides(MinFace::Pixels(12.0), [3000, 4000]), [4000.0, 2000.0, 1000.0, 500.0, 250.0]);
        assert_eq!(sides(MinFace::Pixels(400.0), [3000, 4000]), [120.0]);
    }

    #[test]
    fn photos_are_enlarged_at_most_twice() {
        assert_eq!(sides(MinFace::default(), [250, 250]), [500.0, 250.0]);
        assert_eq!(sides(MinFace::default(), [160, 100]), [320.0]);
        assert_eq!(sides(MinFace::Pixels(0.0), [30, 20]), [60.0]);
    }
}
