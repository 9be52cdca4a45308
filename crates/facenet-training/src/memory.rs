//! Buffers that steps reuse.

use ndarray::{ArrayViewMut, Dimension, ShapeBuilder};

/// The buffer as an array of a given shape, with unspecified contents; it grows where needed.
pub(crate) fn shaped<T: Copy + Default, D: Dimension>(
    memory: &mut Vec<T>,
    shape: impl ShapeBuilder<Dim = D>,
) -> ArrayViewMut<'_, T, D> {
    let shape = shape.into_shape_with_order();
    memory.resize(shape.size(), T::default());
    ArrayViewMut::from_shape(shape, memory).expect("the buffer has the length of the shape")
}
