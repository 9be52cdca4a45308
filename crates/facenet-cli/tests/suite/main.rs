//! The tests of the crate, as one program: it is linked once.

mod cluster;
mod people;
mod photos;
