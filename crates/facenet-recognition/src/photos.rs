//! Photos: any number of faces in each.

pub(crate) mod cache;
pub(crate) mod embedder;
pub(crate) mod face;
pub(crate) mod files;
pub(crate) mod find;
pub(crate) mod landmark_list;
pub(crate) mod reader;
