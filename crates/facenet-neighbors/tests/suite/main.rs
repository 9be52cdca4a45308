//! The tests of the crate, as one program: it is linked once.

mod classifier;
mod k_nearest;
mod squared_distances;
