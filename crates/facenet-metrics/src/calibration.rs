use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::verification::pair_scores::{DistanceCount, PairScores};

/// Maps squared distances of one network to the log odds that a pair is genuine, for equal prior
/// probabilities.
///
/// ```text
/// ln(P(genuine) / P(impostor)) = slope (threshold - d)
/// ```
///
/// Squared distances of unit embeddings are between 0 and 4.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// The squared distance at which genuine and impostor are equally likely.
    pub threshold: f64,
    /// Decrease of the log odds per unit of squared distance.
    pub slope: f64,
}

/// Allowed thresholds. Few pairs, or overlapping distributions, can move the threshold beyond all
/// squared distances that occur; outside this range it is meaningless.
const THRESHOLD_RANGE: [f64; 2] = [-4.0, 8.0];
/// Largest allowed slope. Here the last bit of a single-precision distance changes the odds by a
/// tenth.
const MAX_SLOPE: f64 = 1e6;
/// Limit on Newton iterations; about ten are needed.
const MAX_ITERATIONS: usize = 100;

impl Calibration {
    /// Fits a logistic regression by maximum likelihood, with Newton's method.
    ///
    /// Genuine and impostor pairs have the same total weight, regardless of their counts. The order
    /// of the pairs does not matter.
    ///
    /// Perfectly separable pairs have no finite maximum, so the targets are smoothed as if each
    /// class had one additional, misclassified pair (Platt 1999, "Probabilistic outputs for support
    /// vector machines", section 2.2):
    ///
    /// ```text
    /// (n + 1) / (n + 2) instead of 1 for n genuine pairs
    /// 1 / (n + 2) instead of 0 for n impostor pairs
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::GenuineNotNearer`] if the mean distance of genuine pairs is not below that of
    /// impostor pairs; exactly then the slope would not be positive.
    /// [`Error::CalibrationOutOfRange`] as for [`Calibration::validate`].
    pub fn fit(scores: &PairScores) -> Result<Self, Error> {
        let calibration = LogisticRegression::new(scores).ok_or(Error::GenuineNotNearer)?.solve();
        calibration.validate()?;
        Ok(calibration)
    }

    /// Checks the ranges of the parameters, for example after deserializing them.
    ///
    /// # Errors
    ///
    /// [`Error::CalibrationOutOfRange`] if the threshold is not between -4 and 8, or the slope is
    /// not positive and at most 10⁶.
    pub fn validate(&self) -> Result<(), Error> {
        let ranges = [
            ("threshold", self.threshold, THRESHOLD_RANGE[0], THRESHOLD_RANGE[1]),
            ("slope", self.slope, f64::MIN_POSITIVE, MAX_SLOPE),
        ];
        for (field, value, min, max) in ranges {
            if !(min..=max).contains(&value) {
                return Err(Error::CalibrationOutOfRange { field, value, min, max });
            }
        }
        Ok(())
    }

    /// The probability that a pair is genuine, for equal prior probabilities.
    #[must_use]
    pub fn probability(&self, squared_distance: f64) -> f64 {
        sigmoid(self.log_odds(squared_distance))
    }

    /// The squared distance at which the odds of a genuine pair are `odds` to one:
    /// `threshold - ln(odds) / slope`.
    #[must_use]
    pub fn squared_distance_at(&self, odds: f64) -> f64 {
        self.threshold - odds.ln() / self.slope
    }

    /// The posterior probability of each of N enrolled people, given the squared distances of a
    /// probe to the images of each.
    ///
    /// The prior probability that the probe is unknown is 1/2; the other half is distributed evenly
    /// over the enrolled people. The posterior probability of unknown is 1 minus the sum of the
    /// result.
    ///
    /// ```text
    /// P(i) = e_i / (N + Σ e_j)
    /// e_i = mean of exp(slope (threshold - d)) over the distances d to person i
    /// ```
    ///
    /// The mean models the probe as taken under the same circumstances as one of the person's
    /// images, each equally likely. Unlike a minimum over the images, it does not make strangers
    /// more similar to people with many enrolled images.
    ///
    /// # Panics
    ///
    /// Panics if a person has no distances.
    #[must_use]
    #[track_caller]
    pub fn posteriors(&self, people: &[Vec<f64>]) -> Vec<f64> {
        let evidence: Vec<f64> = people.iter().map(|distances| self.log_mean_odds(distances)).collect();
        let unknown = (evidence.len() as f64).ln();
        // Relative to the largest term nothing overflows, and the sum is at least 1.
        let largest = evidence.iter().copied().fold(unknown, f64::max);
        let sum = (unknown - largest).exp() + evidence.iter().map(|term| (term - largest).exp()).sum::<f64>();
        evidence.iter().map(|term| (term - largest).exp() / sum).collect()
    }

