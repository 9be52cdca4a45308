//! Decoding and encoding image files.

pub(crate) mod bounded_decoder;
pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod image_format;
mod jpeg_repair;
mod jpeg_scans;
mod jpeg_segments;
mod orientation;
mod scaled_jpeg;
mod tiff_directory;
mod webp_chunks;
