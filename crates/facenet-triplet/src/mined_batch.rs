use ndarray::ArrayView2;
use ndarray_rand::rand::RngCore;

use crate::draw::Draw;

/// The seed of the miner's random draws in a step of a run.
#[must_use]
pub fn miner_seed(seed: u64, step: u64) -> u64 {
    Draw::StepSeed { step }.generator(seed).next_u64()
}

/// What a miner sees of a batch: the squared distances of its embeddings, who they show, the margin and a seed.
#[derive(Clone, Copy, Debug)]
pub struct MinedBatch<'a> {
    squared_distances: ArrayView2<'a, f32>,
    identities: &'a [usize],
    margin: f32,
    seed: u64,
}

impl<'a> MinedBatch<'a> {
    /// A batch of `n` embeddings.
    ///
    /// `squared_distances` is symmetric with a zero diagonal, as [`squared_distances`](crate::squared_distances) computes
    /// it. `seed` is that of the miner's random draws: [`miner_seed`] gives one for each step.
    ///
    /// # Shapes
    ///
    /// `squared_distances`: `[n, n]`, `identities`: `[n]`.
    ///
    /// # Panics
    ///
    /// If the shapes disagree, or the margin is negative or not finite.
    #[track_caller]
    pub fn new(squared_distances: ArrayView2<'a, f32>, identities: &'a [usize], margin: f32, seed: u64) -> Self {
        let n = identities.len();
        assert!(
            squared_distances.dim() == (n, n),
            "squared distances {:?} do not fit identities [{n}]",
            squared_distances.shape()
        );
        assert!(margin.is_finite() && margin >= 0.0, "the margin is {margin}, not a number of at least 0");
        Self { squared_distances, identities, margin, seed }
    }

    /// How many embeddings there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.identities.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.identities.is_empty()
    }

    /// The squared distances of all pairs, `[n, n]`.
    #[must_use]
    pub fn squared_distances(&self) -> ArrayView2<'a, f32> {
        self.squared_distances
    }

    /// Who each embedding shows, `[n]`.
    #[must_use]
    pub fn identities(&self) -> &'a [usize] {
        self.identities
    }

    /// The margin of the triplet loss.
    #[must_use]
    pub fn margin(&self) -> f32 {
        self.margin
    }

    /// The seed of the miner's random draws in this batch.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The largest squared distance, exclusive, at which a negative violates the margin of an anchor-positive pair.
    ///
    /// In f64, where the sum is that of the loss: a miner and the loss agree on which triplets are active.
    pub(crate) fn reach(&self, anchor_positive: f32) -> f64 {
        f64::from(anchor_positive) + f64::from(self.margin)
    }
}
