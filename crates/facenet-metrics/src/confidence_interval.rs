use serde::Serialize;

/// Two-sided 95 % quantile of the standard normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// A confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ConfidenceInterval {
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
}

/// Wilson's score interval of a proportion at 95 % confidence.
///
/// ```text
/// center = (p + z²/2n) / (1 + z²/n)
/// half   = z sqrt(p(1-p)/n + z²/4n²) / (1 + z²/n),   p = successes/n, z = 1.96
/// ```
///
/// Unlike `p ± z sqrt(p(1-p)/n)` it stays within [0, 1] and is sensible at 0 of n, where its upper
/// bound is about 3.84/n. It assumes independent trials. Pairs that share an image are not
/// independent: see [`IdentityBootstrap`](crate::IdentityBootstrap).
///
/// Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
/// 1927.
///
/// # Panics
///
/// Panics if there are no trials, or more successes than trials.
#[track_caller]
pub fn wilson_interval(successes: usize, trials: usize) -> ConfidenceInterval {
    assert!(trials > 0 && successes <= trials, "{successes} successes in {trials} trials");
    let (count, proportion) = (trials as f64, successes as f64 / trials as f64);
    let scale = 1.0 + Z * Z / count;
    let center = (proportion + Z * Z / (2.0 * count)) / scale;
    let half = Z * (proportion * (1.0 - proportion) / count + Z * Z / (4.0 * count * count)).sqrt() / scale;
    // At the extremes the bound is exactly 0 or 1, which rounding would miss.
    ConfidenceInterval {
        low: if successes == 0 { 0.0 } else { center - half },
        high: if successes == trials { 1.0 } else { center + half },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    /// Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I, method
    /// 3.
    #[test]
    fn intervals_match_newcombe_1998() {
        for (successes, trials, low, high) in
            [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)]
        {
            let interval = wilson_interval(successes, trials);
            assert_abs_diff_eq!(interval.low, low, epsilon = 5e-5);
            assert_abs_diff_eq!(interval.high, high, epsilon = 5e-5);
        }
    }

    #[test]
    fn bounds_at_the_extremes_are_exact_and_symmetric() {
        for trials in 1..200 {
            let (none, all) = (wilson_interval(0, trials), wilson_interval(trials, trials));
            assert_eq!((none.low, all.high), (0.0, 1.0));
            assert_abs_diff_eq!(none.high, 1.0 - all.low, epsilon = 1e-15);
        }
    }

    #[test]
    #[should_panic(expected = "3 successes in 2 trials")]
    fn more_successes_than_trials_panics() {
        wilson_interval(3, 2);
    }
}
