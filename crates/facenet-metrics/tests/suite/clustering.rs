//! Clustering scores against slow loops over their definitions, and against published values.

use approx::assert_abs_diff_eq;
use facenet_metrics::*;
use proptest::prelude::*;

type Labels = Vec<usize>;

/// Few distinct, non-consecutive labels, so that groups of all sizes occur.
fn labelings() -> impl Strategy<Value = (Labels, Labels)> {
    proptest::collection::vec((0usize..6, 0usize..5), 1..24)
        .prop_map(|items| items.into_iter().map(|(cluster, identity)| (cluster * 1_000_003, 40 - identity)).unzip())
}

fn harmonic(precision: f64, recall: f64) -> f64 {
    if precision + recall == 0.0 { 0.0 } else { 2.0 / (1.0 / precision + 1.0 / recall) }
}

fn report(clusters: &[usize], identities: &[usize]) -> ClusteringReport {
    clustering_report(clusters, identities).unwrap()
}

fn entropy(labels: &[usize]) -> f64 {
    let n = labels.len() as f64;
    // Each item adds -ln of its group's fraction, divided by n.
    labels.iter().map(|label| -(labels.iter().filter(|other| *other == label).count() as f64 / n).ln() / n).sum()
}

fn mutual_information(a: &[usize], b: &[usize]) -> f64 {
    let joint: Vec<usize> = a.iter().zip(b).map(|(a, b)| a.wrapping_mul(1 << 32).wrapping_add(*b)).collect();
    entropy(a) + entropy(b) - entropy(&joint)
}

/// All permutations of `items`, by Heap's algorithm.
fn for_each_permutation(items: &mut Vec<usize>, length: usize, visit: &mut dyn FnMut(&[usize])) {
    if length <= 1 {
        return visit(items);
    }
    for i in 0..length {
        for_each_permutation(items, length - 1, visit);
        items.swap(if length.is_multiple_of(2) { i } else { 0 }, length - 1);
    }
}

