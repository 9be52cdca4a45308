//! Arguments that several commands take.

pub mod common;
pub mod download;
pub mod network_choice;
pub mod portraits;
pub mod weights;
