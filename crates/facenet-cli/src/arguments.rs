//! Arguments shared by several commands.

pub mod clustering_method;
pub mod download;
pub(crate) mod images;
pub mod name_or_file;
pub mod network_choice;
pub(crate) mod portraits;
pub(crate) mod squared_distance;
pub mod threads;
pub mod toml_file;
pub mod weights;