proptest! {
    #[test]
    fn pair_scores_equal_loops_over_pairs((clusters, identities) in labelings()) {
        let (mut both, mut joined, mut mates, mut all) = (0u32, 0u32, 0u32, 0u32);
        for i in 0..clusters.len() {
            for j in 0..i {
                let (cluster, identity) = (clusters[i] == clusters[j], identities[i] == identities[j]);
                both += u32::from(cluster && identity);
                joined += u32::from(cluster);
                mates += u32::from(identity);
                all += 1;
            }
        }
        let report = report(&clusters, &identities);
        let fraction = |of: u32| if of == 0 { 1.0 } else { f64::from(both) / f64::from(of) };
        assert_abs_diff_eq!(report.pairwise_precision, fraction(joined), epsilon = 1e-14);
        assert_abs_diff_eq!(report.pairwise_recall, fraction(mates), epsilon = 1e-14);
        assert_abs_diff_eq!(report.pairwise_f, harmonic(fraction(joined), fraction(mates)), epsilon = 1e-14);

        let [both, joined, mates, all] = [both, joined, mates, all].map(f64::from);
        let expected = joined * mates / all;
        let highest = (joined + mates) / 2.0;
        let ari = if highest == expected || all == 0.0 { 1.0 } else { (both - expected) / (highest - expected) };
        assert_abs_diff_eq!(report.ari, ari, epsilon = 1e-12);
    }

    #[test]
    fn item_scores_equal_loops_over_items((clusters, identities) in labelings()) {
        let n = clusters.len();
        let (mut precision, mut recall, mut pure) = (0.0, 0.0, 0.0);
        for i in 0..n {
            let count = |test: &dyn Fn(usize) -> bool| (0..n).filter(|&j| test(j)).count() as f64;
            let cluster = count(&|j| clusters[j] == clusters[i]);
            let both = count(&|j| clusters[j] == clusters[i] && identities[j] == identities[i]);
            precision += both / cluster / n as f64;
            recall += both / count(&|j| identities[j] == identities[i]) / n as f64;
            let largest = (0..n).map(|k| count(&|j| clusters[j] == clusters[i] && identities[j] == identities[k])).fold(0.0, f64::max);
            pure += largest / cluster / n as f64;
        }
        let report = report(&clusters, &identities);
        assert_abs_diff_eq!(report.bcubed_precision, precision, epsilon = 1e-12);
        assert_abs_diff_eq!(report.bcubed_recall, recall, epsilon = 1e-12);
        assert_abs_diff_eq!(report.bcubed_f, harmonic(precision, recall), epsilon = 1e-12);
        assert_abs_diff_eq!(report.purity, pure, epsilon = 1e-12);

        let distinct = |labels: &mut Vec<usize>| { labels.sort_unstable(); labels.dedup(); labels.len() };
        prop_assert_eq!((report.clusters, report.identities), (distinct(&mut clusters.clone()), distinct(&mut identities.clone())));
        let members = |of: &[usize], label: usize, other: &[usize]| {
            distinct(&mut (0..n).filter(|&j| of[j] == label).map(|j| other[j]).collect())
        };
        let mut cluster_labels = clusters.clone();
        distinct(&mut cluster_labels);
        let mixed = cluster_labels.iter().filter(|&&label| members(&clusters, label, &identities) > 1).count();
        assert_abs_diff_eq!(report.mixed_cluster_rate, mixed as f64 / report.clusters as f64, epsilon = 1e-14);
        let mut people = identities.clone();
        distinct(&mut people);
        let scattered: usize = people.iter().map(|&label| members(&identities, label, &clusters)).sum();
        assert_abs_diff_eq!(report.clusters_per_identity, scattered as f64 / people.len() as f64, epsilon = 1e-14);
    }

    #[test]
    fn mutual_information_follows_from_entropies((clusters, identities) in labelings()) {
        let table = ContingencyTable::new(&clusters, &identities).unwrap();
        let mi = mutual_information(&clusters, &identities);
        assert_abs_diff_eq!(table.mutual_information(), mi, epsilon = 1e-12);
        prop_assert!(table.mutual_information() >= 0.0);
        let mean = (entropy(&clusters) + entropy(&identities)) / 2.0;
        let nmi = if mean == 0.0 { 1.0 } else { mi / mean };
        assert_abs_diff_eq!(table.normalized_mutual_information(), nmi, epsilon = 1e-12);
    }

    #[test]
    fn expected_mutual_information_is_the_mean_over_permutations(items in proptest::collection::vec((0usize..4, 0usize..4), 1..8)) {
        let (mut clusters, identities): (Labels, Labels) = items.into_iter().unzip();
        let table = ContingencyTable::new(&clusters, &identities).unwrap();
        let (mut sum, mut count) = (0.0, 0.0);
        let (observed, entropies) = (mutual_information(&clusters, &identities), entropy(&clusters) + entropy(&identities));
        let length = clusters.len();
        for_each_permutation(&mut clusters, length, &mut |order| {
            sum += mutual_information(order, &identities);
            count += 1.0;
        });
        let expected: f64 = sum / count;
        assert_abs_diff_eq!(table.expected_mutual_information(), expected, epsilon = 1e-11);
        let room = entropies / 2.0 - expected;
        if room > 1e-9 {
            assert_abs_diff_eq!(table.adjusted_mutual_information(), (observed - expected) / room, epsilon = 1e-9);
        } else {
            prop_assert_eq!(table.adjusted_mutual_information(), 1.0);
        }
    }

    #[test]
    fn swapping_clusters_and_identities_swaps_precision_and_recall((clusters, identities) in labelings()) {
        let (one, other) = (report(&clusters, &identities), report(&identities, &clusters));
        for (a, b) in [
            (one.pairwise_precision, other.pairwise_recall),
            (one.bcubed_recall, other.bcubed_precision),
            (one.nmi, other.nmi),
            (one.ami, other.ami),
            (one.ari, other.ari),
        ] {
            assert_abs_diff_eq!(a, b, epsilon = 1e-9);
        }
    }

    #[test]
    fn a_perfect_clustering_scores_exactly_one(identities in proptest::collection::vec(0usize..9, 1..40)) {
        let clusters: Labels = identities.iter().map(|identity| 77 - identity).collect();
        let report = report(&clusters, &identities);
        for score in [report.pairwise_f, report.bcubed_f, report.nmi, report.ami, report.ari, report.purity, report.clusters_per_identity] {
            prop_assert_eq!(score, 1.0);
        }
        prop_assert_eq!(report.mixed_cluster_rate, 0.0);
    }
}

