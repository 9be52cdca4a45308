//! The tests of the crate, as one program: it is linked once.

mod embedder;
mod photos;
mod raw_pixels;
mod weights_file;
