//! Verification scores against slow loops over their definitions.

use approx::assert_abs_diff_eq;
use facenet_metrics::*;
use proptest::prelude::*;

/// Genuine and impostor pairs with few distinct distances, so that ties are common.
fn tied_pairs() -> impl Strategy<Value = (Vec<f32>, Vec<bool>)> {
    let pair = (0u8..12, any::<bool>());
    (proptest::collection::vec(pair, 0..60), 0u8..12, 0u8..12).prop_map(|(mut pairs, genuine, different)| {
        pairs.insert(pairs.len() / 2, (genuine, true));
        pairs.push((different, false));
        pairs.into_iter().map(|(distance, genuine)| (f32::from(distance) / 4.0, genuine)).unzip()
    })
}

fn accuracy(distances: &[f32], genuine: &[bool], threshold: f64) -> f64 {
    let correct =
        distances.iter().zip(genuine).filter(|(d, genuine)| (f64::from(**d) <= threshold) == **genuine).count();
    correct as f64 / genuine.len() as f64
}

/// All relevant thresholds for distances that are multiples of 1/4, ascending.
fn all_thresholds() -> impl Iterator<Item = f64> {
    (-1..=12).map(|quarter| (f64::from(quarter) + 0.5) / 4.0)
}

fn best_accuracy(distances: &[f32], genuine: &[bool]) -> f64 {
    all_thresholds().map(|threshold| accuracy(distances, genuine, threshold)).fold(0.0, f64::max)
}

