//! K-means and agglomerative clustering against naive definitions.

use facenet_cluster::{
    Agglomerative, Cluster, Cut, Dbscan, Dendrogram, Error, KMeans, LinfaKMeans, Linkage, relabel_by_first_appearance,
};
use ndarray::{Array2, ArrayView2, array};
use ndarray_rand::rand::{Rng, SeedableRng};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;

/// Noisy copies of the unit vectors: row `i` belongs to cluster `i % clusters`.
fn clusters_of(clusters: usize, each: usize, spread: f32) -> Array2<f32> {
    Array2::from_shape_fn((clusters * each, clusters), |(row, column)| {
        let noise = ((row * 31 + column * 17) % 23) as f32 / 23.0 - 0.5;
        f32::from(u8::from(row % clusters == column)) + spread * noise
    })
}

fn squared_distance(x: ArrayView2<'_, f32>, i: usize, j: usize) -> f64 {
    x.row(i).iter().zip(x.row(j)).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum()
}

/// The sum of squared distances to the mean of each cluster.
fn inertia(x: ArrayView2<'_, f32>, labels: &[usize]) -> f64 {
    let clusters = labels.iter().max().map_or(0, |&most| most + 1);
    (0..clusters)
        .map(|cluster| {
            let members: Vec<usize> = (0..labels.len()).filter(|&i| labels[i] == cluster).collect();
            let pairs: f64 =
                members.iter().flat_map(|&i| members.iter().map(move |&j| squared_distance(x, i, j))).sum();
            pairs / (2.0 * members.len() as f64)
        })
        .sum()
}

#[test]
fn k_means_finds_separated_clusters() {
    let x = clusters_of(5, 40, 0.4);
    let expected: Vec<usize> = (0..200).map(|row| row % 5).collect();
    assert_eq!(KMeans::new(5).cluster(x.view()), Ok(expected.clone()));
    assert_eq!(linfa(5, 10).cluster(x.view()), Ok(expected));
}

fn linfa(clusters: usize, runs: usize) -> LinfaKMeans {
    LinfaKMeans { clusters, runs, max_iterations: 300, seed: 0 }
}

#[test]
fn inertia_is_no_worse_than_that_of_linfa() {
    // No clear clusters, so that the result depends on the search.
    let x = Array2::from_shape_fn((300, 6), |(i, j)| ((i * 7919 + j * 104_729 + i * i * 31) % 1009) as f32 / 1009.0);
    let inertia_of = |k_means: &dyn Cluster| inertia(x.view(), &k_means.cluster(x.view()).expect("clusters"));
    let (ours, linfa) = (inertia_of(&KMeans::new(12).runs(10)), inertia_of(&linfa(12, 10)));
    assert!(ours <= linfa * 1.01, "{ours} against {linfa}");
}

#[test]
fn k_means_converges_to_centroids_nearest_to_their_members() {
    let x = Array2::from_shape_fn((200, 3), |(i, j)| ((i * 7919 + j * 104_729) % 503) as f32 / 503.0);
    let labels = KMeans::new(7).cluster(x.view()).expect("clusters");
    let means: Vec<Vec<f64>> = (0..7)
        .map(|cluster| {
            let members: Vec<usize> = (0..200).filter(|&i| labels[i] == cluster).collect();
            (0..3).map(|j| members.iter().map(|&i| f64::from(x[[i, j]])).sum::<f64>() / members.len() as f64).collect()
        })
        .collect();
    for i in 0..200 {
        let distance = |mean: &[f64]| (0..3).map(|j| (f64::from(x[[i, j]]) - mean[j]).powi(2)).sum::<f64>();
        let own = distance(&means[labels[i]]);
        assert!(means.iter().all(|mean| own <= distance(mean) + 1e-6), "embedding {i}");
    }
}

/// Uniform values in `[0, 1)`.
fn random(seed: u64, dim: (usize, usize)) -> Array2<f32> {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    Array2::from_shape_simple_fn(dim, || generator.gen_range(0.0..1.0))
}

