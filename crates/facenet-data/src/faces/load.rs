//! Loading many images as one array of faces.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use fast_image_resize::Resizer;
use ndarray::Array4;
use rayon::prelude::*;

use crate::codec::bounded_decoder::BoundedDecoder;
use crate::error::Error;
use crate::faces::extraction::FaceExtraction;
use crate::files::bounded_file::read_bounded_file;

/// The memory limit of [`LoadOptions::default`]: 4 GiB.
pub const DEFAULT_MEMORY_LIMIT: u64 = 4 << 30;

/// Options of [`load_faces`] that do not affect the faces.
#[derive(Clone, Copy)]
pub struct LoadOptions<'a> {
    /// Limit in bytes on the faces and the images being decoded, together. Decoders wait for each
    /// other to stay within it. In addition each thread holds one encoded file of at most
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

/// Reads images and extracts one face from each, on all threads of the current rayon pool.
///
/// # Shapes
/// `[paths.len(), height, width, 3]` for an extraction of size `[height, width]`, in the order of
/// the paths.
///
/// # Errors
/// As [`read_image`](crate::read_image), if a crop does not fit its image, if landmarks are
/// degenerate or outside their image, and if the memory limit is too low. If several images fail,
/// the error is that of the first in order, on any number of threads.
///
/// # Panics
/// If the size contains a 0, or there are not as many landmark entries as paths.
#[track_caller]
pub fn load_faces<P: AsRef<Path> + Sync>(
    paths: &[P],
    extraction: &FaceExtraction<'_>,
    options: &LoadOptions<'_>,
) -> Result<Array4<u8>, Error> {
    let [height, width] = extraction.size;
    if let Some(alignment) = extraction.alignment {
        assert_eq!(alignment.landmarks.len(), paths.len(), "one landmark entry per image");
    }
    assert!(height > 0 && width > 0, "a face needs a height and a width of at least 1, not {:?}", extraction.size);
    let limit = options.memory_limit;
    let face_bytes = [height, width, 3].iter().try_fold(1_u64, |product, &side| product.checked_mul(side as u64));
    let available = face_bytes
        .and_then(|bytes| bytes.checked_mul(paths.len() as u64))
        .and_then(|bytes| limit.checked_sub(bytes))
        .ok_or(Error::FacesOverMemory { faces: paths.len(), height, width, limit })?;

    let mut faces = Array4::zeros((paths.len(), height, width, 3));
    let decoder = BoundedDecoder::new(available);
    let loaded = AtomicUsize::new(0);
    // Images after a failed one need not be read. Those before it must be: one of them may fail
    // too.
    let first_failed = AtomicUsize::new(usize::MAX);
    let error = faces
        .as_slice_mut()
        .expect("a new array is contiguous")
        .par_chunks_mut(height * width * 3)
        .zip(paths)
        .enumerate()
        .map_init(Resizer::new, |resizer, (index, (face, path))| {
            if index > first_failed.load(Ordering::Relaxed) {
                return None;
            }
            let path = path.as_ref();
            let extracted = read_bounded_file(path).and_then(|bytes| {
                decoder.decode(&bytes, path, |image| extraction.extract_into(image, index, path, resizer, face))?
            });
            match extracted {
                Ok(()) => {
                    if let Some(progress) = options.progress {
                        progress(loaded.fetch_add(1, Ordering::Relaxed) + 1);
                    }
                    None
                }
                Err(error) => {
                    first_failed.fetch_min(index, Ordering::Relaxed);
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
