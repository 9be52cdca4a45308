use facenet_neighbors::PreparedRows;
use linfa::dataset::DatasetBase;
use linfa::param_guard::ParamGuard;
use linfa::traits::{Fit, PredictInplace};
use ndarray::{Array1, Array2, ArrayBase, ArrayView2, Data, Ix2};
use ndarray_rand::rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::cluster::Cluster;
use crate::error::Error;
use crate::k_means::distance_matrix::DistanceMatrix;
use crate::k_means::embedding_matrix::{EmbeddingMatrix, mean};
use crate::k_means::lloyd::{LloydResult, lloyd};
use crate::k_means::point_set::PointSet;
use crate::k_means::seeding::{candidates_per_seed, seed_points};
use crate::relabel::relabel_by_first_appearance;

/// K-means: finds centroids that minimize the inertia, the sum of squared distances of the embeddings
/// to their nearest centroid.
///
/// Greedy k-means++ seeding (Arthur, Vassilvitskii, "k-means++: The Advantages of Careful Seeding",
/// 2007), then Lloyd's iterations until the assignment no longer changes. Of several runs the one
/// with the lowest inertia is returned, ties to the first. A centroid that loses all its members
/// moves to the embedding farthest from its own centroid. The result has fewer clusters than
/// requested only if there are fewer distinct embeddings.
///
/// [`Cluster::cluster`] gives labels, linfa's `fit` a [`KMeansModel`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KMeans(ValidKMeans);

/// Checked hyperparameters of [`KMeans`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValidKMeans {
    clusters: usize,
    runs: usize,
    max_iterations: usize,
    seed: u64,
}

impl KMeans {
    /// K-means with a number of clusters, at most that of the embeddings. By default one run of at most
    /// 300 iterations, as in scikit-learn, with a seed of 0.
    #[must_use]
    pub fn new(clusters: usize) -> Self {
        Self(ValidKMeans { clusters, runs: 1, max_iterations: 300, seed: 0 })
    }

    /// Sets the number of runs with different seedings.
    #[must_use]
    pub fn runs(mut self, runs: usize) -> Self {
        self.0.runs = runs;
        self
    }

    /// Sets the maximum number of iterations per run.
    #[must_use]
    pub fn max_iterations(mut self, iterations: usize) -> Self {
        self.0.max_iterations = iterations;
        self
    }

    /// Sets the seed of all random draws.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.0.seed = seed;
        self
    }
}

impl ParamGuard for KMeans {
    type Checked = ValidKMeans;
    type Error = Error;

    /// [`Error::NoIterations`] for zero runs or iterations.
    fn check_ref(&self) -> Result<&ValidKMeans, Error> {
        if self.0.runs == 0 || self.0.max_iterations == 0 { Err(Error::NoIterations) } else { Ok(&self.0) }
    }

    fn check(self) -> Result<ValidKMeans, Error> {
        self.check_ref().copied()
    }
}

/// The centroids that k-means found.
#[derive(Clone, Debug, PartialEq)]
pub struct KMeansModel {
    centroids: Array2<f32>,
    labels: Vec<usize>,
    inertia: f64,
}

impl KMeansModel {
    /// The centroids: `[clusters, dimension]`, in the order of the labels.
    #[must_use]
    pub fn centroids(&self) -> ArrayView2<'_, f32> {
        self.centroids.view()
    }

    /// The cluster of each embedding: labels from 0, numbered by first appearance.
    #[must_use]
    pub fn labels(&self) -> &[usize] {
        &self.labels
    }

    /// The sum of squared distances of the embeddings to their centroids.
    #[must_use]
    pub fn inertia(&self) -> f64 {
        self.inertia
    }
}

impl<D: Data<Elem = f32>, T> Fit<ArrayBase<D, Ix2>, T, Error> for ValidKMeans {
    type Object = KMeansModel;

    /// Finds the centroids of the records: `[n, dimension]`.
    fn fit(&self, dataset: &DatasetBase<ArrayBase<D, Ix2>, T>) -> Result<KMeansModel, Error> {
        self.fit_embeddings(dataset.records().view())
    }
}

