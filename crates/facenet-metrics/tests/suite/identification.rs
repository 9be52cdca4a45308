//! Identification against a search with plain loops.

use approx::assert_abs_diff_eq;
use facenet_metrics::*;
use ndarray::{Array2, ArrayView2, array, s};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Small integers: distances are exact in single precision, and ties are common.
fn people(rows: std::ops::Range<usize>) -> impl Strategy<Value = (Array2<f32>, Vec<usize>)> {
    proptest::collection::vec(([-2i8..3, -2i8..3, -2i8..3], 0usize..8), rows).prop_map(|people| {
        let rows = people.len();
        let values = people.iter().flat_map(|person| person.0).map(f32::from).collect();
        let identities = people.iter().map(|person| person.1 * 100).collect();
        (Array2::from_shape_vec((rows, 3), values).unwrap(), identities)
    })
}

fn labeled<'a>(embeddings: &'a Array2<f32>, identities: &'a [usize]) -> LabeledEmbeddings<'a> {
    LabeledEmbeddings { embeddings: embeddings.view(), identities }
}

fn distance(embeddings: ArrayView2<f32>, identities: &[usize], identity: usize, probe: &[f32]) -> f32 {
    let own = embeddings.rows().into_iter().zip(identities).filter(|(_, other)| **other == identity);
    own.map(|(row, _)| row.iter().zip(probe).map(|(a, b)| (a - b).powi(2)).sum()).fold(f32::INFINITY, f32::min)
}

proptest! {
    #[test]
    fn search_equals_plain_loops((gallery, enrolled) in people(1..40), (probes, wanted) in people(1..150), threshold in 0u8..20) {
        let result = search(labeled(&gallery, &enrolled), labeled(&probes, &wanted));
        let distinct: BTreeSet<usize> = enrolled.iter().copied().collect();
        let mated = wanted.iter().filter(|identity| distinct.contains(identity)).count();
        if mated == 0 {
            prop_assert_eq!(result, Err(Error::NoMatedProbes));
            return Ok(());
        }
        let results = result.unwrap();
        prop_assert_eq!(results.enrolled_identities, distinct.len());
        let threshold = f32::from(threshold);
        let (mut ranks, mut detected, mut unknown, mut non_mated_answered) = (vec![0; distinct.len() + 1], 0, 0, 0);
        for ((probe, own), outcome) in probes.rows().into_iter().zip(&wanted).zip(&results.outcomes) {
            let probe = probe.to_vec();
            let distances: Vec<(f32, usize)> =
                distinct.iter().map(|&identity| (distance(gallery.view(), &enrolled, identity, &probe), identity)).collect();
            let nearest = distances.iter().copied().min_by(|a, b| a.partial_cmp(b).unwrap()).unwrap();
            prop_assert_eq!((outcome.nearest_squared_distance, outcome.nearest_identity), nearest);
            prop_assert_eq!(outcome.identity_within(threshold.into()), (nearest.0 <= threshold).then_some(nearest.1));
            match distances.iter().find(|(_, identity)| identity == own) {
                None => {
                    prop_assert_eq!(outcome.mate, None);
                    non_mated_answered += usize::from(nearest.0 <= threshold);
                }
                Some(&(own_distance, _)) => {
                    // Ties count against the probe.
                    let rank = 1 + distances.iter().filter(|(other, identity)| identity != own && *other <= own_distance).count();
                    prop_assert_eq!(outcome.mate, Some(Mate { rank, squared_distance: own_distance }));
                    ranks[rank] += 1;
                    detected += usize::from(rank == 1 && own_distance <= threshold);
                    unknown += usize::from(nearest.0 > threshold);
                }
            }
        }
        let fraction = |count: usize, of: usize| count as f64 / of as f64;
        let mut found = 0;
        for (rank, rate) in (1..=distinct.len()).zip(results.cumulative_match_characteristic(distinct.len())) {
            found += ranks[rank];
            prop_assert_eq!(rate, fraction(found, mated));
        }
        let open = results.open_set_rates(threshold.into());
        prop_assert_eq!(open.detection_and_identification_rate, fraction(detected, mated));
        prop_assert_eq!(open.unknown_rate, fraction(unknown, mated));
        let non_mated = wanted.len() - mated;
        prop_assert_eq!(open.false_positive_identification_rate, (non_mated > 0).then(|| fraction(non_mated_answered, non_mated)));
    }
}

