#![doc = include_str!("../README.md")]

mod draw;
mod error;
mod identity_groups;
mod loss;
mod mined_batch;
mod miner;
mod offline;
mod sampler;
mod squared_distances;
mod symmetric;
mod triplet;

pub use error::Error;
pub use loss::{BatchLoss, LossStatistics, Reduction, TripletLoss, triplet_loss};
pub use mined_batch::{MinedBatch, miner_seed};
pub use miner::{BatchAll, BatchHard, Miner, MinerKind, NegativeChoice, SemiHard};
pub use offline::{OfflineBatch, OfflineSubset, OfflineTriplets};
pub use sampler::{BatchShape, IdentitySampler};
pub use squared_distances::{
    squared_distances, squared_distances_between, squared_distances_between_into, squared_distances_into,
};
pub use triplet::Triplet;