    /// The logarithm of the mean of `exp(log odds)`.
    #[track_caller]
    fn log_mean_odds(&self, squared_distances: &[f64]) -> f64 {
        let nearest = squared_distances.iter().copied().fold(f64::INFINITY, f64::min);
        assert!(!squared_distances.is_empty(), "every person needs at least one distance");
        let largest = self.log_odds(nearest);
        let sum: f64 = squared_distances.iter().map(|&distance| (self.log_odds(distance) - largest).exp()).sum();
        largest + (sum / squared_distances.len() as f64).ln()
    }

    fn log_odds(&self, squared_distance: f64) -> f64 {
        self.slope * (self.threshold - squared_distance)
    }
}

fn sigmoid(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}

/// `ln(1 + exp(x))` without overflow.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// All pairs at one distance.
struct WeightedPoint {
    /// The distance, shifted and scaled to be of order 1.
    x: f64,
    /// Fraction of the total weight.
    weight: f64,
    /// Mean target of the pairs.
    target: f64,
}

/// The cross-entropy to minimize.
///
/// ```text
/// Σ w (ln(1 + exp(z)) - t z),   z = b - a x
/// ```
struct LogisticRegression {
    points: Vec<WeightedPoint>,
    /// The distance at x = 0.
    origin: f64,
    /// The distance from x = 0 to x = 1.
    scale: f64,
}

impl LogisticRegression {
    /// Returns `None` if genuine pairs are not nearer on average. With an intercept alone, the best
    /// prediction is the mean of the two targets, where the derivative with respect to the slope
    /// has the sign of the difference of the means.
    fn new(scores: &PairScores) -> Option<Self> {
        let (genuine, impostor) = (scores.genuine_pairs() as f64, scores.impostor_pairs() as f64);
        let counts: Vec<DistanceCount> = scores.distance_counts(|_| true);
        // Relative to the smallest distance, equal distances have bitwise equal means.
        let smallest = counts[0].squared_distance;
        let mean = |pairs_at: &dyn Fn(&DistanceCount) -> usize, pairs: f64| {
            counts.iter().map(|count| pairs_at(count) as f64 / pairs * (count.squared_distance - smallest)).sum::<f64>()
        };
        let (near, far) = (mean(&|count| count.genuine, genuine), mean(&|count| count.impostor, impostor));
        if near >= far {
            return None;
        }
        let (origin, scale) = (smallest + near / 2.0 + far / 2.0, far - near);
        let [genuine_target, impostor_target] = [(genuine + 1.0) / (genuine + 2.0), 1.0 / (impostor + 2.0)];
        let points = counts.iter().map(|count| {
            let [genuine_weight, impostor_weight] =
                [0.5 * count.genuine as f64 / genuine, 0.5 * count.impostor as f64 / impostor];
            let weight = genuine_weight + impostor_weight;
            let target = (genuine_weight * genuine_target + impostor_weight * impostor_target) / weight;
            WeightedPoint { x: (count.squared_distance - origin) / scale, weight, target }
        });
        Some(Self { points: points.collect(), origin, scale })
    }

    /// Newton's method with step halving.
    fn solve(&self) -> Calibration {
        let mut at = [0.0, 0.0];
        let mut loss = self.loss(at);
        for _ in 0..MAX_ITERATIONS {
            let step = self.newton_step(at);
            let candidates = (0..60).map(|halvings| {
                let fraction = 0.5_f64.powi(halvings);
                [at[0] - fraction * step[0], at[1] - fraction * step[1]]
            });
            let better = candidates.map(|candidate| (candidate, self.loss(candidate))).find(|(_, less)| *less < loss);
            // No candidate improves once the remaining gain is below rounding error.
            let Some((candidate, less)) = better else { break };
            (at, loss) = (candidate, less);
        }
        // Final steps that are too short to change the loss.
        for _ in 0..2 {
            let step = self.newton_step(at);
            if step.iter().all(|change| change.abs() < 1e-4) {
                at = [at[0] - step[0], at[1] - step[1]];
            }
        }
        let [intercept, slope] = at;
        Calibration { threshold: self.origin + self.scale * (intercept / slope), slope: slope / self.scale }
    }

    fn loss(&self, [intercept, slope]: [f64; 2]) -> f64 {
        let terms = self.points.iter().map(|point| {
            let z = intercept - slope * point.x;
            point.weight * (softplus(z) - point.target * z)
        });
        terms.sum()
    }

    /// The inverse Hessian times the gradient.
    fn newton_step(&self, [intercept, slope]: [f64; 2]) -> [f64; 2] {
        let (mut gradient, mut hessian) = ([0.0; 2], [0.0; 3]);
        for &WeightedPoint { x, weight, target } in &self.points {
            let probability = sigmoid(intercept - slope * x);
            let (first, second) = (weight * (probability - target), weight * probability * (1.0 - probability));
            gradient = [gradient[0] + first, gradient[1] - first * x];
            hessian = [hessian[0] + second, hessian[1] - second * x, hessian[2] + second * x * x];
        }
        let [bb, ab, aa] = hessian;
        let determinant = bb * aa - ab * ab;
        [(aa * gradient[0] - ab * gradient[1]) / determinant, (bb * gradient[1] - ab * gradient[0]) / determinant]
    }
}