impl<D: Data<Elem = f32>> PredictInplace<ArrayBase<D, Ix2>, Array1<usize>> for KMeansModel {
    /// The nearest centroid of each row.
    ///
    /// # Panics
    ///
    /// If the dimensions or lengths differ, a row is not finite, or the model was fitted to no
    /// embeddings.
    fn predict_inplace(&self, rows: &ArrayBase<D, Ix2>, labels: &mut Array1<usize>) {
        assert_eq!(rows.nrows(), labels.len(), "rows and labels");
        let prepare = |rows| PreparedRows::new(rows).unwrap_or_else(|error| panic!("{error}"));
        let nearest = prepare(self.centroids.view()).nearest(&prepare(rows.view()));
        labels.iter_mut().zip(nearest).for_each(|(label, (nearest, _))| *label = nearest);
    }

    fn default_target(&self, rows: &ArrayBase<D, Ix2>) -> Array1<usize> {
        Array1::zeros(rows.nrows())
    }
}

impl Cluster for KMeans {
    fn cluster(&self, embeddings: ArrayView2<'_, f32>) -> Result<Vec<usize>, Error> {
        Ok(self.check_ref()?.fit_embeddings(embeddings)?.labels)
    }
}

impl ValidKMeans {
    fn fit_embeddings(&self, embeddings: ArrayView2<'_, f32>) -> Result<KMeansModel, Error> {
        let points = PreparedRows::new(embeddings)?;
        let n = points.len();
        if n == 0 {
            let centroids = Array2::zeros((0, embeddings.ncols()));
            return Ok(KMeansModel { centroids, labels: Vec::new(), inertia: 0.0 });
        }
        if self.clusters == 0 || self.clusters > n {
            return Err(Error::ClusterCount { clusters: self.clusters, embeddings: n });
        }
        let result = self.best_run(&points);
        let labels = relabel_by_first_appearance(&result.labels);
        let mut centroids = Array2::zeros((labels.iter().max().map_or(0, |last| last + 1), embeddings.ncols()));
        let mut done = 0;
        for (&label, &found) in labels.iter().zip(&result.labels) {
            // Labels are numbered by first appearance.
            if label == done {
                mean(embeddings, &result.centroids[found], centroids.row_mut(label));
                done += 1;
            }
        }
        Ok(KMeansModel { centroids, labels, inertia: result.inertia })
    }

    /// The random number generator of a run.
    fn generator(&self, run: usize) -> ChaCha8Rng {
        let mut generator = ChaCha8Rng::seed_from_u64(self.seed);
        generator.set_stream(run as u64);
        generator
    }

    fn best_run(&self, points: &PreparedRows<'_, f32>) -> LloydResult {
        let matrix = EmbeddingMatrix::new(points);
        let distances = self.uses_distance_matrix(points.len()).then(|| DistanceMatrix::new(points));
        let run = |seeding: &dyn PointSet, iterating: &dyn PointSet, run| {
            let seeds = seed_points(seeding, self.clusters, &mut self.generator(run));
            lloyd(iterating, &seeds, self.max_iterations)
        };
        let results: Vec<LloydResult> = match &distances {
            // Runs share the distances and need little memory of their own, so all run in parallel.
            Some(distances) => {
                let iterating: &dyn PointSet =
                    if self.iterates_on_distances(points.rows().dim()) { distances } else { &matrix };
                (0..self.runs).into_par_iter().map(|index| run(distances, iterating, index)).collect()
            }
            None => (0..self.runs).map(|index| run(&matrix, &matrix, index)).collect(),
        };
        let best = results.into_iter().reduce(|best, result| if result.inertia < best.inertia { result } else { best });
        best.expect("checked: at least one run")
    }

    /// Whether seeding needs at least as many rows of distances as there are: then each is computed
    /// once, for all runs.
    fn uses_distance_matrix(&self, embeddings: usize) -> bool {
        let rows = self.runs.saturating_mul(self.clusters).saturating_mul(candidates_per_seed(self.clusters));
        embeddings <= DistanceMatrix::MAX_POINTS && rows >= embeddings
    }

    /// Whether an iteration is cheaper on the distance matrix, with one memory-bound addition for
    /// each of `n^2` elements, than on the embeddings, with `n * clusters * dimension` vectorized
    /// multiplications.
    fn iterates_on_distances(&self, (n, dimension): (usize, usize)) -> bool {
        self.clusters.saturating_mul(dimension) >= 32 * n
    }
}
