//! The loss and its gradient against the definition, central differences and a sum over triplets.

use approx::{assert_abs_diff_eq, assert_relative_eq};
use facenet_neighbors::pairwise_squared_distances;
use facenet_tensor::Scalar;
use facenet_triplet::{BatchAll, LossStatistics, Reduction, Triplet, TripletLoss, triplet_loss};
use ndarray::{Array1, Array2, ArrayView2, array};
use ndarray_rand::RandomExt;
use ndarray_rand::rand::{Rng, SeedableRng};
use ndarray_rand::rand_distr::StandardNormal;
use rand_chacha::ChaCha8Rng;

const REDUCTIONS: [Reduction; 3] = [Reduction::Sum, Reduction::Mean, Reduction::MeanActive];

fn random(rows: usize, columns: usize, seed: u64) -> Array2<f64> {
    Array2::random_using((rows, columns), StandardNormal, &mut ChaCha8Rng::seed_from_u64(seed)) * 0.4
}

fn all_triplets(identities: &[usize]) -> Vec<Triplet> {
    let n = identities.len();
    let mut triplets = Vec::new();
    for anchor in 0..n {
        for positive in (0..n).filter(|&p| p != anchor && identities[p] == identities[anchor]) {
            let negatives = (0..n).filter(|&negative| identities[negative] != identities[anchor]);
            triplets.extend(negatives.map(|negative| Triplet { anchor, positive, negative }));
        }
    }
    triplets
}

fn definition(x: ArrayView2<'_, f64>, triplets: &[Triplet], margin: f64, reduction: Reduction) -> f64 {
    let losses: Vec<f64> =
        triplets.iter().map(|t| triplet_loss(x.row(t.anchor), x.row(t.positive), x.row(t.negative), margin)).collect();
    let divisor = match reduction {
        Reduction::Sum => 1,
        Reduction::Mean => losses.len(),
        Reduction::MeanActive => losses.iter().filter(|&&loss| loss > 0.0).count(),
    };
    losses.iter().sum::<f64>() / divisor as f64
}

fn run<A: Scalar>(loss: &mut TripletLoss<A>, x: &Array2<A>, triplets: &[Triplet]) -> (LossStatistics, Array2<A>) {
    let distances = pairwise_squared_distances(x.view()).unwrap();
    let mut dx = Array2::from_elem(x.dim(), A::nan());
    let mut batch = loss.begin(distances.view());
    triplets.iter().for_each(|&triplet| batch.add(triplet));
    (batch.backward(x.view(), dx.view_mut()), dx)
}

#[test]
fn the_definition_matches_values_worked_out_by_hand() {
    let (anchor, positive, negative) = (array![1.0, 0.0], array![1.0, 0.5], array![0.0, 0.0]);
    assert_abs_diff_eq!(triplet_loss(anchor.view(), positive.view(), negative.view(), 0.8), 0.05, epsilon = 1e-15);
    assert_eq!(triplet_loss(anchor.view(), positive.view(), negative.view(), 0.7), 0.0);
    assert_eq!(triplet_loss(anchor.view(), positive.view(), negative.view(), 0.75), 0.0);
    assert!(triplet_loss(anchor.view(), array![f64::NAN, 0.0].view(), negative.view(), 0.2).is_nan());
}

#[test]
fn the_gradient_agrees_with_central_differences() {
    for (seed, identities) in [(1, vec![0, 0, 1, 1, 2]), (2, vec![3, 1, 3, 1, 3, 2, 2, 9, 1]), (3, vec![0, 1, 0])] {
        let x = random(identities.len(), 5, seed);
        let margin = 0.7;
        // Triplets away from the kink; some are listed twice, which the loss allows.
        let mut triplets = all_triplets(&identities);
        triplets.extend_from_within(..triplets.len() / 3);
        let distances = pairwise_squared_distances(x.view()).unwrap();
        triplets
            .retain(|t| (distances[[t.anchor, t.positive]] - distances[[t.anchor, t.negative]] + margin).abs() > 0.01);
        for reduction in REDUCTIONS {
            let (statistics, dx) = run(&mut TripletLoss::new(margin, reduction), &x, &triplets);
            assert!(statistics.active_triplets > 0);
            assert_relative_eq!(
                statistics.loss,
                definition(x.view(), &triplets, margin, reduction),
                max_relative = 1e-12
            );
            let step = 1e-4;
            let difference = Array2::from_shape_fn(x.dim(), |index| {
                let at = |offset: f64| {
                    let mut moved = x.clone();
                    moved[index] += offset;
                    definition(moved.view(), &triplets, margin, reduction)
                };
                (at(step) - at(-step)) / (2.0 * step)
            });
            let scale = dx.iter().fold(0.0_f64, |scale, x| scale.max(x.abs()));
            let error = (&dx - &difference).iter().fold(0.0_f64, |error, x| error.max(x.abs()));
            assert!(error < 1e-6 * scale, "{reduction:?}: {error} of {scale}");
        }
    }
}

