//! Random augmentation of faces for training.

use ndarray::{ArrayView3, ArrayView4, ArrayViewMut3, ArrayViewMut4};
use ndarray_rand::rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::augment::affine_map::AffineMap;
use crate::error::Error;

/// Distinguishes these random draws from all others keyed by the same seed.
const PURPOSE: [u8; 8] = *b"augment\0";
/// Smallest and largest side of an erased rectangle, as a fraction of the face's side.
const ERASED_SIDE_RANGE: [f64; 2] = [0.1, 0.4];

/// The strength of each augmentation; the default is none.
///
/// Each amount is a bound: the change itself is drawn uniformly between minus and plus that bound,
/// independently for each face. The geometric changes are one affine map about the face's center,
/// sampled bilinearly with edge pixels replicated; brightness, contrast and erasing follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augmentation {
    /// Probability of a horizontal flip, 0 to 1.
    pub flip: f32,
    /// Translation along each axis as a fraction of the height or width, 0 to 0.5.
    pub shift: f32,
    /// Change of scale, 0 to 0.9: 0.1 scales by a factor from 0.9 to 1.1.
    pub scale: f32,
    /// Rotation in degrees, 0 to 180.
    pub rotation: f32,
    /// Change of brightness as a fraction of the full range, 0 to 1: 0.1 adds up to 25.5 of 255.
    pub brightness: f32,
    /// Change of contrast about the face's mean level, 0 to 1: 0.2 multiplies the difference from
    /// the mean by a factor from 0.8 to 1.2.
    pub contrast: f32,
    /// Probability of erasing a rectangle, each side of which is 0.1 to 0.4 of the face's side,
    /// with the face's mean level, 0 to 1.
    pub erase: f32,
}

/// Key of the random draws for one face: equal keys give equal draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AugmentationKey {
    /// The seed of the run.
    pub seed: u64,
    /// The training step.
    pub step: u64,
    /// The position in the mini-batch.
    pub index: u64,
}

impl Augmentation {
    /// Checks that each amount is within its range.
    ///
    /// # Errors
    /// [`Error::AugmentationRange`] for the first that is not.
    pub fn validate(&self) -> Result<(), Error> {
        let amounts = [
            ("flip", self.flip, 1.0),
            ("shift", self.shift, 0.5),
            ("scale", self.scale, 0.9),
            ("rotation", self.rotation, 180.0),
            ("brightness", self.brightness, 1.0),
            ("contrast", self.contrast, 1.0),
            ("erase", self.erase, 1.0),
        ];
        for (field, value, high) in amounts {
            if !(0.0..=high).contains(&value) {
                return Err(Error::AugmentationRange { field, value, low: 0.0, high });
            }
        }
        Ok(())
    }

    /// Augments `face` with the random draws of `key` and writes the result to `augmented`.
    ///
    /// # Shapes
    /// Both are `[height, width, 3]`, in standard layout.
    ///
    /// # Panics
    /// If the shapes differ, are empty or not in standard layout, or if an amount is out of range.
    #[track_caller]
    pub fn apply(&self, face: ArrayView3<'_, u8>, key: AugmentationKey, mut augmented: ArrayViewMut3<'_, u8>) {
        assert_eq!(face.dim(), augmented.dim(), "the augmented face must have the shape of the face");
        let (height, width, channels) = face.dim();
        assert!(height > 0 && width > 0 && channels == 3, "a face is [height, width, 3], not {:?}", face.dim());
        self.assert_valid();
        let face = face.as_slice().expect("a face is in standard layout");
        let augmented = augmented.as_slice_mut().expect("an augmented face is in standard layout");
        self.apply_to(face, [height, width], key, &mut Vec::new(), augmented);
    }