proptest! {
    #[test]
    fn best_threshold_is_the_lowest_of_the_best((distances, genuine) in tied_pairs()) {
        let scores = PairScores::new(&distances, &genuine).unwrap();
        let best = scores.best_threshold(ThresholdSearch::Exact);
        prop_assert_eq!(best.accuracy, best_accuracy(&distances, &genuine));
        prop_assert_eq!(best.accuracy, scores.accuracy_at(best.threshold));
        prop_assert_eq!(best.accuracy, accuracy(&distances, &genuine, best.threshold));
        // Any threshold that accepts fewer pairs is worse.
        let accepted = |threshold: f64| distances.iter().filter(|d| f64::from(**d) <= threshold).count();
        for lower in all_thresholds().filter(|&lower| accepted(lower) < accepted(best.threshold)) {
            prop_assert!(accuracy(&distances, &genuine, lower) < best.accuracy);
        }
        // It is midway between neighbors, or 1 beyond the extremes.
        let below = distances.iter().map(|&d| f64::from(d)).filter(|&d| d <= best.threshold).reduce(f64::max);
        let above = distances.iter().map(|&d| f64::from(d)).filter(|&d| d > best.threshold).reduce(f64::min);
        let expected = match (below, above) {
            (Some(below), Some(above)) => (below + above) / 2.0,
            (Some(below), None) => below + 1.0,
            (None, Some(above)) => above - 1.0,
            (None, None) => unreachable!(),
        };
        prop_assert_eq!(best.threshold, expected);
    }

    #[test]
    fn grid_search_returns_the_lowest_of_the_best((distances, genuine) in tied_pairs(), tenths in 1u8..9) {
        let (step, end) = (f64::from(tenths) / 10.0, 2.5);
        let best = PairScores::new(&distances, &genuine).unwrap().best_threshold(ThresholdSearch::Grid { step, end });
        let mut expected = (f64::NAN, -1.0);
        let mut i = 0;
        while f64::from(i) * step < end {
            let reached = accuracy(&distances, &genuine, f64::from(i) * step);
            if reached > expected.1 {
                expected = (f64::from(i) * step, reached);
            }
            i += 1;
        }
        prop_assert_eq!((best.threshold, best.accuracy), expected);
    }

    #[test]
    fn each_fold_is_scored_at_the_threshold_of_the_others((distances, genuine) in tied_pairs(), cuts in proptest::collection::btree_set(1usize..60, 1..5)) {
        let mut borders: Vec<usize> = cuts.into_iter().filter(|&cut| cut < genuine.len()).collect();
        borders.insert(0, 0);
        borders.push(genuine.len());
        let lengths: Vec<usize> = borders.windows(2).map(|w| w[1] - w[0]).collect();
        let scores = PairScores::new(&distances, &genuine).unwrap();
        let result = scores.cross_validate(&lengths, ThresholdSearch::Exact);
        if lengths.len() < 2 {
            prop_assert_eq!(result, Err(Error::TooFewFolds { folds: 1 }));
            return Ok(());
        }
        let result = result.unwrap();
        let mut accuracies = vec![];
        for (fold, window) in result.folds.iter().zip(borders.windows(2)) {
            let train: (Vec<f32>, Vec<bool>) = (0..genuine.len()).filter(|i| !(window[0]..window[1]).contains(i))
                .map(|i| (distances[i], genuine[i])).unzip();
            prop_assert_eq!(accuracy(&train.0, &train.1, fold.threshold), best_accuracy(&train.0, &train.1));
            if let Ok(train) = PairScores::new(&train.0, &train.1) {
                prop_assert_eq!(train.best_threshold(ThresholdSearch::Exact).threshold, fold.threshold);
            }
            let test = window[0]..window[1];
            prop_assert_eq!(accuracy(&distances[test.clone()], &genuine[test], fold.threshold), fold.accuracy);
            accuracies.push(fold.accuracy);
        }
        let n = accuracies.len() as f64;
        let mean = accuracies.iter().sum::<f64>() / n;
        assert_abs_diff_eq!(result.accuracy, mean, epsilon = 1e-12);
        // Var = E[(x - y)²] / 2 over all ordered pairs.
        let variance: f64 = accuracies.iter().flat_map(|x| accuracies.iter().map(move |y| (x - y).powi(2))).sum::<f64>() / (2.0 * n * n);
        assert_abs_diff_eq!(result.standard_deviation.powi(2), variance, epsilon = 1e-12);
        assert_abs_diff_eq!(result.standard_error.powi(2), variance / (n - 1.0), epsilon = 1e-12);
    }

    #[test]
    fn auc_is_mann_whitney((distances, genuine) in tied_pairs()) {
        let scores = PairScores::new(&distances, &genuine).unwrap();
        let mut sum = 0.0;
        for s in 0..genuine.len() {
            for d in 0..genuine.len() {
                if genuine[s] && !genuine[d] {
                    sum += if distances[s] < distances[d] { 1.0 } else if distances[s] == distances[d] { 0.5 } else { 0.0 };
                }
            }
        }
        let expected = sum / (scores.genuine_pairs() * scores.impostor_pairs()) as f64;
        let roc = scores.roc();
        assert_abs_diff_eq!(roc.auc(), expected, epsilon = 1e-14);
        // The trapezoidal rule gives the same.
        let trapezoids: f64 = roc.points.windows(2)
            .map(|w| (w[1].false_accept_rate - w[0].false_accept_rate) * (w[1].validation_rate + w[0].validation_rate) / 2.0).sum();
        assert_abs_diff_eq!(trapezoids, expected, epsilon = 1e-12);
    }

    #[test]
    fn roc_points_count_what_their_threshold_accepts((distances, genuine) in tied_pairs()) {
        let roc = PairScores::new(&distances, &genuine).unwrap().roc();
        let mut distinct = distances.clone();
        distinct.sort_by(f32::total_cmp);
        distinct.dedup();
        prop_assert_eq!(roc.points.len(), distinct.len() + 1);
        for point in &roc.points {
            let accepted = |kind: bool| distances.iter().zip(&genuine)
                .filter(|(d, genuine)| **genuine == kind && f64::from(**d) <= point.threshold).count();
            prop_assert_eq!((point.true_accepts, point.false_accepts), (accepted(true), accepted(false)));
            prop_assert_eq!(point.validation_rate, point.true_accepts as f64 / roc.genuine_pairs as f64);
            prop_assert_eq!(point.false_accept_rate, point.false_accepts as f64 / roc.impostor_pairs as f64);
        }
        prop_assert!(roc.points.windows(2).all(|w| w[0].threshold < w[1].threshold));
    }

    #[test]
    fn eer_lies_on_the_curve_and_the_diagonal((distances, genuine) in tied_pairs()) {
        let scores = PairScores::new(&distances, &genuine).unwrap();
        let (roc, eer) = (scores.roc(), scores.roc().equal_error_rate());
        // (EER, EER) lies on the polyline (FAR, 1 - VAL).
        let on_a_segment = roc.points.windows(2).any(|w| {
            let (x0, x1) = (w[0].false_accept_rate, w[1].false_accept_rate);
            let (y0, y1) = (1.0 - w[0].validation_rate, 1.0 - w[1].validation_rate);
            let inside = eer >= x0 - 1e-12 && eer <= x1 + 1e-12 && eer <= y0 + 1e-12 && eer >= y1 - 1e-12;
            inside && ((eer - x0) * (y1 - y0) - (eer - y0) * (x1 - x0)).abs() < 1e-12
        });
        prop_assert!(on_a_segment, "{eer} is not on {roc:?}");
    }

    #[test]
    fn validation_rate_is_that_of_the_largest_threshold_within_the_bound((distances, genuine) in tied_pairs(), hundredths in 0u8..=100) {
        let target = f64::from(hundredths) / 100.0;
        let scores = PairScores::new(&distances, &genuine).unwrap();
        let result = scores.roc().validation_rate_at(target);
        let rate = |kind: bool, threshold: f64| {
            let of_kind: Vec<f32> = distances.iter().zip(&genuine).filter(|(_, genuine)| **genuine == kind).map(|(d, _)| *d).collect();
            of_kind.iter().filter(|d| f64::from(**d) <= threshold).count() as f64 / of_kind.len() as f64
        };
        let largest = all_thresholds().filter(|&threshold| rate(false, threshold) <= target).last().unwrap();
        prop_assert_eq!(result.validation_rate, rate(true, largest));
        prop_assert_eq!(result.false_accept_rate, rate(false, largest));
        prop_assert_eq!(rate(true, result.threshold), result.validation_rate);
        prop_assert_eq!(rate(false, result.threshold), result.false_accept_rate);
        for (interval, rate) in [(result.validation_rate_interval, result.validation_rate), (result.false_accept_rate_interval, result.false_accept_rate)] {
            prop_assert!(interval.low <= rate && rate <= interval.high && interval.low < interval.high);
        }
    }
}

