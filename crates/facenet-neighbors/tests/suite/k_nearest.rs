//! Searches against plain loops over all distances.

use facenet_neighbors::{Neighbors, PreparedRows, squared_distances};
use ndarray::{Array2, array};
use ndarray_rand::RandomExt;
use ndarray_rand::rand::SeedableRng;
use ndarray_rand::rand_distr::Uniform;
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;

/// Rows with few distinct coordinates, so that many distances tie.
fn coarse(rows: usize, dimension: usize, seed: u64) -> Array2<f32> {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    Array2::random_using((rows, dimension), Uniform::new(0.0_f32, 3.0), &mut generator).mapv(f32::floor)
}

fn fine(rows: usize, dimension: usize, seed: u64) -> Array2<f32> {
    Array2::random_using((rows, dimension), Uniform::new(-1.0_f32, 1.0), &mut ChaCha8Rng::seed_from_u64(seed))
}

/// The definition: all distances, sorted by (distance, index).
fn naive(rows: &Array2<f32>, queries: &Array2<f32>, k: usize, include: impl Fn(usize, usize) -> bool) -> Neighbors {
    let distances = squared_distances(queries.view(), rows.view()).unwrap();
    let mut found = Vec::new();
    for query in 0..queries.nrows() {
        let mut sorted: Vec<(f32, usize)> =
            (0..rows.nrows()).filter(|&row| include(query, row)).map(|row| (distances[[query, row]], row)).collect();
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        found.extend_from_slice(&sorted[..k]);
    }
    let found = Array2::from_shape_vec((queries.nrows(), k), found).unwrap();
    Neighbors { indices: found.mapv(|(_, row)| row), squared_distances: found.mapv(|(distance, _)| distance) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn searches_equal_the_definition(n in 1_usize..230, m in 0_usize..90, dimension in 1_usize..6, k in 0_usize..40, seed: u64) {
        for (rows, queries) in [
            (coarse(n, dimension, seed), coarse(m, dimension, !seed)),
            (fine(n, dimension, seed), fine(m, dimension, !seed)),
        ] {
            let prepared = PreparedRows::new(rows.view()).unwrap();
            let queried = PreparedRows::new(queries.view()).unwrap();
            let found = prepared.k_nearest(&queried, k);
            prop_assert_eq!(&found, &naive(&rows, &queries, k.min(n), |_, _| true));
            let distances = squared_distances(queries.view(), rows.view()).unwrap();
            prop_assert_eq!(&found, &Neighbors::of_squared_distances(distances.view(), k));
            let nearest = prepared.nearest(&queried);
            let expected = naive(&rows, &queries, 1, |_, _| true);
            for (query, (row, distance)) in nearest.into_iter().enumerate() {
                prop_assert_eq!((row, distance), (expected.indices[[query, 0]], expected.squared_distances[[query, 0]]));
            }
            let others = prepared.k_nearest_others(k);
            prop_assert_eq!(&others, &naive(&rows, &rows, k.min(n - 1), |query, row| query != row));
        }
    }
}

/// Several blocks, so that every pair of them meets, and many compactions of candidates.
#[test]
fn several_blocks_on_any_number_of_threads() {
    for (rows, k) in [(coarse(1_700, 3, 1), 9), (fine(2_049, 17, 2), 3), (coarse(1_100, 2, 3), 1_050)] {
        let expected = naive(&rows, &rows, k, |query, row| query != row);
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let found = pool.install(|| PreparedRows::new(rows.view()).unwrap().k_nearest_others(k));
            assert_eq!(found, expected, "{threads} threads");
            let prepared = PreparedRows::new(rows.view()).unwrap();
            let [found, nearest] =
                pool.install(|| [prepared.k_nearest(&prepared, k), prepared.k_nearest(&prepared, 1)]);
            assert_eq!(found, naive(&rows, &rows, k, |_, _| true), "{threads} threads");
            let nearest: Vec<(usize, f32)> = nearest.indices.into_iter().zip(nearest.squared_distances).collect();
            assert_eq!(pool.install(|| prepared.nearest(&prepared)), nearest, "{threads} threads");
        }
    }
}

#[test]
fn nothing_to_find() {
    let none = Array2::<f32>::zeros((0, 3));
    let one = array![[1.0_f32, 2.0, 3.0]];
    let (none, one) = (PreparedRows::new(none.view()).unwrap(), PreparedRows::new(one.view()).unwrap());
    assert_eq!(none.k_nearest(&one, 5).indices.dim(), (1, 0));
    assert_eq!(one.k_nearest(&none, 5).indices.dim(), (0, 1));
    assert_eq!(one.k_nearest_others(5).indices.dim(), (1, 0));
    assert_eq!(none.k_nearest_others(5).indices.dim(), (0, 0));
    assert_eq!(one.k_nearest(&one, 0).indices.dim(), (1, 0));
    assert!(none.nearest(&none).is_empty());
}

#[test]
#[should_panic(expected = "rows of 2 columns and queries of 3")]
fn other_dimensions_panic() {
    let (two, three) = (array![[0.0_f32, 1.0]], array![[0.0_f32, 1.0, 2.0]]);
    let _ = PreparedRows::new(two.view()).unwrap().k_nearest(&PreparedRows::new(three.view()).unwrap(), 1);
}

#[test]
fn infinite_distances_are_left_out() {
    let mut distances = Array2::from_shape_fn((3, 50), |(row, column)| ((row * 31 + column * 17) % 53) as f32);
    for excluded in [0, 1, 7, 16, 33, 48, 49] {
        distances[[1, excluded]] = f32::INFINITY;
    }
    distances[[2, 49]] = -0.0;
    distances[[2, 3]] = 0.0;
    let found = Neighbors::of_squared_distances(distances.view(), 43);
    for row in 0..3 {
        let mut expected: Vec<(f32, usize)> = distances.row(row).iter().copied().zip(0..).collect();
        expected.sort_by(|a, b| a.0.partial_cmp(&b.0).unwrap().then(a.1.cmp(&b.1)));
        let indices: Vec<usize> = expected[..43].iter().map(|&(_, index)| index).collect();
        assert_eq!(found.indices.row(row).to_vec(), indices, "row {row}");
    }
}

#[test]
#[should_panic(expected = "1 finite distances, fewer than k = 2")]
fn too_few_finite_distances_panic() {
    let _ = Neighbors::of_squared_distances(array![[f32::INFINITY, 1.0, f32::INFINITY]].view(), 2);
}
