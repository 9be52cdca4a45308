use facenet_neighbors::symmetrize;
use ndarray::linalg::general_mat_mul;
use ndarray::parallel::prelude::*;
use ndarray::{ArrayView1, ArrayView2, ArrayViewMut2, Axis, NdFloat};
use serde::{Deserialize, Serialize};

use crate::mining::batch::MiningBatch;
use crate::mining::miner::Miner;
use crate::triplet::Triplet;

/// Rows per task.
const BLOCK_ROWS: usize = 64;

/// The triplet loss of three embeddings, straight from its definition.
///
/// ```text
/// loss = max(0, |anchor - positive|^2 - |anchor - negative|^2 + margin)
/// ```
///
/// Source: the paper, section 3.1, equation 3.
///
/// # Shapes
///
/// All three `[dimension]`.
///
/// # Panics
///
/// Panics if the dimensions differ.
#[must_use]
#[track_caller]
pub fn triplet_loss<A: NdFloat>(
    anchor: ArrayView1<'_, A>,
    positive: ArrayView1<'_, A>,
    negative: ArrayView1<'_, A>,
    margin: A,
) -> f64 {
    assert!(
        anchor.dim() == positive.dim() && anchor.dim() == negative.dim(),
        "anchor {:?}, positive {:?} and negative {:?} differ in dimension",
        anchor.shape(),
        positive.shape(),
        negative.shape()
    );
    let squared_distance = |other: ArrayView1<'_, A>| -> f64 {
        anchor.iter().zip(other).map(|(&x, &y)| (to_f64(x) - to_f64(y)).powi(2)).sum()
    };
    violation(squared_distance(positive), squared_distance(negative), to_f64(margin))
}

/// By how much a triplet violates the margin, or 0. NaN propagates.
fn violation(anchor_positive: f64, anchor_negative: f64, margin: f64) -> f64 {
    let violation = anchor_positive + margin - anchor_negative;
    if violation <= 0.0 { 0.0 } else { violation }
}

/// The divisor of the summed loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduction {
    /// 1: the sum, as in the paper.
    Sum,
    /// The number of triplets.
    Mean,
    /// The number of active triplets (loss above 0), so the gradient does not vanish as they become
    /// rare.
    #[default]
    MeanActive,
}

/// Loss of a batch and diagnostics of training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LossStatistics {
    /// The reduced loss; 0 without triplets.
    pub loss: f64,
    /// Number of triplets.
    pub triplets: usize,
    /// Number of triplets with a loss above 0.
    pub active_triplets: usize,
    /// Mean squared anchor-positive distance over the triplets; 0 without triplets.
    pub mean_anchor_positive: f64,
    /// Mean squared anchor-negative distance over the triplets; 0 without triplets.
    pub mean_anchor_negative: f64,
    /// Mean squared distance over all pairs of the batch, genuine and impostor: about 2 for unit
    /// vectors spread evenly, near 0 if the embeddings collapse into one point. 0 for a batch
    /// without pairs.
    pub mean_squared_distance: f64,
}

/// The triplet loss of batches, with its gradient with respect to the embeddings.
///
/// ```text
/// loss = sum over triplets of max(0, d(a, p) - d(a, n) + margin) / divisor
/// d(i, j) = |x_i - x_j|^2
/// ```
///
/// Each active triplet adds 1 to a weight `w[a, p]` and -1 to `w[a, n]`. The active part of the
/// loss is then the sum of `w[i, j] d(i, j)` plus a constant, and the gradient is one matrix
/// product regardless of the number of triplets:
///
/// ```text
/// v = w + w^T
/// dx_i = 2 / divisor * sum over j of v[i, j] (x_i - x_j)
///      = 2 / divisor * ((diag(v 1) - v) x)_i
/// ```
///
/// A triplet whose loss is exactly 0 is inactive: the gradient at the kink is 0. The weight matrix
/// is reused from batch to batch, so nothing large is allocated once the largest batch has been
/// seen.
///
/// Source: the paper, section 3.1.
#[derive(Clone, Debug)]
pub struct TripletLoss<A> {
    margin: A,
    reduction: Reduction,
    weights: Vec<A>,
}

impl<A: NdFloat> TripletLoss<A> {
    /// Creates a loss. The paper uses a margin of 0.2.
    ///
    /// # Panics
    ///
    /// Panics if the margin is negative or not finite.
    #[must_use]
    #[track_caller]
    pub fn new(margin: A, reduction: Reduction) -> Self {
        assert!(margin.is_finite() && margin >= A::zero(), "margin must be finite and non-negative, got {margin}");
        Self { margin, reduction, weights: Vec::new() }
    }

    /// The margin, which miners use too.
    #[must_use]
    pub fn margin(&self) -> A {
        self.margin
    }

    /// Starts a batch without triplets.
    ///
    /// # Shapes
    ///
    /// `squared_distances`: `[n, n]`, as computed by
    /// [`pairwise_squared_distances`](facenet_neighbors::pairwise_squared_distances).
    ///
    /// # Panics
    ///
    /// Panics if the matrix is not square.
    #[track_caller]
    pub fn begin<'a>(&'a mut self, squared_distances: ArrayView2<'a, A>) -> BatchLoss<'a, A> {
        assert!(squared_distances.is_square(), "squared distances {:?} are not square", squared_distances.shape());
        self.weights.clear();
        self.weights.resize(squared_distances.len(), A::zero());
        BatchLoss {
            margin: self.margin,
            reduction: self.reduction,
            weights: &mut self.weights,
            squared_distances,
            triplets: 0,
            active_triplets: 0,
            loss: 0.0,
            anchor_positive: 0.0,
            anchor_negative: 0.0,
        }
    }
}

