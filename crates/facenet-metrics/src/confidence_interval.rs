use serde::Serialize;

/// Two-sided 95 % quantile of the standard normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// A confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
}

/// Wilson's score interval of a proportion, at 95 % confidence.
///
/// ```text
/// centre = (p + z²/2n) / (1 + z²/n),   half = z sqrt(p(1-p)/n + z²/4n²) / (1 + z²/n),   p = successes/n, z = 1.96
/// ```
///
/// Unlike `p ± z sqrt(p(1-p)/n)` it stays inside [0, 1] and says something sensible at 0 of n: about 3.84/n is not excluded.
/// It assumes independent trials. Pairs that share a picture are not: see [`IdentityBootstrap`](crate::IdentityBootstrap).
///
/// Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
///
/// # Panics
/// If there are no trials, or more successes than trials.
#[track_caller]
pub fn wilson_interval(successes: usize, trials: usize) -> Interval {
    assert!(trials > 0 && successes <= trials, "{successes} successes in {trials} trials");
    let (count, proportion) = (trials as f64, successes as f64 / trials as f64);
    let scale = 1.0 + Z * Z / count;
    let centre = (proportion + Z * Z / (2.0 * count)) / scale;
    let half = Z * (proportion * (1.0 - proportion) / count + Z * Z / (4.0 * count * count)).sqrt() / scale;
    // At the two ends the bound is exactly 0 or 1; rounding would leave it a little beside.
    Interval {
        low: if successes == 0 { 0.0 } else { centre - half },
        high: if successes == trials { 1.0 } else { centre + half },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    /// Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I, method 3.
    #[test]
    fn newcombe_1998() {
        for (successes, trials, low, high) in
            [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)]
        {
            let interval = wilson_interval(successes, trials);
            assert_abs_diff_eq!(interval.low, low, epsilon = 5e-5);
            assert_abs_diff_eq!(interval.high, high, epsilon = 5e-5);
        }
    }

    #[test]
    fn ends_are_exact_and_mirrored() {
        for trials in 1..200 {
            let (none, all) = (wilson_interval(0, trials), wilson_interval(trials, trials));
            assert_eq!((none.low, all.high), (0.0, 1.0));
            assert_abs_diff_eq!(none.high, 1.0 - all.low, epsilon = 1e-15);
        }
    }

    #[test]
    #[should_panic(expected = "3 successes in 2 trials")]
    fn more_successes_than_trials() {
        wilson_interval(3, 2);
    }
}
