//! Buffers that are allocated once and reused.

pub(crate) mod aligned_vec;
pub(crate) mod scratch;