/// Textbook greedy k-means++ and Lloyd's iterations in `f64`, with the same random draws as the
/// fast one.
fn naive_k_means(x: ArrayView2<'_, f32>, clusters: usize, runs: usize, max_iterations: usize, seed: u64) -> Vec<usize> {
    let (n, dimension) = x.dim();
    let apart = |row: usize, centroid: &[f64]| -> f64 {
        x.row(row).iter().zip(centroid).map(|(&a, b)| (f64::from(a) - b).powi(2)).sum()
    };
    let point = |row: usize| -> Vec<f64> { x.row(row).iter().map(|&value| f64::from(value)).collect() };
    let label = |row, centroids: &[Vec<f64>]| {
        (0..centroids.len())
            .min_by(|&a, &b| apart(row, &centroids[a]).total_cmp(&apart(row, &centroids[b])))
            .expect("one")
    };
    let run = |run| {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(run);
        let mut centroids = vec![point(generator.gen_range(0..n))];
        let mut nearest: Vec<f64> = (0..n).map(|row| apart(row, &centroids[0])).collect();
        while centroids.len() < clusters {
            let mut best = (f64::INFINITY, Vec::new(), Vec::new());
            for _ in 0..2 + (clusters as f64).ln() as usize {
                let mut left = generator.gen_range(0.0..nearest.iter().sum());
                let drawn = nearest.iter().position(|distance| {
                    left -= distance;
                    left < 0.0
                });
                let candidate = point(drawn.expect("one of them"));
                let distances: Vec<f64> = (0..n).map(|row| nearest[row].min(apart(row, &candidate))).collect();
                let inertia = distances.iter().sum();
                if inertia < best.0 {
                    best = (inertia, candidate, distances);
                }
            }
            centroids.push(best.1);
            nearest = best.2;
        }
        for _ in 0..max_iterations {
            let labels: Vec<usize> = (0..n).map(|row| label(row, &centroids)).collect();
            for (number, centroid) in centroids.iter_mut().enumerate() {
                let members: Vec<usize> = (0..n).filter(|&row| labels[row] == number).collect();
                assert!(!members.is_empty(), "no cluster becomes empty on this data");
                *centroid = (0..dimension)
                    .map(|column| {
                        members.iter().map(|&row| f64::from(x[[row, column]])).sum::<f64>() / members.len() as f64
                    })
                    .collect();
            }
        }
        let labels: Vec<usize> = (0..n).map(|row| label(row, &centroids)).collect();
        let inertia: f64 = (0..n).map(|row| apart(row, &centroids[labels[row]])).sum();
        (inertia, labels)
    };
    let runs = (0..runs as u64).map(run);
    let best = runs.reduce(|best, run| if run.0 < best.0 { run } else { best }).expect("a run");
    relabel_by_first_appearance(&best.1)
}

/// Embeddings, dimension, clusters and runs that cover each code path of k-means: with and
/// without a distance matrix, iterations on distances and on embeddings, and more embeddings than a
/// distance matrix may have.
const SHAPES: [(usize, usize, usize, usize); 6] =
    [(90, 600, 7, 3), (600, 700, 31, 2), (300, 4, 6, 10), (2_000, 5, 2, 1), (200, 300, 2, 1), (8_300, 3, 4, 2)];

#[test]
fn k_means_equals_the_textbook_algorithm() {
    for (seed, (n, dimension, clusters, runs)) in SHAPES.into_iter().enumerate() {
        // Rank 3 and without clear clusters, so that it takes many iterations to converge.
        let x = random(seed as u64, (n, 3)).dot(&random(seed as u64, (3, dimension)));
        for max_iterations in [1, 2, 8] {
            let k_means = KMeans::new(clusters).runs(runs).max_iterations(max_iterations).seed(5);
            let labels = k_means.cluster(x.view()).expect("clusters");
            let expected = naive_k_means(x.view(), clusters, runs, max_iterations, 5);
            assert_eq!(labels, expected, "{k_means:?} of {n} x {dimension}");
        }
    }
}

#[test]
fn threads_do_not_change_clusters() {
    let of = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        pool.install(|| {
            let k_means = SHAPES.map(|(n, dimension, clusters, runs)| {
                KMeans::new(clusters).runs(runs).cluster(random(0, (n, dimension)).view())
            });
            (k_means, Dendrogram::build(random(0, (700, 9)).view(), Linkage::Average))
        })
    };
    let one = of(1);
    assert_eq!(one, of(2));
    assert_eq!(one, of(3));
}

