mod linfa_engine;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};
use ndarray_rand::rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::{Cluster, Error, check_finite, number_by_first_appearance};

/// K-means: `clusters` centres such that the sum of squared distances to the nearest one, the inertia, is small.
///
/// Greedy k-means++ seeding (Arthur, Vassilvitskii, "k-means++: The Advantages of Careful Seeding", 2007), then Lloyd's
/// iterations until nothing moves, the best of several runs by inertia, the first of equals. A centre that loses all its
/// members moves to the embedding farthest from its own centre. Fewer clusters than asked for come out only if there
/// are fewer different embeddings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KMeans {
    /// How many clusters; at most as many as there are embeddings.
    pub clusters: usize,
    /// Runs from different seedings, of which the best is taken.
    pub restarts: usize,
    /// The most iterations of a run.
    pub iterations: usize,
    /// The seed of all random draws.
    pub seed: u64,
    /// Which implementation.
    pub engine: Engine,
}

/// An implementation of k-means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Engine {
    /// Matrix products over blocks of embeddings, on all threads.
    #[default]
    Fast,
    /// That of `linfa-clustering`.
    Linfa,
}

impl Default for KMeans {
    fn default() -> Self {
        Self { clusters: 8, restarts: 10, iterations: 300, seed: 0, engine: Engine::Fast }
    }
}

impl Cluster for KMeans {
    fn cluster(&self, embeddings: ArrayView2<'_, f32>) -> Result<Vec<usize>, Error> {
        check_finite(embeddings)?;
        let n = embeddings.nrows();
        if n == 0 {
            return Ok(Vec::new());
        }
        if self.clusters == 0 || self.clusters > n {
            return Err(Error::ClusterCount { clusters: self.clusters, embeddings: n });
        }
        if self.restarts == 0 || self.iterations == 0 {
            return Err(Error::NoRun);
        }
        let labels = match self.engine {
            Engine::Fast => self.fast(embeddings),
            Engine::Linfa => linfa_engine::cluster(self, embeddings)?,
        };
        Ok(number_by_first_appearance(&labels))
    }
}

impl KMeans {
    /// The generator of a run.
    fn generator(&self, run: usize) -> ChaCha8Rng {
        let mut generator = ChaCha8Rng::seed_from_u64(self.seed);
        generator.set_stream(run as u64);
        generator
    }

    fn fast(&self, embeddings: ArrayView2<'_, f32>) -> Vec<usize> {
        let embeddings = embeddings.as_standard_layout();
        let points = Points { embeddings: embeddings.view(), norms: squared_norms(embeddings.view()) };
        let runs = (0..self.restarts).map(|run| {
            let centres = points.seed_centres(self.clusters, &mut self.generator(run));
            points.lloyd(centres, self.iterations)
        });
        let best = runs.reduce(|best, run| if run.inertia < best.inertia { run } else { best });
        best.map_or_else(Vec::new, |run| run.labels)
    }
}

/// Rows of one matrix product.
const BLOCK: usize = 256;

struct Points<'a> {
    embeddings: ArrayView2<'a, f32>,
    norms: Vec<f32>,
}

struct Run {
    labels: Vec<usize>,
    inertia: f64,
}

