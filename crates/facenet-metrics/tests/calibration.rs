//! Calibrations against the model that they fit, and against the conditions of the maximum, written as slow loops.

use approx::{assert_abs_diff_eq, assert_relative_eq};
use facenet_metrics::*;
use proptest::prelude::*;
use proptest::sample::Index;

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Pairs at 81 distances from 0 to 4, `count` at each, of which the model's share shows one person.
fn logistic(truth: Calibration, count: usize) -> (Vec<f64>, Vec<bool>) {
    let pairs = (0..=80).flat_map(|step| {
        let distance = f64::from(step) / 20.0;
        let same = (count as f64 * sigmoid(truth.slope * (truth.threshold - distance))).round() as usize;
        (0..count).map(move |pair| (distance, pair < same))
    });
    pairs.unzip()
}

/// Distances with ties, and the two kinds in one another.
fn mixed() -> impl Strategy<Value = (Vec<f64>, Vec<bool>)> {
    let pair = (0_u8..=16, any::<bool>());
    (prop::collection::vec(pair, 0..60), 0_u8..8, 8_u8..=16).prop_map(|(mut pairs, same, different)| {
        pairs.push((same, true));
        pairs.push((different, false));
        pairs.into_iter().map(|(distance, same)| (f64::from(distance) / 4.0, same)).unzip()
    })
}

fn mean(distances: &[f64], same: &[bool], kind: bool) -> f64 {
    let of_kind: Vec<f64> = distances.iter().zip(same).filter(|(_, same)| **same == kind).map(|(d, _)| *d).collect();
    of_kind.iter().sum::<f64>() / of_kind.len() as f64
}

fn any_calibration() -> impl Strategy<Value = Calibration> {
    (0.0..4.0, 0.1..50.0).prop_map(|(threshold, slope)| Calibration { threshold, slope })
}

