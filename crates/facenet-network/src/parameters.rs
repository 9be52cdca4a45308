//! Flat buffers of named numbers: weights, gradients, momentum, statistics.

use std::ops::Range;
use std::sync::Arc;

use facenet_tensor::Scalar;
use ndarray::{ArrayView, ArrayViewMut, ArrayViewMut1, Dimension, IxDyn};
use rayon::prelude::*;

/// What a range of parameters is, which decides how it starts and whether weight decay applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The weights of a product. Weight decay applies to these alone.
    Weight {
        /// Numbers that one output is made of.
        inputs: usize,
        /// Outputs that one input goes into.
        outputs: usize,
    },
    /// Starts at 0: biases, shifts, running means.
    Zero,
    /// Starts at 1: scales, running variances.
    One,
    /// The slope of a PReLU, which starts at 0.25.
    Slope,
}

/// One named range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The path of the field, such as `inception_3a.branch_3x3.weight`.
    pub name: String,
    /// Its shape, row-major.
    pub shape: Vec<usize>,
    /// Where it lies in the buffer.
    pub range: Range<usize>,
    /// What it is.
    pub role: Role,
}

/// The named ranges of a buffer, in the order of the network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParameterTable {
    entries: Vec<Entry>,
}

impl ParameterTable {
    /// All ranges, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The length of a buffer.
    pub fn len(&self) -> usize {
        self.entries.last().map_or(0, |entry| entry.range.end)
    }

    /// Whether there is nothing to hold.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn push(&mut self, name: String, shape: &[usize], role: Role) -> usize {
        let start = self.len();
        let length: usize = shape.iter().product();
        self.entries.push(Entry { name, shape: shape.to_vec(), range: start..start + length, role });
        self.entries.len() - 1
    }
}

/// Numbers for every entry of a table, in one flat buffer.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters<T> {
    table: Arc<ParameterTable>,
    /// The numbers, in the order of the table.
    pub values: Vec<T>,
}

impl<T: Scalar> Parameters<T> {
    /// All 0.
    pub fn zeros(table: &Arc<ParameterTable>) -> Self {
        Self { table: table.clone(), values: vec![T::zero(); table.len()] }
    }

    /// The table of names.
    pub fn table(&self) -> &Arc<ParameterTable> {
        &self.table
    }

    /// Sets every number to 0.
    pub fn clear(&mut self) {
        self.values.par_chunks_mut(1 << 16).for_each(|numbers| numbers.fill(T::zero()));
    }

    /// The numbers of one entry.
    pub fn entry(&self, index: usize) -> &[T] {
        &self.values[self.table.entries[index].range.clone()]
    }

    /// The numbers of one entry, to write.
    pub fn entry_mut(&mut self, index: usize) -> &mut [T] {
        &mut self.values[self.table.entries[index].range.clone()]
    }

    pub(crate) fn view<D: Dimension>(&self, index: usize) -> ArrayView<'_, T, D> {
        let shape = IxDyn(&self.table.entries[index].shape);
        let view = ArrayView::from_shape(shape, self.entry(index)).and_then(|view| view.into_dimensionality());
        view.expect("the plan asks for the shape that it pushed")
    }

    pub(crate) fn view_mut<D: Dimension>(&mut self, index: usize) -> ArrayViewMut<'_, T, D> {
        let shape = IxDyn(&self.table.clone().entries[index].shape);
        let view = ArrayViewMut::from_shape(shape, self.entry_mut(index)).and_then(|view| view.into_dimensionality());
        view.expect("the plan asks for the shape that it pushed")
    }

    /// Two different entries of one number per channel, to write.
    pub(crate) fn disjoint_mut(&mut self, entries: [usize; 2]) -> [ArrayViewMut1<'_, T>; 2] {
        let ranges = entries.map(|entry| self.table.entries[entry].range.clone());
        self.values.get_disjoint_mut(ranges).expect("entries do not overlap").map(ArrayViewMut1::from)
    }

    /// The same numbers in another type.
    pub(crate) fn cast<U: Scalar>(&self) -> Parameters<U> {
        let values = self.values.iter().map(|value| U::from_f64(Scalar::to_f64(*value))).collect();
        Parameters { table: self.table.clone(), values }
    }

    /// The square root of the sum of squares, summed in f64 over fixed parts.
    pub fn norm(&self) -> f64 {
        let squares = |part: &[T]| part.iter().map(|&value| Scalar::to_f64(value) * Scalar::to_f64(value)).sum::<f64>();
        let parts: Vec<f64> = self.values.par_chunks(1 << 14).map(squares).collect();
        parts.iter().sum::<f64>().sqrt()
    }

    /// Scales all numbers down to a norm of at most `limit`; returns the norm before. If that is not finite, the numbers
    /// stay as they are.
    pub fn clip_norm(&mut self, limit: f64) -> f64 {
        let norm = self.norm();
        if norm > limit && norm.is_finite() {
            let factor = T::from_f64(limit / norm);
            self.values.iter_mut().for_each(|value| *value *= factor);
        }
        norm
    }
}
