use serde::{Deserialize, Serialize};

use crate::verification::Step;
use crate::{Error, PairScores};

/// What squared distances of a network's embeddings mean: the evidence that a pair shows one person.
///
/// ```text
/// ln(P(same) / P(different)) = slope (threshold - d)      where both were as likely before
/// ```
///
/// Squared distances of embeddings of unit length are between 0 and 4.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// The squared distance at which both are equally likely.
    pub threshold: f64,
    /// By how much the logarithm of the odds falls where a squared distance grows by 1.
    pub slope: f64,
}

/// The thresholds that are allowed. Few pairs, or kinds that hardly differ, can move one beyond all squared distances that
/// there are; further out than this it means nothing.
const THRESHOLDS: [f64; 2] = [-4.0, 8.0];
/// The largest slope that is allowed: the last bit of a distance in single precision changes the odds by a tenth there.
const LARGEST_SLOPE: f64 = 1e6;
/// Newton's method takes some ten steps.
const STEPS: usize = 100;

impl Calibration {
    /// Logistic regression on pairs: the maximum of the likelihood, found by Newton's method. Pairs of one person weigh as
    /// much together as all others, however many there are of each. The order of the pairs does not matter.
    ///
    /// Pairs that a threshold tells apart without a mistake have no finite maximum, so the targets are smoothed: as if there
    /// were, of each kind, one pair more that was taken for the other (Platt 1999, "Probabilistic outputs for support vector
    /// machines", section 2.2).
    ///
    /// ```text
    /// (n + 1) / (n + 2) instead of 1 for the n pairs of one person,   1 / (n + 2) instead of 0 for the n others
    /// ```
    ///
    /// # Errors
    /// [`Error::NotFiniteDistance`], [`Error::NoSamePairs`], [`Error::NoDifferentPairs`]; [`Error::SameNotNearer`] if the
    /// mean distance of one person's pairs is not below that of the others: then, and only then, the slope is not above 0.
    /// [`Error::CalibrationRange`] as [`Calibration::validate`].
    ///
    /// # Panics
    /// If the two slices differ in length.
    #[track_caller]
    pub fn fit<D: Copy + Into<f64>>(squared_distances: &[D], same: &[bool]) -> Result<Self, Error> {
        let scores = PairScores::new(squared_distances, same)?;
        let calibration = Regression::new(&scores).ok_or(Error::SameNotNearer)?.solve();
        calibration.validate()?;
        Ok(calibration)
    }

    /// Checks numbers from outside.
    ///
    /// # Errors
    /// [`Error::CalibrationRange`] if the threshold is not between -4 and 8, or the slope not above 0 and at most 10⁶.
    pub fn validate(&self) -> Result<(), Error> {
        let ranges = [
            ("threshold", self.threshold, THRESHOLDS[0], THRESHOLDS[1]),
            ("slope", self.slope, f64::MIN_POSITIVE, LARGEST_SLOPE),
        ];
        for (field, value, least, most) in ranges {
            if !(least..=most).contains(&value) {
                return Err(Error::CalibrationRange { field, value, least, most });
            }
        }
        Ok(())
    }

    /// The probability that a pair shows one person, where that was as likely as not before.
    #[must_use]
    pub fn probability(&self, squared_distance: f64) -> f64 {
        sigmoid(self.log_odds(squared_distance))
    }

    /// The squared distance at which the evidence for one person is `odds` to one: `threshold - ln(odds) / slope`.
    #[must_use]
    pub fn squared_distance_at(&self, odds: f64) -> f64 {
        self.threshold - odds.ln() / self.slope
    }

