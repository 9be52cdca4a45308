use ndarray::linalg::general_mat_mul;
use ndarray::parallel::prelude::*;
use ndarray::{ArrayView1, ArrayView2, ArrayViewMut2, Axis, NdFloat};
use serde::{Deserialize, Serialize};

use crate::Triplet;
use crate::squared_distances::wide;
use crate::symmetric::{BLOCK, symmetrise};

/// The triplet loss of three embeddings: its definition.
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
/// If the dimensions differ.
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
        anchor.iter().zip(other).map(|(&x, &y)| (wide(x) - wide(y)).powi(2)).sum()
    };
    violation(squared_distance(positive), squared_distance(negative), wide(margin))
}

/// How far a triplet violates the margin, or 0. NaN stays NaN, so that a broken embedding shows in the loss.
fn violation(anchor_positive: f64, anchor_negative: f64, margin: f64) -> f64 {
    let violation = anchor_positive + margin - anchor_negative;
    if violation <= 0.0 { 0.0 } else { violation }
}

/// What the losses of the triplets are divided by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduction {
    /// 1: the paper's sum.
    Sum,
    /// The number of triplets.
    Mean,
    /// The number of active triplets, those with a loss above 0: the gradient doesn't fade as they become few.
    #[default]
    MeanActive,
}

/// The loss of a batch, and what tells whether training is well.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LossStatistics {
    /// The reduced loss; 0 without triplets.
    pub loss: f64,
    /// Triplets seen.
    pub triplets: usize,
    /// Triplets with a loss above 0.
    pub active_triplets: usize,
    /// Mean squared distance from anchor to positive over the triplets; 0 without triplets.
    pub mean_anchor_positive: f64,
    /// Mean squared distance from anchor to negative over the triplets; 0 without triplets.
    pub mean_anchor_negative: f64,
    /// Mean squared distance over all pairs of the batch, whoever they show: about 2 for unit vectors spread evenly, near 0
    /// when all embeddings collapse into one point. 0 for a batch without pairs.
    pub mean_squared_distance: f64,
}

/// The triplet loss of batches, with its gradient at the embeddings.
///
/// ```text
/// loss = sum over triplets of max(0, d(a, p) - d(a, n) + margin) / divisor, d(i, j) = |x_i - x_j|^2
/// ```
///
/// Each active triplet adds 1 to a weight `w[a, p]` and -1 to `w[a, n]`, so that the active part is the sum of
/// `w[i, j] d(i, j)` and a constant, and the gradient one matrix product however many triplets there are:
///
/// ```text
/// v = w + w^T
/// dx_i = 2 / divisor * sum over j of v[i, j] (x_i - x_j)
///      = 2 / divisor * ((diag(v 1) - v) x)_i
/// ```
///
/// A triplet whose loss is exactly 0 is inactive: at the kink the gradient is 0. The matrix of weights is kept from batch
/// to batch: no large allocation after the largest one.
///
/// Source: the paper, section 3.1.
#[derive(Clone, Debug)]
pub struct TripletLoss<A> {
    margin: A,
    reduction: Reduction,
    weights: Vec<A>,
}

impl<A: NdFloat> TripletLoss<A> {
    /// A loss with its margin; the paper's is 0.2.
    ///
    /// # Panics
    ///
    /// If the margin is negative or not finite.
    #[must_use]
    #[track_caller]
    pub fn new(margin: A, reduction: Reduction) -> Self {
        assert!(margin.is_finite() && margin >= A::zero(), "the margin is {margin}, not a number of at least 0");
        Self { margin, reduction, weights: Vec::new() }
    }

