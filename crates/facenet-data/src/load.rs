//! Many pictures to one array of faces.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use fast_image_resize::Resizer;
use ndarray::Array4;
use rayon::prelude::*;

use crate::decode::{decode_reserved, read_file};
use crate::{Crop, Error};

/// The memory limit that [`LoadOptions::default`] sets: 4 GiB.
pub const DEFAULT_MEMORY_LIMIT: u64 = 4 << 30;

/// How [`load_faces`] goes about its work; the faces do not depend on it.
#[derive(Clone, Copy)]
pub struct LoadOptions<'a> {
    /// The most bytes taken by the faces and by the pictures being decoded together. Decoders wait for each other
    /// rather than pass it; beside it each thread holds one undecoded file of at most
    /// [`MAX_FILE_BYTES`](crate::MAX_FILE_BYTES).
    pub memory_limit: u64,
    /// Called with the number of faces loaded so far, from any thread.
    pub progress: Option<&'a (dyn Fn(usize) + Sync)>,
}

impl Default for LoadOptions<'_> {
    fn default() -> Self {
        Self { memory_limit: DEFAULT_MEMORY_LIMIT, progress: None }
    }
}

/// Reads pictures, crops and resizes each, on all threads of the current rayon pool.
///
/// # Shapes
/// `size` is `[height, width]`; the result is `[paths.len(), height, width, 3]`, in the order of the paths.
///
/// # Errors
/// As [`read_picture`](crate::read_picture), and if a crop does not fit its picture or the memory limit does not
/// suffice. Of several broken pictures the first in order is named, on any number of threads.
///
/// # Panics
/// If the size holds a 0.
#[track_caller]
pub fn load_faces<P: AsRef<Path> + Sync>(
    paths: &[P],
    crop: &Crop,
    size: [usize; 2],
    options: &LoadOptions<'_>,
) -> Result<Array4<u8>, Error> {
    let [height, width] = size;
    assert!(height > 0 && width > 0, "a face needs a height and a width of at least 1, not {size:?}");
    let limit = options.memory_limit;
    let face_bytes = [height, width, 3].iter().try_fold(1_u64, |product, &side| product.checked_mul(side as u64));
    let available = face_bytes
        .and_then(|bytes| bytes.checked_mul(paths.len() as u64))
        .and_then(|bytes| limit.checked_sub(bytes))
        .ok_or(Error::FacesOverMemory { pictures: paths.len(), height, width, limit })?;

    let mut faces = Array4::zeros((paths.len(), height, width, 3));
    let budget = Budget::new(available);
    let loaded = AtomicUsize::new(0);
    // Pictures behind a broken one need not be read, those before it must be: one of them may be broken too.
    let first_broken = AtomicUsize::new(usize::MAX);
    let error = faces
        .as_slice_mut()
        .expect("a new array is contiguous")
        .par_chunks_mut(height * width * 3)
        .zip(paths)
        .enumerate()
        .map_init(Resizer::new, |resizer, (index, (face, path))| {
            if index > first_broken.load(Ordering::Relaxed) {
                return None;
            }
            match load_face(path.as_ref(), crop, size, resizer, &budget, face) {
                Ok(()) => {
                    if let Some(progress) = options.progress {
                        progress(loaded.fetch_add(1, Ordering::Relaxed) + 1);
                    }
                    None
                }
                Err(error) => {
                    first_broken.fetch_min(index, Ordering::Relaxed);
                    Some((index, error))
                }
            }
        })
        .flatten_iter()
        .min_by_key(|(index, _)| *index);
    match error {
        Some((_, error)) => Err(error),
        None => Ok(faces),
    }
}

fn load_face(
    path: &Path,
    crop: &Crop,
    size: [usize; 2],
    resizer: &mut Resizer,
    budget: &Budget,
    face: &mut [u8],
) -> Result<(), Error> {
    let bytes = read_file(path)?;
    let (picture, _reservation) = decode_reserved(&bytes, path, |needed| {
        budget.reserve(needed).ok_or_else(|| Error::PictureOverMemory {
            path: path.to_owned(),
            needed,
            available: budget.limit,
        })
    })?;
    let (height, width, _) = picture.dim();
    if !crop.fits([height, width]) {
        return Err(Error::CropOutside { path: path.to_owned(), crop: *crop, width, height });
    }
    crop.apply_to(picture.view(), size, resizer, face);
    Ok(())
}

/// Bytes that decoders may hold together.
struct Budget {
    limit: u64,
    held: Mutex<u64>,
    released: Condvar,
}

/// Bytes held until this is dropped.
struct Reservation<'a> {
    budget: &'a Budget,
    bytes: u64,
}

impl Budget {
    fn new(limit: u64) -> Self {
        Self { limit, held: Mutex::new(0), released: Condvar::new() }
    }

    /// Waits until `bytes` are free; `None` if they never can be.
    fn reserve(&self, bytes: u64) -> Option<Reservation<'_>> {
        if bytes > self.limit {
            return None;
        }
        let mut held = self.held();
        while *held > self.limit - bytes {
            held = self.released.wait(held).unwrap_or_else(PoisonError::into_inner);
        }
        *held += bytes;
        Some(Reservation { budget: self, bytes })
    }

    fn held(&self) -> MutexGuard<'_, u64> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        *self.budget.held() -= self.bytes;
        self.budget.released.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
