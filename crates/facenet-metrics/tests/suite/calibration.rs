//! Calibrations against data drawn from the model, and against slow loops over the conditions of
//! the maximum.

use approx::{assert_abs_diff_eq, assert_relative_eq};
use facenet_metrics::*;
use proptest::prelude::*;
use proptest::sample::Index;

fn fit<D: Copy + Into<f64>>(distances: &[D], genuine: &[bool]) -> Result<Calibration, Error> {
    PairScores::new(distances, genuine).and_then(|scores| Calibration::fit(&scores))
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// `count` pairs at each of 81 distances from 0 to 4, with the fraction of genuine pairs given by
/// the model.
fn logistic(truth: Calibration, count: usize) -> (Vec<f64>, Vec<bool>) {
    let pairs = (0..=80).flat_map(|step| {
        let distance = f64::from(step) / 20.0;
        let genuine = (count as f64 * sigmoid(truth.slope * (truth.threshold - distance))).round() as usize;
        (0..count).map(move |pair| (distance, pair < genuine))
    });
    pairs.unzip()
}

/// Overlapping genuine and impostor distances with ties.
fn mixed() -> impl Strategy<Value = (Vec<f64>, Vec<bool>)> {
    let pair = (0_u8..=16, any::<bool>());
    (prop::collection::vec(pair, 0..60), 0_u8..8, 8_u8..=16).prop_map(|(mut pairs, genuine, different)| {
        pairs.push((genuine, true));
        pairs.push((different, false));
        pairs.into_iter().map(|(distance, genuine)| (f64::from(distance) / 4.0, genuine)).unzip()
    })
}

fn mean(distances: &[f64], genuine: &[bool], kind: bool) -> f64 {
    let of_kind: Vec<f64> =
        distances.iter().zip(genuine).filter(|(_, genuine)| **genuine == kind).map(|(d, _)| *d).collect();
    of_kind.iter().sum::<f64>() / of_kind.len() as f64
}

fn any_calibration() -> impl Strategy<Value = Calibration> {
    (0.0..4.0, 0.1..50.0).prop_map(|(threshold, slope)| Calibration { threshold, slope })
}

proptest! {
    #[test]
    fn the_parameters_of_logistic_data_are_recovered(threshold in 0.5..3.5, slope in 1.0..20.0) {
        let truth = Calibration { threshold, slope };
        let (distances, genuine) = logistic(truth, 2_000);
        let genuine_pairs = genuine.iter().filter(|&&genuine| genuine).count() as f64;
        let impostor_pairs = genuine.len() as f64 - genuine_pairs;
        let fitted = fit(&distances, &genuine).unwrap();
        // Equal total weights shift the odds by the ratio of the counts.
        let shifted = threshold + (impostor_pairs / genuine_pairs).ln() / slope;
        prop_assert!((fitted.threshold - shifted).abs() < 5e-3, "{fitted:?}, {shifted}");
        prop_assert!((fitted.slope / slope - 1.0).abs() < 2e-2, "{fitted:?}, {slope}");
    }

    /// The likelihood has a single maximum, where its derivatives by intercept and slope are 0.
    #[test]
    fn a_fit_is_the_maximum((distances, genuine) in mixed()) {
        let pairs = |kind| genuine.iter().filter(|&&genuine| genuine == kind).count() as f64;
        let fitted = fit(&distances, &genuine);
        let [near, far] = [true, false].map(|kind| mean(&distances, &genuine, kind));
        // Equal means may differ by rounding.
        prop_assume!((near - far).abs() > 1e-9);
        let fitted = match fitted {
            Err(Error::GenuineNotNearer) => {
                prop_assert!(near > far);
                return Ok(());
            }
            Err(Error::CalibrationOutOfRange { field: "threshold", value, .. }) => {
                prop_assert!(value.abs() > 4.0);
                return Ok(());
            }
            other => other.unwrap(),
        };
        prop_assert!(near < far);
        let (mut by_intercept, mut by_slope) = (0.0, 0.0);
        for (&distance, &genuine) in distances.iter().zip(&genuine) {
            let count = pairs(genuine);
            let target = if genuine { (count + 1.0) / (count + 2.0) } else { 1.0 / (count + 2.0) };
            let difference = (fitted.probability(distance) - target) / count;
            by_intercept += difference;
            by_slope += difference * distance;
        }
        prop_assert!(by_intercept.abs() < 1e-9 && by_slope.abs() < 1e-9, "{by_intercept:e} {by_slope:e} {fitted:?}");
    }

    #[test]
    fn the_order_of_pairs_does_not_matter((distances, genuine) in mixed(), swaps in prop::collection::vec(any::<(Index, Index)>(), 60)) {
        let mut order: Vec<usize> = (0..genuine.len()).collect();
        swaps.iter().for_each(|(one, other)| order.swap(one.index(genuine.len()), other.index(genuine.len())));
        let shuffled: Vec<f64> = order.iter().map(|&pair| distances[pair]).collect();
        let shuffled_same: Vec<bool> = order.iter().map(|&pair| genuine[pair]).collect();
        prop_assert_eq!(fit(&distances, &genuine), fit(&shuffled, &shuffled_same));
    }

    #[test]
    fn separable_pairs_are_calibrated(
        near in prop::collection::vec(0.0_f32..1.5, 1..40),
        far in prop::collection::vec(1.5_f32..4.0, 1..40),
        gap in 0.0_f32..0.5,
    ) {
        let distances: Vec<f32> = near.iter().copied().chain(far.iter().map(|distance| distance + gap)).collect();
        let genuine: Vec<bool> = (0..distances.len()).map(|pair| pair < near.len()).collect();
        match fit(&distances, &genuine) {
            Ok(fitted) => {
                prop_assert!(fitted.slope > 0.0 && fitted.slope.is_finite() && fitted.threshold.is_finite());
                prop_assert_eq!(fitted.validate(), Ok(()));
            }
            // Very unequal counts can move the threshold out of range.
            Err(Error::CalibrationOutOfRange { .. }) => prop_assert!(near.len().min(far.len()) < 10),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn posteriors_are_bayes_rule(calibration in any_calibration(), distances in prop::collection::vec(0.0..4.0, 0..20)) {
        let people = distances.len() as f64;
        let odds = |distance: f64| (calibration.slope * (calibration.threshold - distance)).exp();
        // Weighted by the priors: 1/2 for unknown, 1/2N for each person.
        let unknown = 0.5;
        let all = unknown + distances.iter().map(|&distance| odds(distance) / (2.0 * people)).sum::<f64>();
        let posteriors = calibration.posteriors(&distances.iter().map(|&distance| vec![distance]).collect::<Vec<_>>());
        prop_assert_eq!(posteriors.len(), distances.len());
        for (&distance, &posterior) in distances.iter().zip(&posteriors) {
            prop_assert!((posterior - odds(distance) / (2.0 * people) / all).abs() < 1e-12);
        }
        prop_assert!((posteriors.iter().sum::<f64>() + unknown / all - 1.0).abs() < 1e-12);
        let one = calibration.posteriors(&[vec![1.3]]);
        prop_assert!((one[0] - calibration.probability(1.3)).abs() < 1e-12);
    }

    #[test]
    fn squared_distance_at_inverts_the_odds(calibration in any_calibration(), odds in 1e-6..1e6) {
        let distance = calibration.squared_distance_at(odds);
        prop_assert!((calibration.probability(distance) - odds / (1.0 + odds)).abs() < 1e-9);
    }
}

/// The counts of genuine and impostor pairs only affect the smoothing.
#[test]
fn genuine_and_impostor_pairs_have_equal_weight() {
    let (mut distances, mut genuine) = logistic(Calibration { threshold: 2.0, slope: 5.0 }, 1_000);
    let once = fit(&distances, &genuine).unwrap();
    let impostor: Vec<f64> =
        distances.iter().zip(&genuine).filter(|(_, genuine)| !**genuine).map(|(d, _)| *d).collect();
    for _ in 0..9 {
        distances.extend(&impostor);
    }
    genuine.resize(distances.len(), false);
    let often = fit(&distances, &genuine).unwrap();
    assert_abs_diff_eq!(once.threshold, often.threshold, epsilon = 1e-3);
    assert_relative_eq!(once.slope, often.slope, max_relative = 1e-3);
}

/// With one genuine and one impostor pair the probabilities are Platt's targets, 2/3 and 1/3.
#[test]
fn two_pairs_reach_their_targets() {
    let fitted = fit(&[0.5_f32, 1.5], &[true, false]).unwrap();
    assert_abs_diff_eq!(fitted.threshold, 1.0, epsilon = 1e-12);
    assert_abs_diff_eq!(fitted.slope, 2.0 * 2.0_f64.ln(), epsilon = 1e-12);
    assert_abs_diff_eq!(fitted.probability(0.5), 2.0 / 3.0, epsilon = 1e-12);
    assert_abs_diff_eq!(fitted.squared_distance_at(2.0), 0.5, epsilon = 1e-12);
    assert_abs_diff_eq!(fitted.squared_distance_at(1.0), 1.0, epsilon = 1e-12);
}

#[test]
fn uninformative_or_extreme_data_are_errors() {
    let error = |distances: &[f64], genuine: &[bool]| fit(distances, genuine).unwrap_err();
    assert_eq!(error(&[], &[]), Error::NoGenuinePairs);
    assert_eq!(error(&[1.0], &[false]), Error::NoGenuinePairs);
    assert_eq!(error(&[1.0], &[true]), Error::NoImpostorPairs);
    assert_eq!(
        error(&[1.0, f64::INFINITY], &[true, false]),
        Error::NotFiniteDistance { pair: 1, value: f64::INFINITY }
    );
    // Reversed, equal means, equal distances (0.1 is not exact).
    assert_eq!(error(&[1.0, 0.5], &[true, false]), Error::GenuineNotNearer);
    assert_eq!(error(&[0.5, 1.5, 1.0], &[true, true, false]), Error::GenuineNotNearer);
    let tenths = [0.1; 10];
    assert_eq!(error(&tenths, &std::array::from_fn::<_, 10, _>(|pair| pair < 3)), Error::GenuineNotNearer);
    // Hardly any difference, distances beyond those of unit embeddings, overflowing distances.
    let range = |distances: &[f64], field| {
        let genuine: Vec<bool> = (0..distances.len()).map(|pair| pair == 0).collect();
        let error = error(distances, &genuine);
        assert!(matches!(error, Error::CalibrationOutOfRange { field: found, .. } if found == field), "{error}");
    };
    range(&[1.0, 1.0 + 1e-7], "slope");
    range(&[1.0, 1.0 + f64::EPSILON], "slope");
    range(&[1.99, 0.0, 4.0, 0.0, 4.0, 0.0, 4.0], "threshold");
    range(&[100.0, 200.0], "threshold");
    range(&[-f64::MAX, f64::MAX], "threshold");
}

#[test]
fn extreme_values_do_not_overflow() {
    let steep = Calibration { threshold: 1.0, slope: 1e6 };
    assert_eq!([0.0, 1.0, 4.0].map(|distance| steep.probability(distance)), [1.0, 0.5, 0.0]);
    assert_eq!(steep.posteriors(&[vec![0.0], vec![0.0], vec![4.0]]), [0.5, 0.5, 0.0]);
    assert_eq!(steep.posteriors(&[vec![4.0], vec![4.0]]), [0.0, 0.0]);
    assert_eq!(steep.posteriors(&[vec![1.0], vec![1.0], vec![1.0]]), [1.0 / 6.0; 3]);
    assert!(steep.posteriors(&[]).is_empty());
    // The odds are averaged over the images of a person.
    let two = Calibration { threshold: 1.0, slope: 2.0 };
    let evidence = |distance: f64| (2.0 * (1.0 - distance)).exp();
    let mean = (evidence(0.2) + evidence(1.9)) / 2.0;
    assert!((two.posteriors(&[vec![0.2, 1.9]])[0] - mean / (1.0 + mean)).abs() < 1e-12);
}

#[test]
fn deserialized_parameters_are_validated() {
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
        assert!(
            matches!(result, Err(Error::CalibrationOutOfRange { field: found, .. }) if found == field),
            "{result:?}"
        );
    }
}