#[test]
fn the_gradient_is_the_sum_over_triplets_in_both_precisions() {
    // Several blocks of rows, the last one partial.
    let n = 150;
    let x = random(n, 16, 5);
    let mut generator = ChaCha8Rng::seed_from_u64(6);
    let identities: Vec<usize> = (0..n).map(|_| generator.gen_range(0..12)).collect();
    let triplets = all_triplets(&identities);
    let margin = 0.5;
    let mut expected = Array2::<f64>::zeros(x.dim());
    let mut active = 0;
    for t in &triplets {
        let (a, p, n) = (x.row(t.anchor), x.row(t.positive), x.row(t.negative));
        if triplet_loss(a, p, n, margin) > 0.0 {
            active += 1;
            let rows: [(usize, Array1<f64>); 3] =
                [(t.anchor, (&n - &p) * 2.0), (t.positive, (&p - &a) * 2.0), (t.negative, (&a - &n) * 2.0)];
            rows.into_iter().for_each(|(i, gradient)| expected.row_mut(i).scaled_add(1.0, &gradient));
        }
    }
    let scale = expected.iter().fold(0.0_f64, |scale, x| scale.max(x.abs()));
    let (statistics, dx) = run(&mut TripletLoss::new(margin, Reduction::Sum), &x, &triplets);
    assert_eq!((statistics.triplets, statistics.active_triplets), (triplets.len(), active));
    assert!(largest_difference(&dx, &expected) <= 1e-12 * scale);
    let (single, dx) = run(&mut TripletLoss::new(0.5_f32, Reduction::Sum), &x.mapv(|x| x as f32), &triplets);
    assert_relative_eq!(single.loss, statistics.loss, max_relative = 1e-5);
    assert!(largest_difference(&dx.mapv(f64::from), &expected) <= 1e-4 * scale);
}

#[test]
fn batch_all_gives_the_loss_of_all_triplets() {
    let x = random(40, 8, 7).mapv(|x| x as f32);
    let identities: Vec<usize> = (0..40).map(|i| i % 6).collect();
    let distances = pairwise_squared_distances(x.view()).unwrap();
    let mut loss = TripletLoss::new(0.2_f32, Reduction::MeanActive);
    let every = run(&mut loss, &x, &all_triplets(&identities));
    let mut dx = Array2::from_elem(x.dim(), f32::NAN);
    let mut batch = loss.begin(distances.view());
    batch.mine(&BatchAll, &identities, 0);
    let mined = (batch.backward(x.view(), dx.view_mut()), dx);
    assert_eq!(mined.0.triplets, every.0.active_triplets);
    assert_eq!(mined.0.active_triplets, every.0.active_triplets);
    assert_eq!(mined.0.loss, every.0.loss);
    assert_eq!(mined.1, every.1);
}

#[test]
fn statistics_equal_their_definitions() {
    let x = random(30, 4, 8);
    let identities: Vec<usize> = (0..30).map(|i| i / 5).collect();
    let triplets = all_triplets(&identities);
    let distances = pairwise_squared_distances(x.view()).unwrap();
    let (statistics, _) = run(&mut TripletLoss::new(0.2, Reduction::Mean), &x, &triplets);
    let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
    let positive = mean(triplets.iter().map(|t| distances[[t.anchor, t.positive]]).collect());
    let negative = mean(triplets.iter().map(|t| distances[[t.anchor, t.negative]]).collect());
    let pairs = mean((0..30).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| distances[[i, j]]).collect());
    assert_relative_eq!(statistics.mean_anchor_positive, positive, max_relative = 1e-12);
    assert_relative_eq!(statistics.mean_anchor_negative, negative, max_relative = 1e-12);
    assert_relative_eq!(statistics.mean_squared_distance, pairs, max_relative = 1e-12);
}

