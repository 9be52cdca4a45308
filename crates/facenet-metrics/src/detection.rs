//! Average precision of a face detector.

use ndarray_rand::rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

/// A face counts as found if its box overlaps the marked one by at least this intersection over union.
pub const MIN_OVERLAP: f64 = 0.5;
/// Bootstrap replicates of a standard error, which estimate it to about 5 %.
const REPLICATES: u64 = 200;
/// Replicate r draws from stream `BOOTSTRAP_STREAM + r`.
const BOOTSTRAP_STREAM: u64 = u64::from_be_bytes(*b"detect\0\0");

/// A rectangle along the axes, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BoundingBox {
    /// The left edge.
    pub left: f64,
    /// The upper edge.
    pub top: f64,
    /// The right edge.
    pub right: f64,
    /// The lower edge.
    pub bottom: f64,
}

impl BoundingBox {
    /// Width and height; 0 for reversed edges.
    #[must_use]
    pub fn sides(&self) -> [f64; 2] {
        [(self.right - self.left).max(0.0), (self.bottom - self.top).max(0.0)]
    }

    /// The center: x and y.
    #[must_use]
    pub fn center(&self) -> [f64; 2] {
        [(self.left + self.right) / 2.0, (self.top + self.bottom) / 2.0]
    }

    /// The area.
    #[must_use]
    pub fn area(&self) -> f64 {
        let [width, height] = self.sides();
        width * height
    }

    /// What both boxes have in common; without area if that is nothing.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self {
            left: self.left.max(other.left),
            top: self.top.max(other.top),
            right: self.right.min(other.right),
            bottom: self.bottom.min(other.bottom),
        }
    }

    /// The area of the intersection over that of the union, from 0 to 1; 0 for two empty boxes.
    #[must_use]
    pub fn overlap(&self, other: &Self) -> f64 {
        let shared = self.intersection(other).area();
        let union = self.area() + other.area() - shared;
        if union > 0.0 { shared / union } else { 0.0 }
    }

    /// The box in pixels of an image that is `factor` times as large.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        let Self { left, top, right, bottom } = *self;
        Self { left: factor * left, top: factor * top, right: factor * right, bottom: factor * bottom }
    }
}

/// The marked faces of a photo and those that a detector found, in the same pixels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PhotoDetections {
    /// The marked faces.
    pub marked: Vec<BoundingBox>,
    /// The faces found, with their scores, in any order.
    pub found: Vec<(BoundingBox, f64)>,
}

/// Average precision over faces of some size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AveragePrecision {
    /// Area under the precision-recall curve, from 0 to 1.
    pub average_precision: f64,
    /// Its standard error by bootstrap over photos.
    pub standard_error: f64,
    /// Number of marked faces of that size.
    pub faces: usize,
}

/// The area under the precision-recall curve for faces whose shorter side has at least `min_side`
/// pixels.
///
/// By descending score, a detection is a hit if the marked face that it overlaps most, by at least
/// [`MIN_OVERLAP`], has not been found before. Smaller marked faces are neither hits nor misses; nor are
/// detections that overlap no marked face and are smaller. Precision at a recall is the best at that
/// recall or a larger one. Source: Everingham et al., "The PASCAL Visual Object Classes Challenge", 2010,
/// with all points of the curve.
///
/// `None` if no marked face is that large.
#[must_use]
pub fn average_precision(photos: &[PhotoDetections], min_side: f64) -> Option<AveragePrecision> {
    let is_large = |face: &BoundingBox| face.sides().into_iter().fold(f64::INFINITY, f64::min) >= min_side;
    let counts: Vec<usize> =
        photos.iter().map(|photo| photo.marked.iter().filter(|face| is_large(face)).count()).collect();
    let faces = counts.iter().sum();
    if faces == 0 {
        return None;
    }
    let mut outcomes = Vec::new();
    for (photo, PhotoDetections { marked, found }) in photos.iter().enumerate() {
        let mut order: Vec<&(BoundingBox, f64)> = found.iter().collect();
        order.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        let mut is_found = vec![false; marked.len()];
        for &&(found, score) in &order {
            let overlaps = marked.iter().map(|face| face.overlap(&found)).enumerate();
            // The first of equals.
            let best = overlaps.reduce(|best, next| if next.1 > best.1 { next } else { best });
            match best.filter(|&(_, overlap)| overlap >= MIN_OVERLAP) {
                Some((index, _)) if is_large(&marked[index]) => {
                    let is_hit = !std::mem::replace(&mut is_found[index], true);
                    outcomes.push(Outcome { photo, score, is_hit });
                }
                None if is_large(&found) => outcomes.push(Outcome { photo, score, is_hit: false }),
                _ => {}
            }
        }
    }
    outcomes.sort_by(|one, other| other.score.total_cmp(&one.score));
    let value = area(&outcomes, &counts, &vec![1; photos.len()])?;
    let replicates: Vec<f64> = (0..REPLICATES)
        .filter_map(|replicate| {
            let mut generator = ChaCha8Rng::seed_from_u64(0);
            generator.set_stream(BOOTSTRAP_STREAM + replicate);
            let mut weights = vec![0; photos.len()];
            (0..photos.len()).for_each(|_| weights[generator.gen_range(0..photos.len() as u64) as usize] += 1);
            area(&outcomes, &counts, &weights)
        })
        .collect();
    let mean = replicates.iter().sum::<f64>() / replicates.len() as f64;
    let squares: f64 = replicates.iter().map(|replicate| (replicate - mean).powi(2)).sum();
    let standard_error = (squares / (replicates.len().max(2) - 1) as f64).sqrt();
    Some(AveragePrecision { average_precision: value, standard_error, faces })
}

