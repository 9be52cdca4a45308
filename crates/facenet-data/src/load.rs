//! Many pictures to one array of faces.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use fast_image_resize::Resizer;
use ndarray::{Array4, ArrayView3};
use rayon::prelude::*;

use crate::align::{sample, source_of};
use crate::crop::resize;
use crate::decode::read_picture_file;
use crate::picture_reader::PictureReader;
use crate::{Crop, Error, Landmarks};

/// The memory limit that [`LoadOptions::default`] sets: 4 GiB.
pub const DEFAULT_MEMORY_LIMIT: u64 = 4 << 30;

/// Where the face is in each picture: at the landmarks of those that have any, in the crop of the others.
#[derive(Clone, Copy, Debug)]
pub struct Framing<'a> {
    /// The part that is the face of a picture without landmarks.
    pub crop: Crop,
    /// The landmarks, and where they belong; `None` crops all pictures.
    pub alignment: Option<Alignment<'a>>,
    /// What crop and landmarks are measured in.
    pub coordinates: Coordinates,
}

/// Landmarks of pictures, and where they come to lie in a face: see [`align`](crate::align).
#[derive(Clone, Copy, Debug)]
pub struct Alignment<'a> {
    /// Where they belong, in pixels of the face.
    pub template: Landmarks,
    /// The landmarks of each picture, if it has any.
    pub landmarks: &'a [Option<Landmarks>],
}

/// What a crop and landmarks are measured in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Coordinates {
    /// The picture's own pixels.
    #[default]
    Picture,
    /// Labeled Faces in the Wild: pictures are originals of 250 x 250 or their middle 160 x 160, told by their size; any
    /// other size is an error. Landmarks are in pixels of the original, a crop is a part of the middle.
    Lfw,
}

/// Side of LFW's originals.
const LFW_SIDE: usize = 250;
/// Side of their middle.
const LFW_MIDDLE: usize = 160;
/// Where the middle begins.
const LFW_OFFSET: usize = (LFW_SIDE - LFW_MIDDLE) / 2;

impl From<&Crop> for Framing<'_> {
    fn from(crop: &Crop) -> Self {
        Self { crop: *crop, alignment: None, coordinates: Coordinates::Picture }
    }
}

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

/// Reads pictures and takes the face out of each, on all threads of the current rayon pool.
///
/// A [`Crop`] is a framing, too: `load_faces(paths, &Crop::Whole, [64, 64], &LoadOptions::default())`.
///
/// # Shapes
/// `size` is `[height, width]`; the result is `[paths.len(), height, width, 3]`, in the order of the paths.
///
/// # Errors
/// As [`read_picture`](crate::read_picture), if a crop does not fit its picture, if landmarks do not span a face or lie
/// outside it, and if the memory limit does not suffice. Of several broken pictures the first in order is named, on any
/// number of threads.
///
/// # Panics
/// If the size holds a 0, or there are not as many landmarks as paths.
#[track_caller]
pub fn load_faces<'a, P: AsRef<Path> + Sync>(
    paths: &[P],
    framing: impl Into<Framing<'a>>,
    size: [usize; 2],
    options: &LoadOptions<'_>,
) -> Result<Array4<u8>, Error> {
    let framing = framing.into();
    let [height, width] = size;
    if let Some(alignment) = framing.alignment {
        assert_eq!(alignment.landmarks.len(), paths.len(), "landmarks, or none, for each picture");
    }
    assert!(height > 0 && width > 0, "a face needs a height and a width of at least 1, not {size:?}");
    let limit = options.memory_limit;
    let face_bytes = [height, width, 3].iter().try_fold(1_u64, |product, &side| product.checked_mul(side as u64));
    let available = face_bytes
        .and_then(|bytes| bytes.checked_mul(paths.len() as u64))
        .and_then(|bytes| limit.checked_sub(bytes))
        .ok_or(Error::FacesOverMemory { pictures: paths.len(), height, width, limit })?;

    let mut faces = Array4::zeros((paths.len(), height, width, 3));
    let reader = PictureReader::new(available);
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
            match load_face(path.as_ref(), &framing, index, size, resizer, &reader, face) {
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
    framing: &Framing<'_>,
    index: usize,
    size: [usize; 2],
    resizer: &mut Resizer,
    reader: &PictureReader,
    face: &mut [u8],
) -> Result<(), Error> {
    let bytes = read_picture_file(path)?;
    reader.decode(&bytes, path, |picture| frame(picture, path, framing, index, size, resizer, face))?
}

/// Takes the face out of a picture.
fn frame(
    picture: ArrayView3<'_, u8>,
    path: &Path,
    framing: &Framing<'_>,
    index: usize,
    size: [usize; 2],
    resizer: &mut Resizer,
    face: &mut [u8],
) -> Result<(), Error> {
    let path = || path.to_owned();
    let (height, width, _) = picture.dim();
    let (shift, [left, top, crop_width, crop_height]) =
        framing.coordinates.within([height, width]).ok_or_else(|| Error::LfwSize { path: path(), width, height })?;
    let aligned = framing.alignment.and_then(|Alignment { template, landmarks }| Some((landmarks[index]?, template)));
    if let Some((landmarks, template)) = aligned {
        let landmarks = landmarks.shifted([shift, shift]);
        if !landmarks.lie_in([height, width]) {
            return Err(Error::LandmarksOutside { path: path(), width, height });
        }
        let map = source_of(&landmarks, &template).ok_or_else(|| Error::LandmarksDegenerate { path: path() })?;
        sample(picture, &map, size, face);
    } else {
        let crop = framing.crop;
        if !crop.fits([crop_height, crop_width]) {
            return Err(Error::CropOutside { path: path(), crop, width: crop_width, height: crop_height });
        }
        let [within_left, within_top, width, height] = crop.rectangle([crop_height, crop_width], size);
        resize(picture, [left + within_left, top + within_top, width, height], size, resizer, face);
    }
    Ok(())
}

impl Coordinates {
    /// For a picture of `[height, width]`: what is added to landmarks, and the rectangle `[left, top, width, height]` that
    /// a crop is a part of. `None` if there is no such picture.
    fn within(self, [height, width]: [usize; 2]) -> Option<(f32, [usize; 4])> {
        match (self, width, height) {
            (Self::Picture, ..) => Some((0.0, [0, 0, width, height])),
            (Self::Lfw, LFW_SIDE, LFW_SIDE) => Some((0.0, [LFW_OFFSET, LFW_OFFSET, LFW_MIDDLE, LFW_MIDDLE])),
            (Self::Lfw, LFW_MIDDLE, LFW_MIDDLE) => Some((-(LFW_OFFSET as f32), [0, 0, LFW_MIDDLE, LFW_MIDDLE])),
            (Self::Lfw, ..) => None,
        }
    }
}
