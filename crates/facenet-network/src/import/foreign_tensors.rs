//! What a file from elsewhere holds.

use std::collections::BTreeMap;

/// The tensors of a file by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ForeignTensors {
    /// Those of floating-point numbers.
    pub tensors: BTreeMap<String, ForeignTensor>,
    /// The element types of the others.
    pub others: BTreeMap<String, String>,
}

/// One tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct ForeignTensor {
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its numbers, row-major.
    pub values: Vec<f32>,
}