proptest! {
    #[test]
    fn the_parameters_of_logistic_data_are_found(threshold in 0.5..3.5, slope in 1.0..20.0) {
        let truth = Calibration { threshold, slope };
        let (distances, same) = logistic(truth, 2_000);
        let same_pairs = same.iter().filter(|&&same| same).count() as f64;
        let different_pairs = same.len() as f64 - same_pairs;
        let fitted = Calibration::fit(&distances, &same).unwrap();
        // Both kinds weigh the same, which shifts the odds by the ratio of their numbers.
        let shifted = threshold + (different_pairs / same_pairs).ln() / slope;
        prop_assert!((fitted.threshold - shifted).abs() < 5e-3, "{fitted:?}, {shifted}");
        prop_assert!((fitted.slope / slope - 1.0).abs() < 2e-2, "{fitted:?}, {slope}");
    }

    /// Where the derivatives of the likelihood by intercept and slope are 0, it is largest: it has one maximum only.
    #[test]
    fn a_fit_is_the_maximum((distances, same) in mixed()) {
        let pairs = |kind| same.iter().filter(|&&same| same == kind).count() as f64;
        let fitted = Calibration::fit(&distances, &same);
        let [near, far] = [true, false].map(|kind| mean(&distances, &same, kind));
        // Distances and counts are such that equal means may differ by rounding.
        prop_assume!((near - far).abs() > 1e-9);
        let fitted = match fitted {
            Err(Error::SameNotNearer) => {
                prop_assert!(near > far);
                return Ok(());
            }
            Err(Error::CalibrationRange { field: "threshold", value, .. }) => {
                prop_assert!(value.abs() > 4.0);
                return Ok(());
            }
            other => other.unwrap(),
        };
        prop_assert!(near < far);
        let (mut by_intercept, mut by_slope) = (0.0, 0.0);
        for (&distance, &same) in distances.iter().zip(&same) {
            let count = pairs(same);
            let target = if same { (count + 1.0) / (count + 2.0) } else { 1.0 / (count + 2.0) };
            let difference = (fitted.probability(distance) - target) / count;
            by_intercept += difference;
            by_slope += difference * distance;
        }
        prop_assert!(by_intercept.abs() < 1e-9 && by_slope.abs() < 1e-9, "{by_intercept:e} {by_slope:e} {fitted:?}");
    }

    #[test]
    fn the_order_of_pairs_does_not_matter((distances, same) in mixed(), swaps in prop::collection::vec(any::<(Index, Index)>(), 60)) {
        let mut order: Vec<usize> = (0..same.len()).collect();
        swaps.iter().for_each(|(one, other)| order.swap(one.index(same.len()), other.index(same.len())));
        let shuffled: Vec<f64> = order.iter().map(|&pair| distances[pair]).collect();
        let shuffled_same: Vec<bool> = order.iter().map(|&pair| same[pair]).collect();
        prop_assert_eq!(Calibration::fit(&distances, &same), Calibration::fit(&shuffled, &shuffled_same));
    }

    #[test]
    fn pairs_told_apart_without_a_mistake(
        near in prop::collection::vec(0.0_f32..1.5, 1..40),
        far in prop::collection::vec(1.5_f32..4.0, 1..40),
        gap in 0.0_f32..0.5,
    ) {
        let distances: Vec<f32> = near.iter().copied().chain(far.iter().map(|distance| distance + gap)).collect();
        let same: Vec<bool> = (0..distances.len()).map(|pair| pair < near.len()).collect();
        match Calibration::fit(&distances, &same) {
            Ok(fitted) => {
                prop_assert!(fitted.slope > 0.0 && fitted.slope.is_finite() && fitted.threshold.is_finite());
                prop_assert_eq!(fitted.validate(), Ok(()));
            }
            // A single pair of a kind, beside many of the other, is believed little.
            Err(Error::CalibrationRange { .. }) => prop_assert!(near.len().min(far.len()) < 10),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn posteriors_are_bayes_rule(calibration in any_calibration(), distances in prop::collection::vec(0.0..4.0, 0..20)) {
        let people = distances.len() as f64;
        let odds = |distance: f64| (calibration.slope * (calibration.threshold - distance)).exp();
        // Weighed by the priors: 1/2 for nobody, 1/2N for each.
        let nobody = 0.5;
        let all = nobody + distances.iter().map(|&distance| odds(distance) / (2.0 * people)).sum::<f64>();
        let posteriors = calibration.posteriors(&distances.iter().map(|&distance| vec![distance]).collect::<Vec<_>>());
        prop_assert_eq!(posteriors.len(), distances.len());
        for (&distance, &posterior) in distances.iter().zip(&posteriors) {
            prop_assert!((posterior - odds(distance) / (2.0 * people) / all).abs() < 1e-12);
        }
        prop_assert!((posteriors.iter().sum::<f64>() + nobody / all - 1.0).abs() < 1e-12);
        let one = calibration.posteriors(&[vec![1.3]]);
        prop_assert!((one[0] - calibration.probability(1.3)).abs() < 1e-12);
    }

    #[test]
    fn odds_and_distances(calibration in any_calibration(), odds in 1e-6..1e6) {
        let distance = calibration.squared_distance_at(odds);
        prop_assert!((calibration.probability(distance) - odds / (1.0 + odds)).abs() < 1e-9);
    }
}

/// Nothing but smoothing depends on how many pairs of the other kind there are.
#[test]
fn both_kinds_weigh_the_same() {
    let (mut distances, mut same) = logistic(Calibration { threshold: 2.0, slope: 5.0 }, 1_000);
    let once = Calibration::fit(&distances, &same).unwrap();
    let different: Vec<f64> = distances.iter().zip(&same).filter(|(_, same)| !**same).map(|(d, _)| *d).collect();
    for _ in 0..9 {
        distances.extend(&different);
    }
    same.resize(distances.len(), false);
    let often = Calibration::fit(&distances, &same).unwrap();
    assert_abs_diff_eq!(once.threshold, often.threshold, epsilon = 1e-3);
    assert_relative_eq!(once.slope, often.slope, max_relative = 1e-3);
}

/// With one pair of each kind the probabilities are Platt's targets, 2/3 and 1/3.
#[test]
fn a_pair_of_each_kind() {
    let fitted = Calibration::fit(&[0.5_f32, 1.5], &[true, false]).unwrap();
    assert_abs_diff_eq!(fitted.threshold, 1.0, epsilon = 1e-12);
    assert_abs_diff_eq!(fitted.slope, 2.0 * 2.0_f64.ln(), epsilon = 1e-12);
    assert_abs_diff_eq!(fitted.probability(0.5), 2.0 / 3.0, epsilon = 1e-12);
    assert_abs_diff_eq!(fitted.squared_distance_at(2.0), 0.5, epsilon = 1e-12);
    assert_abs_diff_eq!(fitted.squared_distance_at(1.0), 1.0, epsilon = 1e-12);
}

#[test]
fn what_can_not_be_calibrated() {
    let fit = |distances: &[f64], same: &[bool]| Calibration::fit(distances, same).unwrap_err();
    assert_eq!(fit(&[], &[]), Error::NoSamePairs);
    assert_eq!(fit(&[1.0], &[false]), Error::NoSamePairs);
    assert_eq!(fit(&[1.0], &[true]), Error::NoDifferentPairs);
    assert_eq!(fit(&[1.0, f64::INFINITY], &[true, false]), Error::NotFiniteDistance { pair: 1, value: f64::INFINITY });
    // The wrong way round, no difference in the mean, no difference at all: 0.1 is not exact.
    assert_eq!(fit(&[1.0, 0.5], &[true, false]), Error::SameNotNearer);
    assert_eq!(fit(&[0.5, 1.5, 1.0], &[true, true, false]), Error::SameNotNearer);
    let tenths = [0.1; 10];
    assert_eq!(fit(&tenths, &std::array::from_fn::<_, 10, _>(|pair| pair < 3)), Error::SameNotNearer);
    // Kinds that hardly differ, distances that no embeddings have, distances beyond what numbers can hold.
    let range = |distances: &[f64], field| {
        let same: Vec<bool> = (0..distances.len()).map(|pair| pair == 0).collect();
        let error = fit(distances, &same);
        assert!(matches!(error, Error::CalibrationRange { field: found, .. } if found == field), "{error}");
    };
    range(&[1.0, 1.0 + 1e-7], "slope");
    range(&[1.0, 1.0 + f64::EPSILON], "slope");
    range(&[1.99, 0.0, 4.0, 0.0, 4.0, 0.0, 4.0], "threshold");
    range(&[100.0, 200.0], "threshold");
    range(&[-f64::MAX, f64::MAX], "threshold");
}

#[test]
fn extreme_numbers() {
    let steep = Calibration { threshold: 1.0, slope: 1e6 };
    assert_eq!([0.0, 1.0, 4.0].map(|distance| steep.probability(distance)), [1.0, 0.5, 0.0]);
    assert_eq!(steep.posteriors(&[vec![0.0], vec![0.0], vec![4.0]]), [0.5, 0.5, 0.0]);
    assert_eq!(steep.posteriors(&[vec![4.0], vec![4.0]]), [0.0, 0.0]);
    assert_eq!(steep.posteriors(&[vec![1.0], vec![1.0], vec![1.0]]), [1.0 / 6.0; 3]);
    assert!(steep.posteriors(&[]).is_empty());
    // One picture of two is half of the evidence.
    let two = Calibration { threshold: 1.0, slope: 2.0 };
    let evidence = |distance: f64| (2.0 * (1.0 - distance)).exp();
    let mean = (evidence(0.2) + evidence(1.9)) / 2.0;
    assert!((two.posteriors(&[vec![0.2, 1.9]])[0] - mean / (1.0 + mean)).abs() < 1e-12);
}

#[test]
fn numbers_from_outside() {
    let read = |text: &str| serde_json::from_str::<Calibration>(text);
    let fine = Calibration { threshold: 1.5, slope: 14.0 };
    assert_eq!(read(r#"{"threshold":1.5,"slope":14.0}"#).unwrap(), fine);
    assert_eq!(serde_json::to_string(&fine).unwrap(), r#"{"threshold":1.5,"slope":14.0}"#);
    for text in [r#"{"threshold":1.5}"#, r#"{"threshold":1.5,"slope":14.0,"scope":1}"#, "[]", "1"] {
        assert!(read(text).is_err(), "{text}");
    }
    for (threshold, slope) in [(-4.0, 1e6), (8.0, 1e-9), (1.0, 1.0)] {
        assert_eq!(Calibration { threshold, slope }.validate(), Ok(()));
    }
    let (nan, infinity) = (f64::NAN, f64::INFINITY);
    for (threshold, slope, field) in [
        (-4.1, 1.0, "threshold"),
        (8.1, 1.0, "threshold"),
        (nan, 1.0, "threshold"),
        (1.0, 0.0, "slope"),
        (1.0, -1.0, "slope"),
        (1.0, 1.1e6, "slope"),
        (1.0, infinity, "slope"),
        (1.0, nan, "slope"),
    ] {
        let result = Calibration { threshold, slope }.validate();
        assert!(matches!(result, Err(Error::CalibrationRange { field: found, .. }) if found == field), "{result:?}");
    }
}