/// The example of scikit-learn's `roc_auc_score` and `roc_curve`: scores 0.1, 0.4, 0.35, 0.8 of
/// classes 0, 0, 1, 1.
#[test]
fn roc_matches_the_scikit_learn_example() {
    let scores = PairScores::new(&[0.9, 0.6, 0.65, 0.2], &[false, false, true, true]).unwrap();
    let roc = scores.roc();
    assert_eq!(roc.auc(), 0.75);
    let rates: Vec<_> = roc.points.iter().map(|p| (p.false_accept_rate, p.validation_rate)).collect();
    assert_eq!(rates, [(0.0, 0.0), (0.0, 0.5), (0.5, 0.5), (0.5, 1.0), (1.0, 1.0)]);
    assert_eq!(roc.equal_error_rate(), 0.5);
}

#[test]
fn eer_is_interpolated_between_two_points() {
    // The tie at distance 1 moves (FAR, FRR) from (0, 1) to (1/3, 0); the segment meets the
    // diagonal at 1/4.
    let scores = PairScores::new(&[1.0, 1.0, 2.0, 2.0], &[true, false, false, false]).unwrap();
    assert_abs_diff_eq!(scores.roc().equal_error_rate(), 0.25, epsilon = 1e-15);
}

#[test]
fn validation_rate_at_the_extremes_of_the_bound() {
    let distances = [0.1, 0.2, 0.3, 0.4];
    let roc = PairScores::new(&distances, &[true, false, true, false]).unwrap().roc();
    assert_eq!(roc.validation_rate_at(0.0).validation_rate, 0.5);
    assert_eq!(roc.validation_rate_at(0.499).false_accept_rate, 0.0);
    assert_eq!(roc.validation_rate_at(0.5).validation_rate, 1.0);
    assert_eq!(roc.validation_rate_at(1.0).false_accept_rate, 1.0);
    // The nearest pair is an impostor pair: without false accepts nothing is accepted.
    let none = PairScores::new(&distances, &[false, true, true, false]).unwrap().roc().validation_rate_at(0.0);
    assert_eq!((none.validation_rate, none.false_accept_rate), (0.0, 0.0));
    assert!(none.threshold < 0.1);
}

/// 29 of 100 meets a bound of 0.29, although 0.29 * 100 rounds to less than 29.
#[test]
fn a_bound_can_be_met_exactly() {
    let distances: Vec<f64> = (0..101).map(f64::from).collect();
    let genuine: Vec<bool> = (0..101).map(|i| i == 100).collect();
    let reached = PairScores::new(&distances, &genuine).unwrap().roc().validation_rate_at(0.29);
    assert_eq!(reached.false_accept_rate, 0.29);
}

/// The midpoint of adjacent floating-point values rounds to one of them; the threshold must still
/// separate them.
#[test]
fn thresholds_separate_adjacent_floating_point_values() {
    for start in [0.0, 5e-324, 1.0, 1.242, 1e15, 1e300] {
        let mut distances = vec![start];
        for _ in 0..5 {
            distances.push(f64::next_up(*distances.last().unwrap()));
        }
        let roc = PairScores::new(&distances, &[true, false, true, false, true, false]).unwrap().roc();
        for (accepted, point) in roc.points.iter().enumerate() {
            assert_eq!(distances.iter().filter(|&&d| d <= point.threshold).count(), accepted, "from {start}");
        }
    }
}

