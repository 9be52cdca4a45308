use serde::{Deserialize, Serialize};

use crate::mining::batch_all::BatchAll;
use crate::mining::batch_hard::BatchHard;
use crate::mining::miner::Miner;
use crate::mining::semi_hard::{NegativeChoice, SemiHard};

/// Selects a miner by name, for configuration files.
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
    /// Constructs the miner.
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
