//! The commands of `facenet`, one file each.

pub mod cluster;
pub mod completions;
pub mod detect;
pub mod download;
pub mod embed;
pub mod identify;
pub mod verify;
