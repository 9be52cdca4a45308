//! Portraits: images of one face each.

pub(crate) mod cache;
pub(crate) mod embedder;
pub(crate) mod files;
pub(crate) mod portrait;
pub(crate) mod reader;
