use ndarray::ArrayView2;
use ndarray_rand::rand::RngCore;

use crate::random_stream::RandomStream;

/// Derives the miner's seed for one training step from the seed of the run.
#[must_use]
pub fn miner_seed(seed: u64, step: u64) -> u64 {
    RandomStream::MinerSeedOfStep { step }.generator(seed).next_u64()
}

/// The input of a [`Miner`](crate::Miner): squared distances and identities of a mini-batch, the
/// margin and a seed.
///
/// [`BatchLoss::mine`](crate::BatchLoss::mine) builds it with the margin of the loss.
#[derive(Clone, Copy, Debug)]
pub struct MiningBatch<'a> {
    squared_distances: ArrayView2<'a, f32>,
    identities: &'a [usize],
    margin: f32,
    seed: u64,
}

impl<'a> MiningBatch<'a> {
    /// Describes a batch of `n` embeddings, to run a miner without a loss.
    ///
    /// `squared_distances` is symmetric with a zero diagonal, as computed by
    /// [`pairwise_squared_distances`](facenet_neighbors::pairwise_squared_distances). `seed` drives the miner's
    /// random choices; [`miner_seed`] derives one per step.
    ///
    /// # Shapes
    ///
    /// `squared_distances`: `[n, n]`, `identities`: `[n]`.
    ///
    /// # Panics
    ///
    /// Panics if the shapes disagree, or if the margin is negative or not finite.
    #[track_caller]
    pub fn new(squared_distances: ArrayView2<'a, f32>, identities: &'a [usize], margin: f32, seed: u64) -> Self {
        let n = identities.len();
        assert!(
            squared_distances.dim() == (n, n),
            "squared distances {:?} do not match identities [{n}]",
            squared_distances.shape()
        );
        assert!(margin.is_finite() && margin >= 0.0, "margin must be finite and non-negative, got {margin}");
        Self { squared_distances, identities, margin, seed }
    }

    /// Number of embeddings.
    #[must_use]
    pub fn len(&self) -> usize {
        self.identities.len()
    }

    /// Whether the batch is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.identities.is_empty()
    }

    /// Squared distances of all pairs, `[n, n]`.
    #[must_use]
    pub fn squared_distances(&self) -> ArrayView2<'a, f32> {
        self.squared_distances
    }

    /// Identity of each embedding, `[n]`.
    #[must_use]
    pub fn identities(&self) -> &'a [usize] {
        self.identities
    }

    /// Margin of the triplet loss.
    #[must_use]
    pub fn margin(&self) -> f32 {
        self.margin
    }

    /// Seed of the miner's random choices in this batch.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The exclusive upper bound on the squared distance of a negative that violates the margin of
    /// an anchor-positive pair.
    ///
    /// Summed in `f64` like the loss, so miner and loss agree on which triplets are active.
    pub(crate) fn violation_bound(&self, anchor_positive: f32) -> f64 {
        f64::from(anchor_positive) + f64::from(self.margin)
    }
}
