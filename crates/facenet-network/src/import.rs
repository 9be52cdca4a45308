//! Weights from elsewhere.

mod foreign_tensors;
mod pytorch;

pub use foreign_tensors::{ForeignTensor, ForeignTensors};
