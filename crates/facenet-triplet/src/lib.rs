#![doc = include_str!("../README.md")]

mod error;
mod identity_groups;
mod loss;
mod mining;
mod offline;
mod random_stream;
mod sampler;
mod triplet;

pub use error::Error;
pub use loss::{BatchLoss, LossStatistics, Reduction, TripletLoss, triplet_loss};
pub use mining::batch::{MiningBatch, miner_seed};
pub use mining::batch_all::BatchAll;
pub use mining::batch_hard::BatchHard;
pub use mining::kind::MinerKind;
pub use mining::miner::Miner;
pub use mining::semi_hard::{NegativeChoice, SemiHard};
pub use offline::{OfflineBatch, OfflineSubset, OfflineTriplets};
pub use sampler::{BatchShape, IdentitySampler};
pub use triplet::Triplet;