#[test]
fn reused_buffers_carry_nothing_over() {
    let mut reused = TripletLoss::new(0.3, Reduction::Sum);
    for (n, seed) in [(90, 1), (20, 2), (90, 3), (0, 4), (7, 5)] {
        let x = random(n, 6, seed);
        let triplets = all_triplets(&(0..n).map(|i| i % 5).collect::<Vec<_>>());
        assert_eq!(run(&mut reused, &x, &triplets), run(&mut TripletLoss::new(0.3, Reduction::Sum), &x, &triplets));
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    let x = random(200, 32, 9).mapv(|x| x as f32);
    let triplets = all_triplets(&(0..200).map(|i| i % 20).collect::<Vec<_>>());
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run(&mut TripletLoss::new(0.2_f32, Reduction::MeanActive), &x, &triplets))
    };
    assert_eq!(on(1), on(5));
}

#[test]
fn without_active_triplets_loss_and_gradient_are_zero() {
    let x = array![[0.0, 0.0], [0.0, 0.1], [3.0, 0.0]];
    let satisfied = Triplet { anchor: 0, positive: 1, negative: 2 };
    for reduction in REDUCTIONS {
        for (triplets, count) in [(vec![], 0), (vec![satisfied], 1)] {
            let (statistics, dx) = run(&mut TripletLoss::new(0.2, reduction), &x, &triplets);
            assert_eq!((statistics.loss, statistics.triplets, statistics.active_triplets), (0.0, count, 0));
            assert_eq!(dx, Array2::<f64>::zeros((3, 2)));
        }
        for n in [0, 1] {
            let (statistics, dx) = run(&mut TripletLoss::new(0.2, reduction), &Array2::ones((n, 2)), &[]);
            assert_eq!((statistics.loss, statistics.mean_squared_distance), (0.0, 0.0));
            assert_eq!(dx, Array2::<f64>::zeros((n, 2)));
        }
    }
}

#[test]
fn collapsed_embeddings_show_in_the_statistics() {
    let triplets = all_triplets(&[0, 0, 1, 1]);
    let (statistics, dx) = run(&mut TripletLoss::new(0.2, Reduction::Mean), &Array2::ones((4, 3)), &triplets);
    assert_abs_diff_eq!(statistics.loss, 0.2, epsilon = 1e-12);
    assert_eq!((statistics.active_triplets, statistics.mean_squared_distance), (8, 0.0));
    assert_eq!(dx, Array2::<f64>::zeros((4, 3)));
}

#[test]
fn nan_propagates_to_the_loss() {
    let x = array![[0.0, f64::NAN], [0.0, 0.1], [3.0, 0.0]];
    let distances = array![[f64::NAN, f64::NAN, f64::NAN], [f64::NAN, 0.0, 9.01], [f64::NAN, 9.01, 0.0]];
    let mut loss = TripletLoss::new(0.2, Reduction::Mean);
    let mut batch = loss.begin(distances.view());
    batch.add(Triplet { anchor: 0, positive: 1, negative: 2 });
    let statistics = batch.backward(x.view(), Array2::zeros(x.dim()).view_mut());
    assert!(statistics.loss.is_nan() && statistics.mean_squared_distance.is_nan());
}

#[test]
#[should_panic(expected = "triplet (0, 1, 3) is out of bounds for a batch of 3")]
fn an_out_of_bounds_triplet_panics() {
    let _ = run(
        &mut TripletLoss::new(0.2, Reduction::Sum),
        &Array2::ones((3, 2)),
        &[Triplet { anchor: 0, positive: 1, negative: 3 }],
    );
}

fn largest_difference(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    assert_eq!(a.dim(), b.dim());
    a.iter().zip(b).fold(0.0, |largest, (a, b)| largest.max((a - b).abs()))
}
