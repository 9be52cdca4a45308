//! The tests of the crate, as one program: it is linked once.

mod calibration;
mod clustering;
mod golden;
mod identification;
mod pairs;
mod verification;
