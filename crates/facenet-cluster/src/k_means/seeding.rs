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
    let mut nearest = Vec::new();
    points.with_candidates(&vec![f32::INFINITY; points.len()], &[first], &mut nearest);
    let mut sums = Vec::with_capacity(nearest.len());
    let mut distances = Vec::new();
    for _ in 1..clusters {
        sums.clear();
        sums.extend(nearest.iter().scan(0.0, |sum, &distance| {
            *sum += f64::from(distance);
            Some(*sum)
        }));
        let candidates: Vec<usize> =
            (0..candidates_per_seed(clusters)).map(|_| sample_proportionally(&sums, generator)).collect();
        let inertias = points.with_candidates(&nearest, &candidates, &mut distances);
        // Ties go to the first.
        let best =
            (1..candidates.len()).fold(0, |best, next| if inertias[next] < inertias[best] { next } else { best });
        seeds.push(candidates[best]);
        nearest.copy_from_slice(&distances[best * points.len()..][..points.len()]);
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