/// The two responses in Bagga and Baldwin, 1998: 76 % and 58 % precision at full recall.
#[test]
fn bcubed_matches_bagga_and_baldwin_1998() {
    let truth = [1, 1, 1, 1, 1, 2, 2, 3, 3, 3, 3, 3];
    let first = report(&[1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2], &truth);
    let second = report(&[1, 1, 1, 1, 1, 2, 2, 1, 1, 1, 1, 1], &truth);
    assert_abs_diff_eq!(first.bcubed_precision, 16.0 / 21.0, epsilon = 1e-15);
    assert_abs_diff_eq!(second.bcubed_precision, 7.0 / 12.0, epsilon = 1e-15);
    assert_eq!((first.bcubed_recall, second.bcubed_recall), (1.0, 1.0));
}

/// scikit-learn's own tests of `mutual_info_score` (0.41022), `expected_mutual_information`
/// (0.15042) and `adjusted_mutual_info_score` (0.27821; 0.38 on the list taken 110 times).
#[test]
fn information_scores_match_scikit_learn() {
    let a = [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3];
    let b = [1, 1, 1, 1, 2, 1, 2, 2, 2, 2, 3, 1, 3, 3, 3, 2, 2];
    let table = ContingencyTable::new(&a, &b).unwrap();
    assert_abs_diff_eq!(table.mutual_information(), 0.41022, epsilon = 5e-6);
    assert_abs_diff_eq!(table.expected_mutual_information(), 0.15042, epsilon = 5e-6);
    assert_abs_diff_eq!(table.adjusted_mutual_information(), 0.27821, epsilon = 5e-6);
    let often = ContingencyTable::new(&a.repeat(110), &b.repeat(110)).unwrap();
    assert_abs_diff_eq!(often.adjusted_mutual_information(), 0.38, epsilon = 0.005);
}

/// Examples from scikit-learn's documentation.
#[test]
fn scores_match_the_scikit_learn_examples() {
    assert_abs_diff_eq!(report(&[0, 0, 1, 1], &[0, 0, 1, 2]).ari, 0.571_428, epsilon = 1e-6);
    assert_abs_diff_eq!(report(&[0, 1, 0, 1], &[0, 0, 1, 1]).ari, -0.5, epsilon = 1e-15);
    let scattered = report(&[0, 1, 2, 3], &[0, 0, 0, 0]);
    assert_abs_diff_eq!(scattered.ari, 0.0, epsilon = 1e-15);
    assert_abs_diff_eq!(scattered.ami, 0.0, epsilon = 1e-15);
    assert_abs_diff_eq!(scattered.nmi, 0.0, epsilon = 1e-15);
}

/// Conventions for 0/0.
#[test]
fn scores_without_pairs_follow_the_conventions() {
    let split = report(&[0, 1, 2, 3], &[0, 0, 1, 1]);
    assert_eq!((split.pairwise_precision, split.pairwise_recall, split.pairwise_f), (1.0, 0.0, 0.0));
    let lumped = report(&[0, 0, 0], &[0, 1, 2]);
    assert_eq!((lumped.pairwise_precision, lumped.pairwise_recall, lumped.pairwise_f), (0.0, 1.0, 0.0));
    assert_abs_diff_eq!(lumped.bcubed_f, 0.5, epsilon = 1e-15);
    assert_eq!(report(&[5], &[9]).ami, 1.0);
    assert_eq!(clustering_report(&[], &[]), Err(Error::NoLabels));
}

/// The size of a photo library, far beyond the range of factorials.
#[test]
fn a_large_random_clustering_has_adjusted_scores_of_zero() {
    let n = 30_000usize;
    let identities: Labels = (0..n).map(|i| i * i / 150_000).collect();
    let mut state = 1u64;
    let clusters: Labels = (0..n)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % 5000
        })
        .collect();
    let report = report(&clusters, &identities);
    assert!(report.nmi > 0.5, "{report:?}");
    assert_abs_diff_eq!(report.ami, 0.0, epsilon = 0.005);
    assert_abs_diff_eq!(report.ari, 0.0, epsilon = 0.005);
}

#[test]
#[should_panic(expected = "2 cluster labels, 1 identities")]
fn different_lengths_panic() {
    let _ = clustering_report(&[1, 2], &[1]);
}

#[test]
fn reports_serialize_to_the_documented_keys() {
    let json = serde_json::to_value(report(&[0, 0, 1], &[4, 4, 5])).unwrap();
    let keys: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    for key in ["pairwise_f", "bcubed_f", "nmi", "ami", "ari", "purity", "clusters", "identities", "mixed_cluster_rate"]
    {
        assert!(keys.contains(&key), "{key} is missing from {keys:?}");
    }
}
