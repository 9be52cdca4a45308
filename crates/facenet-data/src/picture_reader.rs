//! Pictures decoded by several threads within a bound on memory.

use std::cell::Cell;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use ndarray::ArrayView3;

use crate::Error;
use crate::decode::decode_reserved;

/// Decodes pictures for several threads, which wait for each other rather than hold more than a limit of bytes together.
///
/// A thread that looks at a picture may be made to decode another one meanwhile, by a pool of threads that has it help out.
/// Then it does not wait, since it may be the one that all others wait for: the limit is passed by that picture.
#[derive(Debug)]
pub struct PictureReader {
    budget: Budget,
}

impl PictureReader {
    /// With a limit of bytes for pictures being decoded or looked at; beside it each thread holds one undecoded file of at
    /// most [`MAX_FILE_BYTES`](crate::MAX_FILE_BYTES).
    #[must_use]
    pub fn new(memory_limit: u64) -> Self {
        Self { budget: Budget::new(memory_limit) }
    }

    /// Decodes the bytes of a picture, as [`decode_picture`](crate::decode_picture) does, and has it looked at: it is gone
    /// afterwards. `path` only names it in errors.
    ///
    /// # Errors
    /// As [`read_picture`](crate::read_picture), and if the picture alone takes more than the limit.
    pub fn decode<T>(&self, bytes: &[u8], path: &Path, look: impl FnOnce(ArrayView3<'_, u8>) -> T) -> Result<T, Error> {
        let (picture, _reservation) = decode_reserved(bytes, path, |needed| {
            self.budget.reserve(needed).ok_or_else(|| Error::PictureOverMemory {
                path: path.to_owned(),
                needed,
                available: self.budget.limit,
            })
        })?;
        Ok(look(picture.view()))
    }
}

/// Bytes that decoders may hold together.
#[derive(Debug)]
struct Budget {
    limit: u64,
    held: Mutex<u64>,
    released: Condvar,
}

/// Bytes held until this is dropped.
struct Reservation<'a> {
    budget: &'a Budget,
    bytes: u64,
    /// It ends on the thread that made it.
    of_this_thread: PhantomData<*const ()>,
}

thread_local! {
    /// How many reservations this thread has.
    static RESERVATIONS: Cell<usize> = const { Cell::new(0) };
}

impl Budget {
    fn new(limit: u64) -> Self {
        Self { limit, held: Mutex::new(0), released: Condvar::new() }
    }

    /// Waits until `bytes` are free, unless this thread holds some already; `None` if they never can be.
    fn reserve(&self, bytes: u64) -> Option<Reservation<'_>> {
        if bytes > self.limit {
            return None;
        }
        let mut held = self.held();
        while *held > self.limit - bytes && RESERVATIONS.get() == 0 {
            held = self.released.wait(held).unwrap_or_else(PoisonError::into_inner);
        }
        *held += bytes;
        RESERVATIONS.set(RESERVATIONS.get() + 1);
        Some(Reservation { budget: self, bytes, of_this_thread: PhantomData })
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

    /// As a thread of a pool does that steals a task while it waits within another.
    #[test]
    fn who_holds_something_is_not_made_to_wait() {
        let budget = Budget::new(100);
        let outer = budget.reserve(80);
        let inner = budget.reserve(50).expect("below the limit");
        assert_eq!(*budget.held(), 130);
        drop(inner);
        drop(outer);
        assert_eq!((*budget.held(), RESERVATIONS.get()), (0, 0));
    }

    #[test]
    fn decoders_never_hold_more_than_the_budget() {
        let budget = Budget::new(100);
        assert!(budget.reserve(101).is_none());
        let most = Mutex::new(0);
        std::thread::scope(|scope| {
            for thread in 0..8_u64 {
                let (budget, most) = (&budget, &most);
                scope.spawn(move || {
                    for turn in 0..200 {
                        let bytes = 1 + (thread * 37 + turn * 11) % 100;
                        let reservation = budget.reserve(bytes).expect("below the limit");
                        let held = *budget.held();
                        assert!(held <= 100, "{held} bytes held");
                        let mut most = most.lock().expect("no thread panics");
                        *most = held.max(*most);
                        drop(most);
                        drop(reservation);
                    }
                });
            }
        });
        assert_eq!(*budget.held(), 0);
        assert!(*most.lock().expect("no thread panics") > 50);
    }
}
