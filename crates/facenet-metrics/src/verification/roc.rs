use crate::confidence_interval::{ConfidenceInterval, wilson_interval};
use crate::verification::pair_scores::PairScores;
use crate::verification::threshold::{threshold_after, threshold_below};
use serde::Serialize;

/// A point of the ROC curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RocPoint {
    /// Largest squared distance that is accepted.
    pub threshold: f64,
    /// Number of impostor pairs accepted.
    pub false_accepts: usize,
    /// Number of genuine pairs accepted.
    pub true_accepts: usize,
    /// `FAR(t) = false_accepts / impostor pairs`.
    pub false_accept_rate: f64,
    /// `VAL(t) = true_accepts / genuine pairs`.
    pub validation_rate: f64,
}

/// The receiver operating characteristic: every distinct outcome of a threshold, from accepting no
/// pair to accepting all.
///
/// Pairs at equal distance are accepted together, as one step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RocCurve {
    /// By ascending threshold: the first point accepts no pair, the last all.
    pub points: Vec<RocPoint>,
    /// Number of genuine pairs.
    #[serde(rename = "same_pairs")]
    pub genuine_pairs: usize,
    /// Number of impostor pairs.
    #[serde(rename = "different_pairs")]
    pub impostor_pairs: usize,
}

/// The validation rate at a bound on the false accept rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ValidationRate {
    /// The bound.
    pub target_false_accept_rate: f64,
    /// The false accept rate reached: the largest within the bound.
    pub false_accept_rate: f64,
    /// Its 95 % Wilson interval. If it is wide, there are too few impostor pairs for the bound.
    pub false_accept_rate_interval: ConfidenceInterval,
    /// Fraction of genuine pairs accepted.
    pub validation_rate: f64,
    /// Its 95 % Wilson interval.
    pub validation_rate_interval: ConfidenceInterval,
    /// The threshold.
    pub threshold: f64,
}

impl PairScores {
    /// The ROC curve of all pairs.
    pub fn roc(&self) -> RocCurve {
        let (genuine_pairs, impostor_pairs) = (self.genuine_pairs(), self.impostor_pairs());
        let point = |threshold, false_accepts: usize, true_accepts: usize| RocPoint {
            threshold,
            false_accepts,
            true_accepts,
            false_accept_rate: false_accepts as f64 / impostor_pairs as f64,
            validation_rate: true_accepts as f64 / genuine_pairs as f64,
        };
        let counts = self.distance_counts(|_| true);
        let mut points = vec![point(threshold_below(counts[0].squared_distance), 0, 0)];
        let (mut false_accepts, mut true_accepts) = (0, 0);
        for (i, count) in counts.iter().enumerate() {
            false_accepts += count.impostor;
            true_accepts += count.genuine;
            points.push(point(threshold_after(&counts, i), false_accepts, true_accepts));
        }
        RocCurve { points, genuine_pairs, impostor_pairs }
    }
}

impl RocCurve {
    /// Area under the curve: the probability that a genuine pair is nearer than an impostor pair
    /// (Mann-Whitney).
    ///
    /// ```text
    /// AUC = (#{(g, i): g < i} + #{(g, i): g = i} / 2) / (genuine pairs * impostor pairs)
    /// ```
    pub fn auc(&self) -> f64 {
        let mut doubled = 0u128;
        for [before, after] in self.points.array_windows() {
            let farther = (self.impostor_pairs - before.false_accepts) + (self.impostor_pairs - after.false_accepts);
            doubled += (after.true_accepts - before.true_accepts) as u128 * farther as u128;
        }
        doubled as f64 / (2 * self.genuine_pairs as u128 * self.impostor_pairs as u128) as f64
    }

    /// The equal error rate, where the false accept rate equals the false reject rate.
    ///
    /// If no threshold gives `FAR = 1 - VAL`, both rates are interpolated linearly between the two
    /// bracketing points.
    pub fn equal_error_rate(&self) -> f64 {
        let excess = |point: &RocPoint| point.false_accept_rate - (1.0 - point.validation_rate);
        // The excess rises from -1 at the first point to +1 at the last.
        let at = self.points.partition_point(|point| excess(point) < 0.0);
        let (before, after) = (&self.points[at - 1], &self.points[at]);
        let fraction = -excess(before) / (excess(after) - excess(before));
        before.false_accept_rate + fraction * (after.false_accept_rate - before.false_accept_rate)
    }

    /// Whether the impostor pairs resolve a false accept rate: one false accept among them is at most that
    /// rate. A validation rate at a lower one is that without any false accept, whatever the rate, and says
    /// nothing about it.
    #[must_use]
    pub fn resolves(&self, false_accept_rate: f64) -> bool {
        false_accept_rate * self.impostor_pairs as f64 >= 1.0
    }

    /// VAL at FAR: the validation rate at the largest threshold whose false accept rate is at most
    /// the target.
    ///
    /// ```text
    /// VAL(t*),   t* = max {t : FAR(t) <= target}
    /// ```
    ///
    /// Nothing is interpolated. The paper (section 4) uses a target of 0.001. See [`Self::resolves`].
    ///
    /// # Panics
    ///
    /// Panics if the target is not within 0..=1.
    #[track_caller]
    pub fn validation_rate_at(&self, target_false_accept_rate: f64) -> ValidationRate {
        assert!(
            (0.0..=1.0).contains(&target_false_accept_rate),
            "false accept rate must be within [0, 1], got {target_false_accept_rate}"
        );
        let end = self.points.partition_point(|point| point.false_accept_rate <= target_false_accept_rate);
        let point = &self.points[end - 1];
        ValidationRate {
            target_false_accept_rate,
            false_accept_rate: point.false_accept_rate,
            false_accept_rate_interval: wilson_interval(point.false_accepts, self.impostor_pairs),
            validation_rate: point.validation_rate,
            validation_rate_interval: wilson_interval(point.true_accepts, self.genuine_pairs),
            threshold: point.threshold,
        }
    }
}
