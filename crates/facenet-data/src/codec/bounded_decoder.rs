//! Decoding images on several threads within a memory limit.

use std::cell::Cell;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use ndarray::ArrayView3;

use crate::codec::decode::{MAX_PHOTO_BYTES, Photo, Resolution, check_memory, decode_with_reservation};
use crate::error::Error;

/// Decodes images for several threads, which wait for each other so that together they stay within
/// a memory limit.
///
/// While a thread uses an image, a work-stealing pool may have it decode another one. That nested
/// decode does not wait, because all other threads may be waiting for this one: it may exceed the
/// limit by that image.
#[derive(Debug)]
pub struct BoundedDecoder {
    budget: MemoryBudget,
}

impl BoundedDecoder {
    /// `memory_limit` is in bytes and covers images being decoded or in use. In addition each
    /// thread holds one encoded file of at most [`MAX_FILE_BYTES`](crate::MAX_FILE_BYTES).
    #[must_use]
    pub fn new(memory_limit: u64) -> Self {
        Self { budget: MemoryBudget::new(memory_limit) }
    }

    /// Decodes an image file like [`decode_image`](crate::decode_image), passes the image
    /// (`[height, width, 3]`) to `consume` and frees it. `path` only names it in errors.
    ///
    /// # Errors
    /// As [`decode_image`](crate::decode_image), and if the image alone exceeds the memory limit.
    pub fn decode<T>(
        &self,
        bytes: &[u8],
        path: &Path,
        consume: impl FnOnce(ArrayView3<'_, u8>) -> T,
    ) -> Result<T, Error> {
        let (image, _reservation) =
            decode_with_reservation(bytes, path, Resolution::Full, |needed| self.reserve(needed, path))?;
        Ok(consume(image.pixels.view()))
    }

    /// Decodes a photo like [`decode_photo`](crate::decode_photo), passes it to `consume` and frees
    /// it. `path` only names it in errors.
    ///
    /// # Errors
    /// As [`decode_photo`](crate::decode_photo), and if the photo alone exceeds the memory limit.
    pub fn decode_photo<T>(&self, bytes: &[u8], path: &Path, consume: impl FnOnce(&Photo) -> T) -> Result<T, Error> {
        let (photo, _reservation) = decode_with_reservation(bytes, path, Resolution::Reducible, |needed| {
            check_memory(needed, MAX_PHOTO_BYTES, path)?;
            self.reserve(needed, path)
        })?;
        Ok(consume(&photo))
    }

    fn reserve(&self, needed: u64, path: &Path) -> Result<Reservation<'_>, Error> {
        check_memory(needed, self.budget.limit, path)?;
        Ok(self.budget.reserve(needed))
    }
}

/// The bytes that all decoders together may hold.
#[derive(Debug)]
struct MemoryBudget {
    limit: u64,
    held: Mutex<u64>,
    released: Condvar,
}

/// Bytes reserved until this is dropped.
struct Reservation<'a> {
    budget: &'a MemoryBudget,
    bytes: u64,
    /// Not `Send`: `RESERVATIONS` counts per thread.
    not_send: PhantomData<*const ()>,
}

thread_local! {
    /// Number of reservations that this thread holds.
    static RESERVATIONS: Cell<usize> = const { Cell::new(0) };
}

impl MemoryBudget {
    fn new(limit: u64) -> Self {
        Self { limit, held: Mutex::new(0), released: Condvar::new() }
    }

    /// Waits until `bytes`, at most the limit, are available, unless this thread already holds a
    /// reservation.
    fn reserve(&self, bytes: u64) -> Reservation<'_> {
        let mut held = self.held();
        while *held > self.limit - bytes && RESERVATIONS.get() == 0 {
            held = self.released.wait(held).unwrap_or_else(PoisonError::into_inner);
        }
        *held += bytes;
        RESERVATIONS.set(RESERVATIONS.get() + 1);
        Reservation { budget: self, bytes, not_send: PhantomData }
    }

    fn held(&self) -> MutexGuard<'_, u64> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        RESERVATIONS.set(RESERVATIONS.get() - 1);
        *self.budget.held() -= self.bytes;
        self.budget.released.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Like a pool thread that steals a task while it waits within another.
    #[test]
    fn a_thread_that_holds_a_reservation_does_not_wait() {
        let budget = MemoryBudget::new(100);
        let outer = budget.reserve(80);
        let inner = budget.reserve(50);
        assert_eq!(*budget.held(), 130);
        drop(inner);
        drop(outer);
        assert_eq!((*budget.held(), RESERVATIONS.get()), (0, 0));
    }

    #[test]
    fn reservations_never_exceed_the_budget() {
        let budget = MemoryBudget::new(100);
        let peak = Mutex::new(0);
        std::thread::scope(|scope| {
            for thread in 0..8_u64 {
                let (budget, peak) = (&budget, &peak);
                scope.spawn(move || {
                    for round in 0..200 {
                        let bytes = 1 + (thread * 37 + round * 11) % 100;
                        let reservation = budget.reserve(bytes);
                        let held = *budget.held();
                        assert!(held <= 100, "{held} bytes held");
                        let mut peak = peak.lock().expect("no thread panics");
                        *peak = held.max(*peak);
                        drop(peak);
                        drop(reservation);
                    }
                });
            }
        });
        assert_eq!(*budget.held(), 0);
        assert!(*peak.lock().expect("no thread panics") > 50);
    }
}
