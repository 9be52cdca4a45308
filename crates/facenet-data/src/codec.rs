//! Decoding and encoding image files.

pub(crate) mod bounded_decoder;
pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod image_format;
mod jpeg_segments;