impl Points<'_> {
    fn len(&self) -> usize {
        self.norms.len()
    }

    /// Each next centre is the best of several embeddings drawn in proportion to their squared distance to the nearest
    /// centre so far: the one that leaves the least inertia.
    fn seed_centres(&self, clusters: usize, generator: &mut ChaCha8Rng) -> Array2<f32> {
        let mut centres = Array2::zeros((clusters, self.embeddings.ncols()));
        let trials = 2 + (clusters as f64).ln() as usize;
        let first = generator.gen_range(0..self.len());
        centres.row_mut(0).assign(&self.embeddings.row(first));
        let mut nearest = self.squared_distances_to(first);
        for centre in 1..clusters {
            let total: f64 = nearest.iter().map(|&distance| f64::from(distance)).sum();
            let candidates: Vec<usize> = (0..trials).map(|_| draw_in_proportion(&nearest, total, generator)).collect();
            let tried = candidates.into_iter().map(|candidate| {
                let distances = self.squared_distances_to(candidate);
                let left: Vec<f32> = nearest.iter().zip(&distances).map(|(&a, &b)| a.min(b)).collect();
                let inertia: f64 = left.iter().map(|&distance| f64::from(distance)).sum();
                (candidate, left, inertia)
            });
            let best = tried.reduce(|best, tried| if tried.2 < best.2 { tried } else { best });
            if let Some((candidate, left, _)) = best {
                centres.row_mut(centre).assign(&self.embeddings.row(candidate));
                nearest = left;
            }
        }
        centres
    }

    fn squared_distances_to(&self, point: usize) -> Vec<f32> {
        let centre = self.embeddings.row(point);
        let norm = self.norms[point];
        let mut distances = vec![0.0; self.len()];
        distances
            .par_chunks_mut(BLOCK)
            .zip(self.embeddings.axis_chunks_iter(Axis(0), BLOCK).into_par_iter())
            .zip(self.norms.par_chunks(BLOCK))
            .for_each(|((distances, rows), norms)| {
                let products: Array1<f32> = rows.dot(&centre);
                for ((distance, product), other) in distances.iter_mut().zip(products).zip(norms) {
                    *distance = (norm + other - 2.0 * product).max(0.0);
                }
            });
        distances[point] = 0.0;
        distances
    }

    /// The nearest centre of each embedding, the lowest number of equals, and the squared distance to it.
    fn assign(&self, centres: ArrayView2<'_, f32>) -> Vec<(usize, f32)> {
        let norms = squared_norms(centres);
        let mut nearest = vec![(0, 0.0); self.len()];
        nearest
            .par_chunks_mut(BLOCK)
            .zip(self.embeddings.axis_chunks_iter(Axis(0), BLOCK).into_par_iter())
            .zip(self.norms.par_chunks(BLOCK))
            .for_each(|((nearest, rows), row_norms)| {
                let products = rows.dot(&centres.t());
                for ((nearest, products), norm) in nearest.iter_mut().zip(products.outer_iter()).zip(row_norms) {
                    *nearest = lowest(products, &norms);
                    nearest.1 = (nearest.1 + norm).max(0.0);
                }
            });
        nearest
    }

    fn lloyd(&self, mut centres: Array2<f32>, iterations: usize) -> Run {
        let mut nearest = self.assign(centres.view());
        for _ in 0..iterations {
            let reseeded = reseed_empty(&mut nearest, centres.nrows());
            self.move_centres(&nearest, &mut centres);
            let moved = self.assign(centres.view());
            let settled = !reseeded && moved.iter().zip(&nearest).all(|(new, old)| new.0 == old.0);
            nearest = moved;
            if settled {
                break;
            }
        }
        Run {
            inertia: nearest.iter().map(|&(_, distance)| f64::from(distance)).sum(),
            labels: nearest.into_iter().map(|(label, _)| label).collect(),
        }
    }

    /// Each centre becomes the mean of its members, summed in their order in f64; one without members stays.
    fn move_centres(&self, nearest: &[(usize, f32)], centres: &mut Array2<f32>) {
        let mut members = vec![Vec::new(); centres.nrows()];
        for (index, &(label, _)) in nearest.iter().enumerate() {
            members[label].push(index);
        }
        centres.axis_iter_mut(Axis(0)).into_par_iter().zip(&members).for_each(|(mut centre, members)| {
            let mut sum: Array1<f64> = Array1::zeros(centre.len());
            for &member in members {
                sum.zip_mut_with(&self.embeddings.slice(s![member, ..]), |sum, &x| *sum += f64::from(x));
            }
            if !members.is_empty() {
                centre.zip_mut_with(&sum, |centre, &sum| *centre = (sum / members.len() as f64) as f32);
            }
        });
    }
}

/// The least of `norm - 2 * product`, the first of equals, with its index.
fn lowest(products: ArrayView1<'_, f32>, norms: &[f32]) -> (usize, f32) {
    let mut lowest = (0, f32::INFINITY);
    for (index, (&product, &norm)) in products.iter().zip(norms).enumerate() {
        let distance = norm - 2.0 * product;
        if distance < lowest.1 {
            lowest = (index, distance);
        }
    }
    lowest
}

/// Gives each cluster without members the embedding farthest from its centre, of those that are not alone.
fn reseed_empty(nearest: &mut [(usize, f32)], clusters: usize) -> bool {
    let mut sizes = vec![0; clusters];
    nearest.iter().for_each(|&(label, _)| sizes[label] += 1);
    let mut reseeded = false;
    for empty in 0..clusters {
        if sizes[empty] > 0 {
            continue;
        }
        let mut farthest: Option<(usize, f32)> = None;
        for (index, &(label, distance)) in nearest.iter().enumerate() {
            if sizes[label] > 1 && distance > farthest.map_or(0.0, |(_, most)| most) {
                farthest = Some((index, distance));
            }
        }
        if let Some((index, _)) = farthest {
            sizes[nearest[index].0] -= 1;
            sizes[empty] = 1;
            nearest[index] = (empty, 0.0);
            reseeded = true;
        }
    }
    reseeded
}

/// An index, drawn with a probability in proportion to its weight; any if all weights are 0.
fn draw_in_proportion(weights: &[f32], total: f64, generator: &mut ChaCha8Rng) -> usize {
    if total <= 0.0 {
        return generator.gen_range(0..weights.len());
    }
    let mut left = generator.gen_range(0.0..total);
    for (index, &weight) in weights.iter().enumerate() {
        left -= f64::from(weight);
        if left < 0.0 {
            return index;
        }
    }
    weights.iter().rposition(|&weight| weight > 0.0).unwrap_or(0)
}

fn squared_norms(rows: ArrayView2<'_, f32>) -> Vec<f32> {
    rows.outer_iter().map(|row| row.dot(&row)).collect()
}
