//! The tests that no crate can run alone, as one program: it is linked once.

mod architecture;
mod detection;
mod golden;
mod pair_list;
mod pipeline;
mod weights;
