//! The tests of the crate, as one program: it is linked once.

mod loss;
mod miners;
mod offline;
mod sampler;