/// The loss of one batch, to which triplets are added. Created by [`TripletLoss::begin`].
#[derive(Debug)]
pub struct BatchLoss<'a, A> {
    margin: A,
    reduction: Reduction,
    weights: &'a mut [A],
    squared_distances: ArrayView2<'a, A>,
    triplets: usize,
    active_triplets: usize,
    loss: f64,
    anchor_positive: f64,
    anchor_negative: f64,
}

impl BatchLoss<'_, f32> {
    /// Adds the triplets that a miner selects with the margin of this loss.
    ///
    /// `seed` drives the miner's random choices; [`miner_seed`](crate::miner_seed) derives one per
    /// step.
    ///
    /// # Shapes
    ///
    /// `identities`: `[n]`, one per embedding.
    ///
    /// # Panics
    ///
    /// Panics if the number of identities differs from the size of the batch.
    #[track_caller]
    pub fn mine(&mut self, miner: &dyn Miner, identities: &[usize], seed: u64) {
        let batch = MiningBatch::new(self.squared_distances.reborrow(), identities, self.margin, seed);
        miner.mine(&batch, &mut |triplet| self.add(triplet));
    }
}

impl<A: NdFloat> BatchLoss<'_, A> {
    /// Adds one triplet of indices into the batch.
    ///
    /// # Panics
    ///
    /// Panics if an index is out of bounds.
    #[track_caller]
    pub fn add(&mut self, triplet: Triplet) {
        let Triplet { anchor, positive, negative } = triplet;
        let n = self.squared_distances.nrows();
        assert!(
            anchor < n && positive < n && negative < n,
            "triplet ({anchor}, {positive}, {negative}) is out of bounds for a batch of {n}"
        );
        let anchor_positive = to_f64(self.squared_distances[[anchor, positive]]);
        let anchor_negative = to_f64(self.squared_distances[[anchor, negative]]);
        self.triplets += 1;
        self.anchor_positive += anchor_positive;
        self.anchor_negative += anchor_negative;
        let loss = violation(anchor_positive, anchor_negative, to_f64(self.margin));
        if loss != 0.0 {
            self.active_triplets += 1;
            self.loss += loss;
            self.weights[anchor * n + positive] += A::one();
            self.weights[anchor * n + negative] -= A::one();
        }
    }

    /// Loss and statistics of the triplets added so far.
    #[must_use]
    pub fn statistics(&self) -> LossStatistics {
        let n = self.squared_distances.nrows();
        let rows = self.squared_distances.outer_iter().enumerate();
        let distances: f64 = rows.map(|(i, row)| row.iter().take(i).map(|&d| to_f64(d)).sum::<f64>()).sum();
        LossStatistics {
            loss: self.loss / self.divisor(),
            triplets: self.triplets,
            active_triplets: self.active_triplets,
            mean_anchor_positive: self.anchor_positive / self.triplets.max(1) as f64,
            mean_anchor_negative: self.anchor_negative / self.triplets.max(1) as f64,
            mean_squared_distance: distances / (n * n.saturating_sub(1) / 2).max(1) as f64,
        }
    }

    /// Finishes the batch: overwrites `dembeddings` with the gradient and returns the statistics.
    ///
    /// # Shapes
    ///
    /// `embeddings` and `dembeddings`: `[n, dimension]`. The embeddings are those the squared
    /// distances were computed from.
    ///
    /// # Panics
    ///
    /// Panics if the shapes disagree.
    #[track_caller]
    pub fn backward(self, embeddings: ArrayView2<'_, A>, mut dembeddings: ArrayViewMut2<'_, A>) -> LossStatistics {
        let n = self.squared_distances.nrows();
        assert!(
            embeddings.nrows() == n && dembeddings.dim() == embeddings.dim(),
            "shapes of squared distances {:?}, embeddings {:?} and their gradient {:?} disagree",
            self.squared_distances.shape(),
            embeddings.shape(),
            dembeddings.shape()
        );
        let statistics = self.statistics();
        let factor = A::from(2.0 / self.divisor()).unwrap_or_else(A::nan);
        let mut laplacian =
            ArrayViewMut2::from_shape((n, n), self.weights).expect("begin allocates one weight per squared distance");
        symmetrize(laplacian.view_mut(), |upper, lower| -(upper + lower));
        laplacian
            .axis_chunks_iter_mut(Axis(0), BLOCK_ROWS)
            .into_par_iter()
            .zip(dembeddings.axis_chunks_iter_mut(Axis(0), BLOCK_ROWS))
            .enumerate()
            .for_each(|(block, (mut laplacian, mut dembeddings))| {
                for (i, mut row) in laplacian.outer_iter_mut().enumerate() {
                    row[block * BLOCK_ROWS + i] = A::zero();
                    let sum: f64 = row.iter().map(|&weight| to_f64(weight)).sum();
                    row[block * BLOCK_ROWS + i] = A::from(-sum).unwrap_or_else(A::nan);
                }
                general_mat_mul(factor, &laplacian, &embeddings, A::zero(), &mut dembeddings);
            });
        statistics
    }

    fn divisor(&self) -> f64 {
        match self.reduction {
            Reduction::Sum => 1.0,
            Reduction::Mean => self.triplets.max(1) as f64,
            Reduction::MeanActive => self.active_triplets.max(1) as f64,
        }
    }
}

/// The exact value as `f64`.
fn to_f64<A: NdFloat>(value: A) -> f64 {
    value.to_f64().unwrap_or(f64::NAN)
}