#[test]
fn a_small_case_worked_out_by_hand() {
    let scores = PairScores::new(&[0.5, 0.7, 0.9, 1.1], &[true, true, false, false]).unwrap();
    let best = scores.best_threshold(ThresholdSearch::Exact);
    assert_abs_diff_eq!(best.threshold, 0.8, epsilon = 1e-15);
    assert_eq!(best.accuracy, 1.0);
    assert_eq!((scores.roc().auc(), scores.roc().equal_error_rate()), (1.0, 0.0));
    // A threshold equal to the distance accepts the pair.
    assert_eq!((scores.accuracy_at(0.7), scores.accuracy_at(0.9), scores.accuracy_at(0.4)), (1.0, 0.75, 0.5));
    // All thresholds are equally good: the lowest one accepts nothing.
    let uninformative = PairScores::new(&[1.0, 1.0], &[true, false]).unwrap();
    assert_eq!(uninformative.best_threshold(ThresholdSearch::Exact).threshold, 0.0);
    // Two folds, each scored at the threshold of the other.
    let folds = PairScores::new(&[0.1, 0.2, 0.3, 0.6], &[true, false, true, false])
        .unwrap()
        .cross_validate(&[2, 2], ThresholdSearch::Exact)
        .unwrap();
    assert_eq!(folds.folds.iter().map(|fold| fold.accuracy).collect::<Vec<_>>(), [0.5, 0.5]);
    assert_abs_diff_eq!(folds.folds[0].threshold, 0.45, epsilon = 1e-12);
    assert_abs_diff_eq!(folds.folds[1].threshold, 0.15, epsilon = 1e-12);
}

#[test]
fn malformed_inputs_are_errors() {
    let new = |distances: &[f64], genuine: &[bool]| PairScores::new(distances, genuine).unwrap_err();
    assert_eq!(new(&[], &[]), Error::NoGenuinePairs);
    assert_eq!(new(&[1.0], &[false]), Error::NoGenuinePairs);
    assert_eq!(new(&[1.0], &[true]), Error::NoImpostorPairs);
    assert!(matches!(new(&[1.0, f64::NAN], &[true, false]), Error::NotFiniteDistance { pair: 1, .. }));
    assert_eq!(new(&[f64::INFINITY, 1.0], &[true, false]), Error::NotFiniteDistance { pair: 0, value: f64::INFINITY });
    let scores = PairScores::new(&[1.0, 2.0, 3.0], &[true, false, true]).unwrap();
    let folds = |lengths: &[usize]| scores.cross_validate(lengths, ThresholdSearch::Exact).unwrap_err();
    assert_eq!(folds(&[]), Error::TooFewFolds { folds: 0 });
    assert_eq!(folds(&[3]), Error::TooFewFolds { folds: 1 });
    assert_eq!(folds(&[2, 0, 1]), Error::EmptyFold { fold: 1 });
    assert_eq!(folds(&[2, 2]), Error::FoldLengthMismatch { in_folds: 4, pairs: 3 });
    assert_eq!(folds(&[usize::MAX, 4]), Error::FoldLengthMismatch { in_folds: usize::MAX, pairs: 3 });
    assert_eq!(folds(&[2, 2]).to_string(), "the folds cover 4 pairs, the list has 3");
}

#[test]
#[should_panic(expected = "2 distances, 1 genuine flags")]
fn different_lengths_panic() {
    let _ = PairScores::new(&[1.0, 2.0], &[true]);
}

#[test]
fn reports_serialize_to_the_documented_keys() {
    let scores = PairScores::new(&[0.5, 0.7, 0.6, 1.1], &[true, true, false, false]).unwrap();
    let report = VerificationReport::at_threshold(&scores, 0.75, 0.125);
    assert_eq!(
        serde_json::to_string(&report).unwrap(),
        r#"{"pairs":4,"accuracy":0.75,"standard_error":0.125,"auc":0.75,"eer":0.5,"threshold":0.75}"#
    );
    let folds = scores.cross_validate(&[2, 2], ThresholdSearch::Exact).unwrap();
    let report = VerificationReport::cross_validated(&scores, &folds);
    assert_eq!((report.accuracy, report.standard_error), (folds.accuracy, folds.standard_error));
    assert_eq!(report.threshold, (folds.folds[0].threshold + folds.folds[1].threshold) / 2.0);
}
