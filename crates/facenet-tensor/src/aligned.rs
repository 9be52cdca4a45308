//! Memory that vectors are read from and written to.

use std::ops::{Deref, DerefMut};

/// Bytes in a line of the cache, and in the widest vector.
const LINE: usize = 64;

/// Numbers whose first one lies at the start of a cache line: a vector of sixteen that straddles two lines costs two
/// accesses. (Memory as the allocator gives it starts a quarter of a line late.)
#[derive(Debug, Default)]
pub struct AlignedVec<T> {
    storage: Vec<T>,
    start: usize,
    length: usize,
}

impl<T: Copy + Default> AlignedVec<T> {
    /// So many zeros.
    #[must_use]
    pub fn zeros(length: usize) -> Self {
        let line = LINE / size_of::<T>().max(1);
        let storage = vec![T::default(); length + line];
        // Where the number type doesn't allow it (none of those here), the start is as good as any.
        let start = storage.as_ptr().align_offset(LINE).min(line);
        Self { storage, start, length }
    }

    /// Makes room for so many numbers; what was there may be lost.
    pub fn grow(&mut self, length: usize) {
        if self.length < length {
            *self = Self::zeros(0);
            *self = Self::zeros(length);
        }
    }
}

impl<T: Clone> Clone for AlignedVec<T> {
    fn clone(&self) -> Self {
        let Some(filling) = self.storage.first() else {
            return Self { storage: Vec::new(), start: 0, length: 0 };
        };
        let mut storage: Vec<T> = Vec::with_capacity(self.storage.len());
        let start = storage.as_ptr().align_offset(LINE).min(self.storage.len() - self.length);
        storage.resize(start, filling.clone());
        storage.extend_from_slice(self);
        Self { storage, start, length: self.length }
    }
}

impl<T> Deref for AlignedVec<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.storage[self.start..self.start + self.length]
    }
}

impl<T> DerefMut for AlignedVec<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.storage[self.start..self.start + self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_start_a_line_and_clones_hold_the_same() {
        for length in [0, 1, 7, 1000] {
            let mut numbers = AlignedVec::<f32>::zeros(length);
            for (index, number) in numbers.iter_mut().enumerate() {
                *number = index as f32;
            }
            let clone = numbers.clone();
            assert_eq!(*clone, *numbers);
            for numbers in [numbers, clone] {
                assert_eq!(numbers.as_ptr() as usize % LINE, 0);
            }
        }
    }
}
