use ndarray_rand::rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::Embeddings;

/// How many embeddings are tried for each centre.
pub(super) fn trials(clusters: usize) -> usize {
    2 + (clusters as f64).ln() as usize
}

/// Embeddings to start from. Each next one is the best of several drawn in proportion to their squared distance to the
/// nearest so far: the one that leaves the least inertia.
pub(super) fn seed(embeddings: &dyn Embeddings, clusters: usize, generator: &mut ChaCha8Rng) -> Vec<usize> {
    let first = generator.gen_range(0..embeddings.len());
    let mut seeds = vec![first];
    let mut nearest = embeddings.squared_distances_to(first).into_owned();
    let mut sums = Vec::with_capacity(nearest.len());
    for _ in 1..clusters {
        sums.clear();
        sums.extend(nearest.iter().scan(0.0, |sum, &distance| {
            *sum += f64::from(distance);
            Some(*sum)
        }));
        let tried = (0..trials(clusters)).map(|_| {
            let candidate = draw_in_proportion(&sums, generator);
            let distances = embeddings.squared_distances_to(candidate);
            (sum_of_lesser(&nearest, &distances), candidate, distances)
        });
        let best = tried.reduce(|best, tried| if tried.0 < best.0 { tried } else { best });
        if let Some((_, candidate, distances)) = best {
            seeds.push(candidate);
            nearest.iter_mut().zip(&*distances).for_each(|(nearest, &distance)| *nearest = nearest.min(distance));
        }
    }
    seeds
}

/// An index, drawn with a probability in proportion to its weight, given the sums of the weights up to each; any if all
/// weights are 0.
fn draw_in_proportion(sums: &[f64], generator: &mut ChaCha8Rng) -> usize {
    match sums.last() {
        Some(&total) if total > 0.0 => {
            let drawn = generator.gen_range(0.0..total);
            sums.partition_point(|&sum| sum <= drawn)
        }
        _ => generator.gen_range(0..sums.len()),
    }
}

/// The sum of the lesser of each two, as eight sums that a processor can advance side by side.
fn sum_of_lesser(a: &[f32], b: &[f32]) -> f64 {
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