#[test]
fn duplicate_embeddings_give_fewer_clusters() {
    let x = Array2::from_elem((10, 4), 0.5);
    let labels = KMeans::new(3).cluster(x.view()).expect("clusters");
    assert_eq!(labels, [0; 10]);
    // Five distinct embeddings, each repeated, at a low and a high dimension.
    for dimension in [3, 2_000] {
        let different = random(1, (5, dimension));
        let x = Array2::from_shape_fn((300, dimension), |(row, column)| different[[row % 5, column]]);
        let labels = KMeans::new(9).cluster(x.view()).expect("clusters");
        assert!((0..300).all(|row| labels[row] == row % 5), "{labels:?}");
    }
}

#[test]
fn invalid_requests_are_errors() {
    let x = array![[1.0_f32, 0.0], [0.0, 1.0]];
    let k_means = |clusters| KMeans::new(clusters).cluster(x.view());
    assert_eq!(k_means(0), Err(Error::ClusterCount { clusters: 0, embeddings: 2 }));
    assert_eq!(k_means(3), Err(Error::ClusterCount { clusters: 3, embeddings: 2 }));
    assert_eq!(KMeans::new(2).runs(0).cluster(x.view()), Err(Error::NoIterations));
    let tree = Dendrogram::build(x.view(), Linkage::Single).expect("a tree");
    assert_eq!(tree.cut(Cut::Clusters(3)), Err(Error::ClusterCount { clusters: 3, embeddings: 2 }));
    assert_eq!(tree.cut(Cut::Clusters(0)), Err(Error::ClusterCount { clusters: 0, embeddings: 2 }));
    assert!(matches!(tree.cut(Cut::SquaredDistance(f32::NAN)), Err(Error::CutDistance { .. })));
    let broken = array![[1.0_f32, 0.0], [f32::NAN, 1.0]];
    assert_eq!(KMeans::new(8).cluster(broken.view()), Err(Error::NotFinite { row: 1 }));
    assert_eq!(Dendrogram::build(broken.view(), Linkage::Ward), Err(Error::NotFinite { row: 1 }));
    let many = Array2::zeros((Dendrogram::MAX_EMBEDDINGS + 1, 1));
    assert!(matches!(Dendrogram::build(many.view(), Linkage::Ward), Err(Error::TooManyEmbeddings { .. })));
}

#[test]
fn zero_and_one_embedding_are_valid_input() {
    let none = Array2::zeros((0, 4));
    let one = Array2::zeros((1, 4));
    for linkage in [Linkage::Single, Linkage::Complete, Linkage::Average, Linkage::Ward] {
        let clustering = Agglomerative::new(linkage, Cut::SquaredDistance(1.0));
        assert_eq!(clustering.cluster(none.view()), Ok(vec![]));
        assert_eq!(clustering.cluster(one.view()), Ok(vec![0]));
    }
    assert_eq!(KMeans::new(8).cluster(none.view()), Ok(vec![]));
    assert_eq!(KMeans::new(1).cluster(one.view()), Ok(vec![0]));
}

