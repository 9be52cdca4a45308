//! The tests of the crate, as one program: it is linked once.

mod dataset;
mod documented_recipes;
mod evaluation;
mod recipe;
mod trainer;
