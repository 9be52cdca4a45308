use ndarray_rand::rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::k_means::point_set::PointSet;

/// Number of candidates that greedy k-means++ tries for each seed.
pub(super) fn candidates_per_seed(clusters: usize) -> usize {
    2 + (clusters as f64).ln() as usize
}

/// Greedy k-means++: each further seed is the best of several candidates drawn with probability
/// proportional to the squared distance to the nearest seed so far; the best leaves the least
/// inertia.
pub(super) fn seed_points(points: &dyn PointSet, clusters: usize, generator: &mut ChaCha8Rng) -> Vec<usize> {
    let first = generator.gen_range(0..points.len());
    let mut seeds = vec![first];
    let mut nearest = points.squared_distances_to(first).into_owned();
    let mut sums = Vec::with_capacity(nearest.len());
    for _ in 1..clusters {
        sums.clear();
        sums.extend(nearest.iter().scan(0.0, |sum, &distance| {
            *sum += f64::from(distance);
            Some(*sum)
        }));
        let tried = (0..candidates_per_seed(clusters)).map(|_| {
            let candidate = sample_proportionally(&sums, generator);
            let distances = points.squared_distances_to(candidate);
            (sum_of_minima(&nearest, &distances), candidate, distances)
        });
        let best = tried.reduce(|best, tried| if tried.0 < best.0 { tried } else { best });
        if let Some((_, candidate, distances)) = best {
            seeds.push(candidate);
            nearest.iter_mut().zip(&*distances).for_each(|(nearest, &distance)| *nearest = nearest.min(distance));
        }
    }
    seeds
}

/// Draws an index with probability proportional to its weight, given the cumulative sums of the
/// weights. If all weights are 0, the draw is uniform.
fn sample_proportionally(sums: &[f64], generator: &mut ChaCha8Rng) -> usize {
    match sums.last() {
        Some(&total) if total > 0.0 => {
            let drawn = generator.gen_range(0.0..total);
            sums.partition_point(|&sum| sum <= drawn)
        }
        _ => generator.gen_range(0..sums.len()),
    }
}

/// The sum of elementwise minima, in eight independent partial sums so that it vectorizes.
fn sum_of_minima(a: &[f32], b: &[f32]) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0; LANES];
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f64 = a.remainder().iter().zip(b.remainder()).map(|(&a, &b)| f64::from(a.min(b))).sum();
    for (a, b) in a.zip(b) {
        for ((sum, &a), &b) in sums.iter_mut().zip(a).zip(b) {
            *sum += f64::from(a.min(b));
        }
    }
    sums.iter().sum::<f64>() + rest
}