/// A detection that counts.
struct Outcome {
    photo: usize,
    score: f64,
    is_hit: bool,
}

/// The area under the curve of outcomes by descending score, with each photo taken `weights[photo]` times.
/// `None` without marked faces.
fn area(outcomes: &[Outcome], counts: &[usize], weights: &[usize]) -> Option<f64> {
    let faces: usize = counts.iter().zip(weights).map(|(count, weight)| count * weight).sum();
    if faces == 0 {
        return None;
    }
    let (mut hits, mut all) = (0, 0);
    let mut points = Vec::with_capacity(outcomes.len());
    for outcome in outcomes {
        let weight = weights[outcome.photo];
        hits += if outcome.is_hit { weight } else { 0 };
        all += weight;
        points.push((hits as f64 / faces as f64, hits as f64 / all.max(1) as f64));
    }
    let (mut best, mut area) = (0.0_f64, 0.0);
    let mut recall_above = points.last().map_or(0.0, |&(recall, _)| recall);
    for &(recall, precision) in points.iter().rev() {
        area += (recall_above - recall) * best;
        best = best.max(precision);
        recall_above = recall;
    }
    Some(area + recall_above * best)
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    fn square(left: f64, top: f64, side: f64) -> BoundingBox {
        BoundingBox { left, top, right: left + side, bottom: top + side }
    }

    #[test]
    fn overlap_is_intersection_over_union() {
        let one = square(0.0, 0.0, 4.0);
        assert_eq!(one.overlap(&one), 1.0);
        assert_abs_diff_eq!(one.overlap(&square(2.0, 0.0, 4.0)), 8.0 / 24.0);
        assert_eq!(one.overlap(&square(4.0, 0.0, 4.0)), 0.0);
        let empty = square(1.0, 1.0, 0.0);
        assert_eq!((empty.overlap(&empty), one.overlap(&empty)), (0.0, 0.0));
        let reversed = BoundingBox { left: 3.0, top: 0.0, right: 1.0, bottom: 4.0 };
        assert_eq!((reversed.area(), one.overlap(&reversed)), (0.0, 0.0));
    }

    /// Two marked faces, found by the best and the third of four detections: precisions 1 and 2/3 at
    /// recalls 1/2 and 1.
    #[test]
    fn precision_is_averaged_over_recall() {
        let photo = PhotoDetections {
            marked: vec![square(0.0, 0.0, 10.0), square(50.0, 0.0, 10.0), square(80.0, 0.0, 2.0)],
            found: vec![
                (square(51.0, 0.0, 10.0), 0.7),
                (square(0.0, 0.0, 10.0), 0.9),
                (square(1.0, 0.0, 10.0), 0.8),   // again the first face
                (square(80.0, 0.0, 2.0), 0.95),  // too small to count
                (square(20.0, 50.0, 3.0), 0.99), // too small to be a miss
                (square(20.0, 50.0, 9.0), 0.1),
            ],
        };
        let score = average_precision(std::slice::from_ref(&photo), 5.0).unwrap();
        assert_eq!(score.faces, 2);
        assert_abs_diff_eq!(score.average_precision, 0.5 + 0.5 * 2.0 / 3.0);
        assert!(score.standard_error < 1e-12, "one photo says nothing about others");
        let none = PhotoDetections { found: Vec::new(), ..photo.clone() };
        let score = average_precision(&[photo.clone(), none], 5.0).unwrap();
        assert_abs_diff_eq!(score.average_precision, (0.5 + 0.5 * 2.0 / 3.0) / 2.0);
        assert!(score.standard_error > 0.1, "{score:?}");
        assert_eq!(average_precision(&[photo], 20.0), None);
    }
}
