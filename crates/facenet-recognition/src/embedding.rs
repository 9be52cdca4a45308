//! From extracted faces to embeddings.

pub(crate) mod embed;
pub(crate) mod embedder;
pub(crate) mod flip_average;
pub(crate) mod raw_pixels;