    /// Augments `faces[indices[i]]` and writes it to `batch[i]`, on all threads of the current
    /// rayon pool.
    ///
    /// The key of face `i` is (seed, step, i): an image that occurs twice in a batch is augmented
    /// differently each time.
    ///
    /// # Shapes
    /// `faces` is `[n, height, width, 3]` and `batch` `[indices.len(), height, width, 3]`, both in
    /// standard layout.
    ///
    /// # Panics
    /// If a face is empty or does not have three channels, the shapes disagree or are not in
    /// standard layout, an index is out of bounds, or an amount is out of range.
    #[track_caller]
    pub fn augment_batch(
        &self,
        faces: ArrayView4<'_, u8>,
        indices: &[usize],
        seed: u64,
        step: u64,
        mut batch: ArrayViewMut4<'_, u8>,
    ) {
        let (count, height, width, channels) = faces.dim();
        assert!(height > 0 && width > 0 && channels == 3, "faces are [n, height, width, 3], not {:?}", faces.dim());
        self.assert_valid();
        if let Some(index) = indices.iter().find(|&&index| index >= count) {
            panic!("face {index} of {count}");
        }
        let shape = (indices.len(), height, width, 3);
        assert_eq!(batch.dim(), shape, "shape of a batch of {} faces", indices.len());
        let faces = faces.as_slice().expect("faces are in standard layout");
        let length = height * width * 3;
        batch
            .as_slice_mut()
            .expect("the batch is in standard layout")
            .par_chunks_mut(length)
            .zip(indices)
            .enumerate()
            .for_each_init(Vec::new, |packed, (position, (augmented, &index))| {
                let key = AugmentationKey { seed, step, index: position as u64 };
                self.apply_to(&faces[index * length..(index + 1) * length], [height, width], key, packed, augmented);
            });
    }

    #[track_caller]
    fn assert_valid(&self) {
        if let Err(error) = self.validate() {
            panic!("{error}");
        }
    }

    fn apply_to(
        &self,
        face: &[u8],
        size: [usize; 2],
        key: AugmentationKey,
        packed: &mut Vec<u64>,
        augmented: &mut [u8],
    ) {
        let sample = SampledAugmentation::draw(self, size, key);
        sample.map.apply(face, size, packed, augmented);
        if sample.brightness == 0.0 && sample.contrast == 1.0 && sample.erased.is_none() {
            return;
        }
        let mean = face.iter().map(|&level| u64::from(level)).sum::<u64>() as f64 / face.len() as f64;
        let level = |level: f64| (mean + (level - mean) * sample.contrast + sample.brightness).round() as u8;
        let mut levels = [0; 256];
        for (value, out) in levels.iter_mut().enumerate() {
            *out = level(value as f64);
        }
        for value in augmented.iter_mut() {
            *value = levels[usize::from(*value)];
        }
        if let Some([left, top, width, height]) = sample.erased {
            for row in augmented.chunks_exact_mut(size[1] * 3).skip(top).take(height) {
                row[left * 3..(left + width) * 3].fill(level(mean));
            }
        }
    }
}

/// The random draws for one face.
struct SampledAugmentation {
    map: AffineMap,
    /// Added to each level, of 255.
    brightness: f64,
    /// Factor on the difference from the mean.
    contrast: f64,
    /// `[left, top, width, height]`.
    erased: Option<[usize; 4]>,
}

impl SampledAugmentation {
    /// All values are drawn, in a fixed order, whatever the amounts are: changing one amount does
    /// not affect the outcome of the others.
    fn draw(augmentation: &Augmentation, [height, width]: [usize; 2], key: AugmentationKey) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&key.seed.to_le_bytes());
        bytes[8..16].copy_from_slice(&key.step.to_le_bytes());
        bytes[16..24].copy_from_slice(&key.index.to_le_bytes());
        bytes[24..].copy_from_slice(&PURPOSE);
        let mut generator = ChaCha8Rng::from_seed(bytes);
        let mut unit = || f64::from(generator.next_u32()) / (u64::from(u32::MAX) + 1) as f64;
        let around_zero = |unit: f64, bound: f32| (2.0 * unit - 1.0) * f64::from(bound);

        let flipped = unit() < f64::from(augmentation.flip);
        let shift = [
            around_zero(unit(), augmentation.shift) * width as f64,
            around_zero(unit(), augmentation.shift) * height as f64,
        ];
        let scale = 1.0 + around_zero(unit(), augmentation.scale);
        let rotation = around_zero(unit(), augmentation.rotation);
        let brightness = around_zero(unit(), augmentation.brightness) * 255.0;
        let contrast = 1.0 + around_zero(unit(), augmentation.contrast);
        let erase = unit() < f64::from(augmentation.erase);
        let [low, high] = ERASED_SIDE_RANGE;
        let mut span = |side: usize| {
            let length = ((low + (high - low) * unit()) * side as f64).ceil() as usize;
            (((side - length + 1) as f64 * unit()) as usize, length)
        };
        let ((left, erased_width), (top, erased_height)) = (span(width), span(height));
        Self {
            map: AffineMap::new([height, width], flipped, shift, scale, rotation),
            brightness,
            contrast,
            erased: erase.then_some([left, top, erased_width, erased_height]),
        }
    }
}
