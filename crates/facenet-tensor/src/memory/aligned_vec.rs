//! A vector aligned to cache lines.

use std::ops::{Deref, DerefMut};

/// Bytes in a cache line, and in the widest SIMD register.
const CACHE_LINE: usize = 64;

/// A fixed-length vector whose first element is aligned to a 64-byte cache line.
///
/// A 16-lane `f32` vector that straddles two lines costs two accesses, and memory from the
/// allocator usually starts a quarter of a line late.
#[derive(Debug, Default)]
pub struct AlignedVec<T> {
    storage: Vec<T>,
    start: usize,
    length: usize,
}

impl<T: Copy + Default> AlignedVec<T> {
    /// `length` elements, all `T::default()`.
    #[must_use]
    pub fn zeros(length: usize) -> Self {
        let line = CACHE_LINE / size_of::<T>().max(1);
        let storage = vec![T::default(); length + line];
        // `align_offset` may fail for some element types (not for those used here); then any start
        // will do.
        let start = storage.as_ptr().align_offset(CACHE_LINE).min(line);
        Self { storage, start, length }
    }

    /// Grows to at least `length` elements. The contents are unspecified afterwards.
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
        let start = storage.as_ptr().align_offset(CACHE_LINE).min(self.storage.len() - self.length);
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
    fn vectors_and_their_clones_are_aligned_and_equal() {
        for length in [0, 1, 7, 1000] {
            let mut vector = AlignedVec::<f32>::zeros(length);
            for (index, element) in vector.iter_mut().enumerate() {
                *element = index as f32;
            }
            let clone = vector.clone();
            assert_eq!(*clone, *vector);
            for vector in [vector, clone] {
                assert_eq!(vector.as_ptr() as usize % CACHE_LINE, 0);
            }
        }
    }
}
