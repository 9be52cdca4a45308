//! Checks of every gradient against central differences, callable by users and other crates.

mod activations;
mod branches;
pub(crate) mod central_difference;
pub(crate) mod check;
mod convolutions;
mod guarded_image;
mod normalizations;
mod poolings;
pub(crate) mod suite;