/// Images enrolled under two identities tie, wherever they are in the blocks of the product.
#[test]
fn copies_tie_in_every_block() {
    // Pseudorandom: fractional parts of multiples of a different irrational number per column.
    let wave = |i: usize, j: usize| ((i as f64 + 1.0) * (j as f64 + 2.0).sqrt() * 1.618_034).fract() as f32;
    let enrolled = Array2::from_shape_fn((5003, 37), |(i, j)| wave(i % 2503, j));
    let identities: Vec<usize> = (0..5003).collect();
    let probes = Array2::from_shape_fn((67, 37), |(i, j)| wave(i * 37, j) + 1e-4 * (j as f32).cos());
    let own: Vec<usize> = (0..67).map(|i| i * 37).collect();
    let results = search(labeled(&enrolled, &identities), labeled(&probes, &own)).unwrap();
    for (probe, outcome) in results.outcomes.iter().enumerate() {
        assert_eq!(outcome.nearest_identity, own[probe]);
        assert_eq!(outcome.mate.unwrap().rank, 2, "probe {probe}: {outcome:?}");
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    let embeddings = Array2::from_shape_fn((700, 33), |(i, j)| ((i * 53 + j * 7) as f32).sin());
    let identities: Vec<usize> = (0..700).map(|i| i % 90).collect();
    let set = |rows: std::ops::Range<usize>| LabeledEmbeddings {
        embeddings: embeddings.slice(s![rows.clone(), ..]),
        identities: &identities[rows],
    };
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| search(set(0..300), set(300..700)).unwrap())
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn a_small_case_worked_out_by_hand() {
    let gallery = array![[0.0_f32], [10.0], [3.0]];
    let probes = array![[1.0_f32], [2.0], [9.0], [20.0]];
    // Person 1 has two images; person 3 is not enrolled.
    let results = search(labeled(&gallery, &[1, 1, 2]), labeled(&probes, &[1, 1, 2, 3])).unwrap();
    let ranks: Vec<Option<usize>> = results.outcomes.iter().map(|outcome| outcome.mate.map(|mate| mate.rank)).collect();
    assert_eq!(ranks, [Some(1), Some(2), Some(2), None]);
    let report = results.report(1.0);
    assert_abs_diff_eq!(report.rank1, 1.0 / 3.0);
    assert_eq!((report.probes, report.enrolled_identities, report.rank5), (4, 2, 1.0));
    assert_abs_diff_eq!(report.open_set.detection_and_identification_rate, 1.0 / 3.0);
    assert_eq!((report.open_set.unknown_rate, report.open_set.false_positive_identification_rate), (0.0, Some(0.0)));
    assert_eq!(results.open_set_rates(0.5).unknown_rate, 1.0);
    assert_eq!(results.open_set_rates(100.0).false_positive_identification_rate, Some(1.0));
    let json = serde_json::to_value(report).unwrap();
    assert!(json["rank1"].is_f64() && json["open_set"]["detection_and_identification_rate"].is_f64());
}

#[test]
fn malformed_inputs_are_errors() {
    let good = array![[0.0_f32, 1.0], [1.0, 0.0]];
    let bad = array![[0.0_f32, 1.0], [f32::NAN, 0.0]];
    let huge = array![[f32::MAX, 1.0], [1.0, 0.0]];
    let (people, none) = ([1, 2], Array2::zeros((0, 2)));
    let set = |embeddings| labeled(embeddings, &people);
    assert_eq!(search(set(&bad), set(&good)), Err(Error::NotFiniteGallery { row: 1 }));
    assert_eq!(search(set(&good), set(&bad)), Err(Error::NotFiniteProbe { row: 1 }));
    assert_eq!(search(set(&huge), set(&good)), Err(Error::NotFiniteGallery { row: 0 }));
    assert_eq!(search(labeled(&none, &[]), set(&good)), Err(Error::EmptyGallery));
    assert_eq!(search(set(&good), labeled(&none, &[])), Err(Error::NoMatedProbes));
    assert_eq!(search(set(&good), labeled(&good, &[3, 4])), Err(Error::NoMatedProbes));
}

#[test]
#[should_panic(expected = "a gallery of shape [1, 2], probes of shape [1, 3]")]
fn different_dimensions_panic() {
    let _ = search(labeled(&Array2::zeros((1, 2)), &[1]), labeled(&Array2::zeros((1, 3)), &[1]));
}
