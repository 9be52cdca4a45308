use super::PairScores;
use super::threshold::{below, threshold_behind};
use crate::interval::{Interval, wilson_interval};
use serde::Serialize;

/// What one threshold accepts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RocPoint {
    /// Squared distance up to which a pair is called "same".
    pub threshold: f64,
    /// Accepted pairs of different identities.
    pub false_accepts: usize,
    /// Accepted pairs of the same identity.
    pub true_accepts: usize,
    /// `FAR(t) = false_accepts / different pairs`.
    pub false_accept_rate: f64,
    /// `VAL(t) = true_accepts / same pairs`.
    pub validation_rate: f64,
}

/// The receiver operating characteristic: every distinct outcome of a threshold, from accepting nothing to accepting all.
///
/// Pairs of equal distance enter together, as one step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RocCurve {
    /// By rising threshold; the first accepts nothing, the last all.
    pub points: Vec<RocPoint>,
    /// Number of pairs of the same identity.
    pub same_pairs: usize,
    /// Number of pairs of different identities.
    pub different_pairs: usize,
}

/// Validation rate at a bound on the false accept rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ValidationRate {
    /// The bound that was asked for.
    pub target_false_accept_rate: f64,
    /// The rate reached: the largest possible one within the bound.
    pub false_accept_rate: f64,
    /// 95 % Wilson interval of the rate reached. Where it is wide, there are too few pairs to speak of the target.
    pub false_accept_rate_interval: Interval,
    /// Share of same-identity pairs accepted.
    pub validation_rate: f64,
    /// Its 95 % Wilson interval.
    pub validation_rate_interval: Interval,
    /// The threshold used.
    pub threshold: f64,
}

impl PairScores {
    /// The ROC curve of all pairs.
    pub fn roc(&self) -> RocCurve {
        let (same_pairs, different_pairs) = (self.same_pairs(), self.different_pairs());
        let point = |threshold, false_accepts: usize, true_accepts: usize| RocPoint {
            threshold,
            false_accepts,
            true_accepts,
            false_accept_rate: false_accepts as f64 / different_pairs as f64,
            validation_rate: true_accepts as f64 / same_pairs as f64,
        };
        let steps = self.steps(|_| true);
        let mut points = vec![point(below(steps[0].squared_distance), 0, 0)];
        let (mut false_accepts, mut true_accepts) = (0, 0);
        for (i, step) in steps.iter().enumerate() {
            false_accepts += step.different;
            true_accepts += step.same;
            points.push(point(threshold_behind(&steps, i), false_accepts, true_accepts));
        }
        RocCurve { points, same_pairs, different_pairs }
    }
}

impl RocCurve {
    /// Area under the curve: how often a pair of the same identity is nearer than one of different identities (Mann-Whitney).
    ///
    /// ```text
    /// AUC = (#{(s, d): s < d} + #{(s, d): s = d} / 2) / (same pairs * different pairs)
    /// ```
    pub fn auc(&self) -> f64 {
        let mut doubled = 0u128;
        for [before, after] in self.points.array_windows() {
            let farther = (self.different_pairs - before.false_accepts) + (self.different_pairs - after.false_accepts);
            doubled += (after.true_accepts - before.true_accepts) as u128 * farther as u128;
        }
        doubled as f64 / (2 * self.same_pairs as u128 * self.different_pairs as u128) as f64
    }

    /// The rate at which false accepts equal false rejects.
    ///
    /// Where no threshold makes `FAR = 1 - VAL`, both are taken to run straight between the two bracketing points.
    pub fn equal_error_rate(&self) -> f64 {
        let excess = |point: &RocPoint| point.false_accept_rate - (1.0 - point.validation_rate);
        // The curve starts at an excess of -1 and ends at +1.
        let at = self.points.partition_point(|point| excess(point) < 0.0);
        let (before, after) = (&self.points[at - 1], &self.points[at]);
        let share = -excess(before) / (excess(after) - excess(before));
        before.false_accept_rate + share * (after.false_accept_rate - before.false_accept_rate)
    }

    /// VAL at FAR: the validation rate of the largest threshold whose false accept rate is at most the target.
    ///
    /// ```text
    /// VAL(t*),   t* = max {t : FAR(t) <= target}
    /// ```
    ///
    /// The rule is a step, nothing is interpolated. The paper (section 4) uses it at 0.001.
    ///
    /// # Panics
    /// If the target is not within 0..=1.
    #[track_caller]
    pub fn validation_rate_at(&self, target_false_accept_rate: f64) -> ValidationRate {
        assert!((0.0..=1.0).contains(&target_false_accept_rate), "a false accept rate of {target_false_accept_rate}");
        let behind = self.points.partition_point(|point| point.false_accept_rate <= target_false_accept_rate);
        let point = &self.points[behind - 1];
        ValidationRate {
            target_false_accept_rate,
            false_accept_rate: point.false_accept_rate,
            false_accept_rate_interval: wilson_interval(point.false_accepts, self.different_pairs),
            validation_rate: point.validation_rate,
            validation_rate_interval: wilson_interval(point.true_accepts, self.same_pairs),
            threshold: point.threshold,
        }
    }
}
