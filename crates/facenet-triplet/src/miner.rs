use serde::{Deserialize, Serialize};

use crate::{MinedBatch, Triplet};

mod batch_all;
mod batch_hard;
mod semi_hard;

pub use batch_all::BatchAll;
pub use batch_hard::BatchHard;
pub use semi_hard::{NegativeChoice, SemiHard};

/// Picks triplets from one mini-batch.
///
/// They are handed over one at a time, since batch-all may find hundreds of millions, and in an order that depends on the
/// batch alone. Distances that are NaN are in no triplet.
pub trait Miner: Send + Sync {
    /// Calls `sink` with each triplet that the loss shall see; indices count the batch's embeddings.
    fn mine(&self, batch: &MinedBatch<'_>, sink: &mut dyn FnMut(Triplet));
}

/// The miners by name, for configurations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MinerKind {
    /// [`SemiHard`] with [`NegativeChoice::Hardest`]: `semi_hard`.
    #[default]
    SemiHard,
    /// [`SemiHard`] with [`NegativeChoice::Random`]: `semi_hard_random`.
    SemiHardRandom,
    /// [`BatchHard`]: `batch_hard`.
    BatchHard,
    /// [`BatchAll`]: `batch_all`.
    BatchAll,
}

impl MinerKind {
    /// The miner of this name.
    #[must_use]
    pub fn miner(self) -> Box<dyn Miner> {
        match self {
            Self::SemiHard => Box::new(SemiHard { choice: NegativeChoice::Hardest }),
            Self::SemiHardRandom => Box::new(SemiHard { choice: NegativeChoice::Random }),
            Self::BatchHard => Box::new(BatchHard),
            Self::BatchAll => Box::new(BatchAll),
        }
    }
}
