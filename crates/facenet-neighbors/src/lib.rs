#![doc = include_str!("../README.md")]

mod error;
mod k_nearest;
mod nearest;
mod prepared_rows;
mod squared_distances;
mod symmetric;

pub use error::NotFinite;
pub use k_nearest::Neighbors;
pub use prepared_rows::PreparedRows;
pub use squared_distances::{pairwise_squared_distances, squared_distances};
pub use symmetric::symmetrize;
