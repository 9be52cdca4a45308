//! Flat buffers with named ranges: parameters, gradients, optimizer state, running statistics.

use std::ops::Range;
use std::sync::Arc;

use facenet_tensor::Scalar;
use ndarray::{ArrayView, ArrayViewMut, ArrayViewMut1, Dimension, IxDyn};
use rayon::prelude::*;

/// What a parameter does, which determines its initial value and whether weight decay applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Weights of a convolution or fully connected layer. Weight decay applies to these only.
    Weight {
        /// Fan-in: the number of terms in each output's sum.
        inputs: usize,
        /// Fan-out: the number of outputs that each input contributes to.
        outputs: usize,
    },
    /// Initialized to 0: biases, shifts, running means.
    Bias,
    /// Initialized to 1: scales, running variances.
    Scale,
    /// Slopes of PReLU, initialized to 0.25.
    Slope,
}

/// A named range of a buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterEntry {
    /// Path of the field, such as `inception_3a.branch_3x3.conv.weight`.
    pub name: String,
    /// Shape, row-major.
    pub shape: Vec<usize>,
    /// Range in the buffer.
    pub range: Range<usize>,
    /// Role in the network.
    pub role: Role,
}

/// The named ranges of a buffer, in network order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParameterTable {
    entries: Vec<ParameterEntry>,
}

impl ParameterTable {
    /// All entries in order.
    pub fn entries(&self) -> &[ParameterEntry] {
        &self.entries
    }

    /// Length of a buffer: the number of parameters.
    pub fn len(&self) -> usize {
        self.entries.last().map_or(0, |entry| entry.range.end)
    }

    /// Whether there are no parameters.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends an entry and returns its index.
    pub(crate) fn push(&mut self, name: String, shape: &[usize], role: Role) -> usize {
        let start = self.len();
        let length: usize = shape.iter().product();
        self.entries.push(ParameterEntry { name, shape: shape.to_vec(), range: start..start + length, role });
        self.entries.len() - 1
    }
}

/// One value for every element of a table, in one flat buffer.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters<T> {
    table: Arc<ParameterTable>,
    /// The values, in table order.
    pub values: Vec<T>,
}

impl<T: Scalar> Parameters<T> {
    /// All zeros.
    pub fn zeros(table: &Arc<ParameterTable>) -> Self {
        Self { table: table.clone(), values: vec![T::zero(); table.len()] }
    }

    /// The table of names, shapes and roles.
    pub fn table(&self) -> &Arc<ParameterTable> {
        &self.table
    }

    /// Sets all values to 0.
    pub fn clear(&mut self) {
        self.values.par_chunks_mut(1 << 16).for_each(|values| values.fill(T::zero()));
    }

    /// The values of one entry.
    pub fn entry(&self, index: usize) -> &[T] {
        &self.values[self.table.entries[index].range.clone()]
    }

    /// The values of one entry, mutable.
    pub fn entry_mut(&mut self, index: usize) -> &mut [T] {
        &mut self.values[self.table.entries[index].range.clone()]
    }

    pub(crate) fn view<D: Dimension>(&self, index: usize) -> ArrayView<'_, T, D> {
        let shape = IxDyn(&self.table.entries[index].shape);
        let view = ArrayView::from_shape(shape, self.entry(index)).and_then(|view| view.into_dimensionality());
        view.expect("the plan views an entry with the number of dimensions it was created with")
    }

    pub(crate) fn view_mut<D: Dimension>(&mut self, index: usize) -> ArrayViewMut<'_, T, D> {
        let shape = IxDyn(&self.table.clone().entries[index].shape);
        let view = ArrayViewMut::from_shape(shape, self.entry_mut(index)).and_then(|view| view.into_dimensionality());
        view.expect("the plan views an entry with the number of dimensions it was created with")
    }

    /// Two different per-channel entries, mutable.
    pub(crate) fn disjoint_mut(&mut self, entries: [usize; 2]) -> [ArrayViewMut1<'_, T>; 2] {
        let ranges = entries.map(|entry| self.table.entries[entry].range.clone());
        self.values.get_disjoint_mut(ranges).expect("entries do not overlap").map(ArrayViewMut1::from)
    }

    /// Converts all values to another scalar type.
    pub(crate) fn cast<U: Scalar>(&self) -> Parameters<U> {
        let values = self.values.iter().map(|value| U::from_f64(Scalar::to_f64(*value))).collect();
        Parameters { table: self.table.clone(), values }
    }

    /// L2 norm of all values, summed in `f64` over fixed chunks.
    pub fn norm(&self) -> f64 {
        let squares =
            |chunk: &[T]| chunk.iter().map(|&value| Scalar::to_f64(value) * Scalar::to_f64(value)).sum::<f64>();
        let sums: Vec<f64> = self.values.par_chunks(1 << 14).map(squares).collect();
        sums.iter().sum::<f64>().sqrt()
    }

    /// Scales all values down to a norm of at most `limit` and returns the norm before. If that is
    /// not finite, the values are left unchanged.
    pub fn clip_norm(&mut self, limit: f64) -> f64 {
        let norm = self.norm();
        if norm > limit && norm.is_finite() {
            let factor = T::from_f64(limit / norm);
            self.values.iter_mut().for_each(|value| *value *= factor);
        }
        norm
    }
}
