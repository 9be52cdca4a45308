mod coordinates;
mod distances;
mod linfa_engine;
mod lloyd;
mod seeding;

use std::borrow::Cow;

use ndarray::ArrayView2;
use ndarray_rand::rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::{Cluster, Error, check_finite, number_by_first_appearance};
use coordinates::Coordinates;
use distances::Distances;
use lloyd::{Run, lloyd};
use seeding::{seed, trials};

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
    /// Matrix products over blocks of embeddings, on all threads; up to 8,192 embeddings, where it pays, all pairwise
    /// distances once, for all runs.
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
        let coordinates = Coordinates::new(embeddings.view());
        let distances = self.keeps_distances(embeddings.nrows()).then(|| Distances::between_all(embeddings.view()));
        let run = |seeding: &dyn Embeddings, moving: &dyn Embeddings, run| {
            lloyd(moving, &seed(seeding, self.clusters, &mut self.generator(run)), self.iterations)
        };
        let runs: Vec<Run> = match &distances {
            // A run reads distances and holds next to nothing, so that all can go on at once.
            Some(distances) => {
                let moving: &dyn Embeddings =
                    if self.moves_by_distances(embeddings.dim()) { distances } else { &coordinates };
                (0..self.restarts).into_par_iter().map(|number| run(distances, moving, number)).collect()
            }
            None => (0..self.restarts).map(|number| run(&coordinates, &coordinates, number)).collect(),
        };
        let best = runs.into_iter().reduce(|best, run| if run.inertia < best.inertia { run } else { best });
        best.map_or_else(Vec::new, |run| run.labels)
    }

    /// Whether seeding asks for so many rows of distances that all of them are worth their matrix product, in which a
    /// distance costs a fraction of one computed by itself.
    fn keeps_distances(&self, embeddings: usize) -> bool {
        let rows = self.restarts.saturating_mul(self.clusters).saturating_mul(trials(self.clusters));
        embeddings <= Distances::MAXIMUM_EMBEDDINGS && rows >= embeddings / 16
    }

    /// Whether an iteration costs less from distances, an addition and a read of memory for each of `n^2`, than from
    /// coordinates, a multiplication for each of `n * clusters * dimension`, of which a processor does many at once.
    fn moves_by_distances(&self, (n, dimension): (usize, usize)) -> bool {
        self.clusters.saturating_mul(dimension) >= 32 * n
    }
}

/// What seeding and iterations ask of embeddings.
trait Embeddings: Sync {
    fn len(&self) -> usize;

    /// The squared distances of all embeddings to one of them.
    fn squared_distances_to(&self, embedding: usize) -> Cow<'_, [f32]>;

    /// The nearest centre of each embedding, the lowest number of equals, and the squared distance to it. A centre is
    /// the mean of some embeddings, at least one.
    fn nearest_centres(&self, centres: &[Vec<usize>]) -> Vec<(usize, f64)>;
}
