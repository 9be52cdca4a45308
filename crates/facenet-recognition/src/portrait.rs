//! Portraits: images that show one person each.

pub(crate) mod cache;
pub(crate) mod embedder;
pub(crate) mod files;
#[expect(clippy::module_inception)]
pub(crate) mod portrait;
pub(crate) mod reader;