/// The dissimilarity of two clusters by definition.
fn apart(x: ArrayView2<'_, f32>, linkage: Linkage, a: &[usize], b: &[usize]) -> f64 {
    let all = || a.iter().flat_map(|&i| b.iter().map(move |&j| squared_distance(x, i, j)));
    let within = |members: &[usize]| {
        let sum: f64 = members.iter().flat_map(|&i| members.iter().map(move |&j| squared_distance(x, i, j))).sum();
        sum / (2.0 * members.len() as f64)
    };
    match linkage {
        Linkage::Single => all().fold(f64::INFINITY, f64::min),
        Linkage::Complete => all().fold(0.0, f64::max),
        Linkage::Average => all().sum::<f64>() / (a.len() * b.len()) as f64,
        Linkage::Ward => 2.0 * (within(&[a, b].concat()) - within(a) - within(b)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn every_merge_joins_the_two_nearest_clusters(
        values in prop::collection::vec(-1.0_f32..1.0, 3 * 2..3 * 24),
        linkage in prop::sample::select(vec![Linkage::Single, Linkage::Complete, Linkage::Average, Linkage::Ward]),
    ) {
        let n = values.len() / 3;
        let x = Array2::from_shape_vec((n, 3), values[..3 * n].to_vec()).expect("as many values");
        let tree = Dendrogram::build(x.view(), linkage).expect("a tree");
        prop_assert_eq!(tree.merges().len(), n - 1);
        let mut clusters: Vec<Option<Vec<usize>>> = (0..n).map(|i| Some(vec![i])).collect();
        for merge in tree.merges() {
            let alive: Vec<&Vec<usize>> = clusters.iter().flatten().collect();
            let mut least = f64::INFINITY;
            for (i, a) in alive.iter().enumerate() {
                for b in &alive[..i] {
                    least = least.min(apart(x.view(), linkage, a, b));
                }
            }
            let [a, b] = merge.clusters.map(|cluster| clusters[cluster].take().expect("merged once"));
            let distance = apart(x.view(), linkage, &a, &b);
            prop_assert!((distance - least).abs() <= 1e-4, "merged at {}, nearest at {}", distance, least);
            prop_assert!((f64::from(merge.squared_distance) - distance).abs() <= 1e-4);
            prop_assert_eq!(merge.size, a.len() + b.len());
            clusters.push(Some([a, b].concat()));
        }
        for count in 1..=n {
            let labels = tree.cut(Cut::Clusters(count)).expect("a cut");
            prop_assert_eq!(labels.iter().max().map(|most| most + 1), Some(count));
        }
        prop_assert_eq!(tree.cut(Cut::SquaredDistance(f32::INFINITY)).expect("a cut"), vec![0; n]);
    }
}

#[test]
fn dbscan_leaves_noise_alone() {
    let x = array![[0.0_f32, 0.0], [0.1, 0.0], [5.0, 0.0], [0.2, 0.0], [9.0, 9.0], [9.0, 9.1]];
    let dbscan = Dbscan { squared_tolerance: 0.04, min_points: 2 };
    assert_eq!(dbscan.cluster(x.view()), Ok(vec![0, 0, 1, 0, 2, 2]));
    let strict = Dbscan { squared_tolerance: 0.04, min_points: 3 };
    assert_eq!(strict.cluster(x.view()), Ok(vec![0, 0, 1, 0, 2, 3]));
    // The ends of a chain have two neighbors, themselves included, but are near one with three.
    let chain = array![[0.0_f32], [0.15], [0.3]];
    assert_eq!(strict.cluster(chain.view()), Ok(vec![0, 0, 0]));
    assert_eq!(dbscan.cluster(Array2::zeros((0, 2)).view()), Ok(vec![]));
    let columns = Array2::from_shape_fn((2, 6), |(column, row)| x[[row, column]]);
    assert_eq!(dbscan.cluster(columns.t()), dbscan.cluster(x.view()), "of any layout");
    let refused = |dbscan: Dbscan| dbscan.cluster(x.view()).unwrap_err();
    assert_eq!(refused(Dbscan { min_points: 1, ..dbscan }), Error::MinPoints { min_points: 1 });
    assert_eq!(refused(Dbscan { squared_tolerance: 0.0, ..dbscan }), Error::Tolerance { squared_tolerance: 0.0 });
}

#[test]
fn dbscan_takes_many_equal_embeddings() {
    let mut x = Array2::from_elem((3_000, 8), 0.5_f32);
    x[[2_999, 0]] = 0.9;
    let labels = Dbscan { squared_tolerance: 0.1, min_points: 2 }.cluster(x.view()).expect("clusters");
    assert!(labels[..2_999].iter().all(|&label| label == 0) && labels[2_999] == 1);
}

#[test]
fn equal_embeddings_are_merged_at_a_cut_of_zero() {
    let distinct = random(3, (100, 128));
    let x = Array2::from_shape_fn((200, 128), |(row, column)| distinct[[row % 100, column]]);
    for linkage in [Linkage::Single, Linkage::Complete, Linkage::Average, Linkage::Ward] {
        let labels = Agglomerative::new(linkage, Cut::SquaredDistance(0.0)).cluster(x.view()).expect("clusters");
        assert!((0..200).all(|row| labels[row] == row % 100), "{linkage:?}");
    }
}
