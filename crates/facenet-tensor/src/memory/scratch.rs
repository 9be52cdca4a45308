//! Memory that kernels reuse from call to call.

use crate::memory::aligned_vec::AlignedVec;

/// Memory for packed weights and partial sums, reused from call to call: after the first training
/// step nothing large is allocated.
#[derive(Clone, Debug, Default)]
pub struct Scratch<T> {
    buffer: AlignedVec<T>,
}

impl<T: Copy + Default> Scratch<T> {
    /// The first `length` elements, with unspecified contents. Grows if necessary.
    pub(crate) fn take(&mut self, length: usize) -> &mut [T] {
        self.buffer.grow(length);
        &mut self.buffer[..length]
    }
}
