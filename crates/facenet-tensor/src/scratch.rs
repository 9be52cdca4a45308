//! Memory that kernels reuse.

use crate::AlignedVec;

/// Memory for packed weights and partial sums, reused from call to call, so that a training step allocates nothing
/// after the first.
#[derive(Clone, Debug, Default)]
pub struct Scratch<T> {
    packed: AlignedVec<T>,
}

impl<T: Copy + Default> Scratch<T> {
    /// The first `length` numbers, whatever they hold; grows where needed.
    pub(crate) fn take(&mut self, length: usize) -> &mut [T] {
        self.packed.grow(length);
        &mut self.packed[..length]
    }
}