    /// Begins a batch without triplets.
    ///
    /// # Shapes
    ///
    /// `squared_distances`: `[n, n]`, as [`squared_distances`](crate::squared_distances) computes them.
    ///
    /// # Panics
    ///
    /// If the matrix isn't square.
    #[track_caller]
    pub fn begin<'a>(&'a mut self, squared_distances: ArrayView2<'a, A>) -> BatchLoss<'a, A> {
        assert!(squared_distances.is_square(), "squared distances {:?} are not square", squared_distances.shape());
        self.weights.clear();
        self.weights.resize(squared_distances.len(), A::zero());
        BatchLoss {
            margin: wide(self.margin),
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

/// The loss of one batch while triplets come in: begun by [`TripletLoss::begin`].
#[derive(Debug)]
pub struct BatchLoss<'a, A> {
    margin: f64,
    reduction: Reduction,
    weights: &'a mut [A],
    squared_distances: ArrayView2<'a, A>,
    triplets: usize,
    active_triplets: usize,
    loss: f64,
    anchor_positive: f64,
    anchor_negative: f64,
}

impl<A: NdFloat> BatchLoss<'_, A> {
    /// Adds a triplet, with indices into the batch.
    ///
    /// # Panics
    ///
    /// If an index is outside the batch.
    #[track_caller]
    pub fn add(&mut self, triplet: Triplet) {
        let Triplet { anchor, positive, negative } = triplet;
        let n = self.squared_distances.nrows();
        assert!(
            anchor < n && positive < n && negative < n,
            "triplet ({anchor}, {positive}, {negative}) is outside a batch of {n}"
        );
        let anchor_positive = wide(self.squared_distances[[anchor, positive]]);
        let anchor_negative = wide(self.squared_distances[[anchor, negative]]);
        self.triplets += 1;
        self.anchor_positive += anchor_positive;
        self.anchor_negative += anchor_negative;
        let loss = violation(anchor_positive, anchor_negative, self.margin);
        if loss != 0.0 {
            self.active_triplets += 1;
            self.loss += loss;
            self.weights[anchor * n + positive] += A::one();
            self.weights[anchor * n + negative] -= A::one();
        }
    }

    /// The loss and statistics of the triplets so far.
    #[must_use]
    pub fn statistics(&self) -> LossStatistics {
        let n = self.squared_distances.nrows();
        let rows = self.squared_distances.outer_iter().enumerate();
        let distances: f64 = rows.map(|(i, row)| row.iter().take(i).map(|&d| wide(d)).sum::<f64>()).sum();
        LossStatistics {
            loss: self.loss / self.divisor(),
            triplets: self.triplets,
            active_triplets: self.active_triplets,
            mean_anchor_positive: self.anchor_positive / self.triplets.max(1) as f64,
            mean_anchor_negative: self.anchor_negative / self.triplets.max(1) as f64,
            mean_squared_distance: distances / (n * n.saturating_sub(1) / 2).max(1) as f64,
        }
    }

    /// Ends the batch: writes the gradient at the embeddings, whatever the buffer held, and gives the statistics.
    ///
    /// # Shapes
    ///
    /// `embeddings` and `dembeddings`: `[n, dimension]`; the embeddings are those of the squared distances.
    ///
    /// # Panics
    ///
    /// If the shapes disagree.
    #[track_caller]
    pub fn backward(self, embeddings: ArrayView2<'_, A>, mut dembeddings: ArrayViewMut2<'_, A>) -> LossStatistics {
        let n = self.squared_distances.nrows();
        assert!(
            embeddings.nrows() == n && dembeddings.dim() == embeddings.dim(),
            "squared distances {:?}, embeddings {:?} and their gradient {:?} do not fit",
            self.squared_distances.shape(),
            embeddings.shape(),
            dembeddings.shape()
        );
        let statistics = self.statistics();
        let factor = A::from(2.0 / self.divisor()).unwrap_or_else(A::nan);
        let mut laplacian =
            ArrayViewMut2::from_shape((n, n), self.weights).expect("begin gives one weight to each squared distance");
        symmetrise(laplacian.view_mut(), |upper, lower| -(upper + lower));
        laplacian
            .axis_chunks_iter_mut(Axis(0), BLOCK)
            .into_par_iter()
            .zip(dembeddings.axis_chunks_iter_mut(Axis(0), BLOCK))
            .enumerate()
            .for_each(|(block, (mut laplacian, mut dembeddings))| {
                for (i, mut row) in laplacian.outer_iter_mut().enumerate() {
                    row[block * BLOCK + i] = A::zero();
                    let sum: f64 = row.iter().map(|&weight| wide(weight)).sum();
                    row[block * BLOCK + i] = A::from(-sum).unwrap_or_else(A::nan);
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
