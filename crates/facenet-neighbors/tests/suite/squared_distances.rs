//! Squared distances against their definition.

use approx::assert_abs_diff_eq;
use facenet_neighbors::{NotFinite, PreparedRows, pairwise_squared_distances, squared_distances};
use ndarray::{Array2, ArrayView2, Axis, NdFloat, array, s};
use ndarray_rand::RandomExt;
use ndarray_rand::rand::SeedableRng;
use ndarray_rand::rand_distr::StandardNormal;
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;

fn random(rows: usize, columns: usize, seed: u64) -> Array2<f64> {
    Array2::random_using((rows, columns), StandardNormal, &mut ChaCha8Rng::seed_from_u64(seed))
}

fn definition(a: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>) -> Array2<f64> {
    Array2::from_shape_fn((a.nrows(), b.nrows()), |(i, j)| {
        a.row(i).iter().zip(b.row(j)).map(|(x, y)| (x - y) * (x - y)).sum()
    })
}

fn assert_symmetric_with_zero_diagonal<A: NdFloat>(distances: &Array2<A>) {
    for ((i, j), &distance) in distances.indexed_iter() {
        assert!(distance >= A::zero());
        assert!(distance == distances[[j, i]], "({i}, {j})");
        assert!(i != j || distance == A::zero());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn distances_equal_the_definition(m in 0_usize..200, n in 0_usize..90, dimension in 0_usize..20, seed: u64) {
        let (a, b) = (random(m, dimension, seed), random(n, dimension, !seed));
        let within = pairwise_squared_distances(a.view()).unwrap();
        assert_symmetric_with_zero_diagonal(&within);
        assert_abs_diff_eq!(within, definition(a.view(), a.view()), epsilon = 1e-12);
        assert_abs_diff_eq!(squared_distances(a.view(), b.view()).unwrap(), definition(a.view(), b.view()), epsilon = 1e-12);

        let single = pairwise_squared_distances(a.mapv(|x| x as f32).view()).unwrap();
        assert_symmetric_with_zero_diagonal(&single);
        // Rounding errors of sums of `dimension` products with squared norms below 20 * 5^2.
        assert_abs_diff_eq!(single.mapv(f64::from), within, epsilon = 1e-3);
    }
}

#[test]
fn unit_vectors_in_f32_are_within_the_stated_error() {
    let mut x = random(150, 128, 1);
    for mut row in x.outer_iter_mut() {
        let norm = row.dot(&row).sqrt();
        row /= norm;
    }
    let single = pairwise_squared_distances(x.mapv(|x| x as f32).view()).unwrap();
    assert_abs_diff_eq!(single.mapv(f64::from), definition(x.view(), x.view()), epsilon = 1.5e-6);
}

#[test]
fn buffers_are_overwritten_and_may_have_any_stride() {
    let x = random(70, 6, 2);
    let mut wide = Array2::from_elem((70, 140), f64::NAN);
    let rows = PreparedRows::new(x.view()).unwrap();
    rows.pairwise_squared_distances_into(wide.slice_mut(s![.., ..;2]));
    assert_eq!(wide.slice(s![.., ..;2]), rows.pairwise_squared_distances());
    assert!(wide.slice(s![.., 1..;2]).iter().all(|x| x.is_nan()));
    let columns = x.slice(s![.., ..;2]);
    let between = squared_distances(columns, columns).unwrap();
    assert_abs_diff_eq!(between, definition(columns, columns), epsilon = 1e-12);
}

#[test]
fn equal_rows_are_at_distance_zero_wherever_they_stand() {
    for dimension in [1, 2, 33, 128, 500] {
        let distinct = random(41, dimension, 4).mapv(|x| x as f32);
        let x = distinct.select(Axis(0), &(0..123).map(|row| row % 41).collect::<Vec<_>>());
        let distances = pairwise_squared_distances(x.view()).unwrap();
        let between = squared_distances(x.slice(s![5..100, ..]), x.view()).unwrap();
        for ((i, j), &distance) in distances.indexed_iter() {
            assert_eq!(distance == 0.0, i % 41 == j % 41, "rows {i} and {j}: {distance}");
            assert_eq!(distance, distances[[i % 41, j % 41]], "a distance depends on its rows only");
        }
        assert_eq!(between, distances.slice(s![5..100, ..]));
    }
}

#[test]
fn the_largest_distances_are_finite() {
    let x = array![[9.2e18_f32, 0.0], [-9.2e18, 0.0], [9.2e18, 0.0]];
    let distances = pairwise_squared_distances(x.view()).unwrap();
    assert!(distances.iter().all(|distance| distance.is_finite()), "{distances}");
    assert_eq!((distances[[0, 0]], distances[[0, 2]]), (0.0, 0.0));
    let nearest = PreparedRows::new(x.view()).unwrap().k_nearest_others(2);
    assert_eq!(nearest.indices, array![[2, 1], [0, 2], [0, 1]]);
}

#[test]
fn rows_that_are_not_finite_are_refused() {
    for value in [f32::NAN, f32::INFINITY, 2e19, 1.5e19, 1e19] {
        let x = array![[1.0, 0.0], [0.0, value], [value, 1.0]];
        assert_eq!(pairwise_squared_distances(x.view()), Err(NotFinite { row: 1 }));
        assert_eq!(squared_distances(x.slice(s![..1, ..]), x.view()), Err(NotFinite { row: 1 }));
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    let x = random(333, 48, 3).mapv(|x| x as f32);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| (pairwise_squared_distances(x.view()), squared_distances(x.view(), x.slice(s![..99, ..]))))
    };
    assert_eq!(run(1), run(5));
}

#[test]
#[should_panic(expected = "[2, 2], not [2, 3]")]
fn a_wrong_buffer_panics() {
    let rows = array![[1.0], [2.0]];
    PreparedRows::new(rows.view()).unwrap().pairwise_squared_distances_into(Array2::zeros((2, 3)).view_mut());
}

#[test]
#[should_panic(expected = "differ in dimension")]
fn different_dimensions_panic() {
    let _ = squared_distances(Array2::<f32>::zeros((2, 3)).view(), Array2::zeros((2, 4)).view());
}