    /// How likely it is that a probe shows each of N enrolled people, given its squared distances to the pictures of each. It
    /// was as likely as not before that it shows any of them, and then each with the same probability; what is missing to a
    /// sum of 1 is the probability that it shows nobody of them.
    ///
    /// ```text
    /// P(i) = e_i / (N + Σ e_j),   e_i = the mean of exp(slope (threshold - d)) over the distances d to person i
    /// ```
    ///
    /// The evidence is as if the probe had been taken on the occasion of one of a person's pictures, any of them, and of
    /// nothing else that the pictures have in common. So many pictures of a person do not make strangers more likely to be
    /// that person, as the nearest of them alone would.
    ///
    /// # Panics
    /// If a person has no distance.
    #[must_use]
    #[track_caller]
    pub fn posteriors(&self, people: &[Vec<f64>]) -> Vec<f64> {
        let evidence: Vec<f64> = people.iter().map(|distances| self.mean_evidence(distances)).collect();
        let nobody = (evidence.len() as f64).ln();
        // Divided by the largest term, none overflows, and the sum is 1 at least.
        let largest = evidence.iter().copied().fold(nobody, f64::max);
        let sum = (nobody - largest).exp() + evidence.iter().map(|term| (term - largest).exp()).sum::<f64>();
        evidence.iter().map(|term| (term - largest).exp() / sum).collect()
    }

    /// The logarithm of the mean of `exp(log odds)`.
    #[track_caller]
    fn mean_evidence(&self, squared_distances: &[f64]) -> f64 {
        let nearest = squared_distances.iter().copied().fold(f64::INFINITY, f64::min);
        assert!(!squared_distances.is_empty(), "a person has a picture");
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
struct Point {
    /// The distance, shifted and scaled so that numbers are neither large nor small.
    x: f64,
    /// The share that the pairs have in all weights.
    weight: f64,
    /// Their mean target.
    target: f64,
}

/// The cross-entropy that is to be least.
///
/// ```text
/// Σ w (ln(1 + exp(z)) - t z),   z = b - a x
/// ```
struct Regression {
    points: Vec<Point>,
    /// The distance at x = 0.
    origin: f64,
    /// The distance from x = 0 to x = 1.
    scale: f64,
}

impl Regression {
    /// `None` where one person's pairs are not nearer. With an intercept alone, the best prediction is the mean of the two
    /// targets, at which the derivative by the slope has the sign of the difference of the means.
    fn new(scores: &PairScores) -> Option<Self> {
        let (same, different) = (scores.same_pairs() as f64, scores.different_pairs() as f64);
        let steps: Vec<Step> = scores.steps(|_| true);
        // Relative to the least distance, equal distances have equal means, to the bit.
        let least = steps[0].squared_distance;
        let mean = |count: &dyn Fn(&Step) -> usize, pairs: f64| {
            steps.iter().map(|step| count(step) as f64 / pairs * (step.squared_distance - least)).sum::<f64>()
        };
        let (near, far) = (mean(&|step| step.same, same), mean(&|step| step.different, different));
        if near >= far {
            return None;
        }
        let (origin, scale) = (least + near / 2.0 + far / 2.0, far - near);
        let [same_target, different_target] = [(same + 1.0) / (same + 2.0), 1.0 / (different + 2.0)];
        let points = steps.iter().map(|step| {
            let [of_same, of_different] = [0.5 * step.same as f64 / same, 0.5 * step.different as f64 / different];
            let weight = of_same + of_different;
            let target = (of_same * same_target + of_different * different_target) / weight;
            Point { x: (step.squared_distance - origin) / scale, weight, target }
        });
        Some(Self { points: points.collect(), origin, scale })
    }

    /// Newton's method; a step that does not make the loss smaller is halved until it does.
    fn solve(&self) -> Calibration {
        let mut at = [0.0, 0.0];
        let mut loss = self.loss(at);
        for _ in 0..STEPS {
            let step = self.newton_step(at);
            let candidates = (0..60).map(|halvings| {
                let fraction = 0.5_f64.powi(halvings);
                [at[0] - fraction * step[0], at[1] - fraction * step[1]]
            });
            let better = candidates.map(|candidate| (candidate, self.loss(candidate))).find(|(_, less)| *less < loss);
            // None is left where rounding hides what is still to be gained.
            let Some((candidate, less)) = better else { break };
            (at, loss) = (candidate, less);
        }
        // The last steps, too short to show in the loss.
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

    /// The gradient, divided by the matrix of second derivatives.
    fn newton_step(&self, [intercept, slope]: [f64; 2]) -> [f64; 2] {
        let (mut gradient, mut hessian) = ([0.0; 2], [0.0; 3]);
        for &Point { x, weight, target } in &self.points {
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
