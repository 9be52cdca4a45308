#![doc = include_str!("../README.md")]

mod candidates;
mod classifier;
mod error;
mod k_nearest;
mod nearest;
mod prepared_rows;
mod squared_distances;
mod symmetric;

pub use candidates::Neighbors;
pub use classifier::{
    NearestNeighborsClassifier, NearestNeighborsModel, ValidNearestNeighborsClassifier, VoteWinner, Votes,
    choose_neighbor_count, leave_one_out_accuracies,
};
pub use error::{Error, NotFinite};
pub use prepared_rows::PreparedRows;
pub use squared_distances::{pairwise_squared_distances, squared_distances};
pub use symmetric::symmetrize;
