//! Arguments shared by several commands.

pub mod clustering_method;
pub mod detection;
pub mod download;
pub(crate) mod face_selection;
pub mod found_photos;
pub mod name_or_file;
pub mod network_choice;
pub mod photos;
pub(crate) mod squared_distance;
pub mod threads;
pub mod toml_file;
pub mod weights;
