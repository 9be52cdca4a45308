//! The tests of the crate, as one program: it is linked once.

mod batch_norm;
mod convolution;
mod fast;
mod formulas;
mod gradient_check;
mod guard_pages;
mod kinks;
mod packed;
mod packed_rows;
mod simd_levels;
mod small;
mod unit;
