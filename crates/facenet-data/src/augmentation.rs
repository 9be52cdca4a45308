//! Random variations of faces for training.

mod warp;

use ndarray::{ArrayView3, ArrayView4, ArrayViewMut3, ArrayViewMut4};
use ndarray_rand::rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Error;
use warp::Warp;

/// Separates these draws from all others that are keyed by the same seed.
const PURPOSE: [u8; 8] = *b"augment\0";
/// The sides of an erased rectangle, as parts of the face's.
const ERASED_SIDES: [f64; 2] = [0.1, 0.4];

/// How much faces vary from step to step; the default is not at all.
///
/// Each amount is a bound: the change itself is drawn uniformly from minus to plus that, anew for each face. Geometry
/// is one affine map about the face's centre, bilinear, with the pixels at the edge repeated outwards; brightness and
/// contrast follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augmentation {
    /// Probability of a mirrored face, 0 to 1.
    pub flip: f32,
    /// Shift to each side, as a part of the height and of the width, 0 to 0.5.
    pub shift: f32,
    /// Change of size, 0 to 0.9: 0.1 enlarges by a factor from 0.9 to 1.1.
    pub scale: f32,
    /// Rotation in degrees, 0 to 180.
    pub rotation: f32,
    /// Change of brightness as a part of the whole range, 0 to 1: 0.1 adds up to 25.5 of 255.
    pub brightness: f32,
    /// Change of contrast about the face's mean, 0 to 1: 0.2 multiplies the distance from the mean by a factor from
    /// 0.8 to 1.2.
    pub contrast: f32,
    /// Probability that a rectangle, each side of which is a tenth to four tenths of the face's, is painted in the
    /// face's mean grey, 0 to 1.
    pub erase: f32,
}

/// What a variation is keyed by: equal keys give equal variations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AugmentationKey {
    /// The seed of the run.
    pub seed: u64,
    /// The training step.
    pub step: u64,
    /// The position in the step's batch.
    pub index: u64,
}

impl Augmentation {
    /// Checks that each setting is within its range.
    ///
    /// # Errors
    /// If one is not, naming the first.
    pub fn validate(&self) -> Result<(), Error> {
        let settings = [
            ("flip", self.flip, 1.0),
            ("shift", self.shift, 0.5),
            ("scale", self.scale, 0.9),
            ("rotation", self.rotation, 180.0),
            ("brightness", self.brightness, 1.0),
            ("contrast", self.contrast, 1.0),
            ("erase", self.erase, 1.0),
        ];
        for (field, value, high) in settings {
            if !(0.0..=high).contains(&value) {
                return Err(Error::AugmentationRange { field, value, low: 0.0, high });
            }
        }
        Ok(())
    }

    /// Writes the variation of `face` that `key` stands for.
    ///
    /// # Shapes
    /// Both `[height, width, 3]`, in standard layout.
    ///
    /// # Panics
    /// If the shapes differ, are empty or not in standard layout, or if a setting is out of its range.
    #[track_caller]
    pub fn apply(&self, face: ArrayView3<'_, u8>, key: AugmentationKey, mut varied: ArrayViewMut3<'_, u8>) {
        assert_eq!(face.dim(), varied.dim(), "the varied face has the shape of the face");
        let (height, width, channels) = face.dim();
        assert!(height > 0 && width > 0 && channels == 3, "a face is [height, width, 3], not {:?}", face.dim());
        self.assert_valid();
        let face = face.as_slice().expect("a face is in standard layout");
        let varied = varied.as_slice_mut().expect("a varied face is in standard layout");
        self.apply_to(face, [height, width], key, &mut Vec::new(), varied);
    }

    /// Writes a variation of `faces[indices[i]]` as face `i` of `batch`, on all threads of the current rayon pool.
    ///
    /// Face `i` is varied by the key (seed, step, i): the same picture twice in a batch varies twice.
    ///
    /// # Shapes
    /// `faces` is `[n, height, width, 3]` and `batch` `[indices.len(), height, width, 3]`, both in standard layout.
    ///
    /// # Panics
    /// If a face is empty or does not have three channels, the shapes disagree or are not in standard layout, an index is
    /// out of bounds, or a setting is out of its range.
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
        assert_eq!(batch.dim(), shape, "a batch of {} faces like those given", indices.len());
        let faces = faces.as_slice().expect("faces are in standard layout");
        let length = height * width * 3;
        batch
            .as_slice_mut()
            .expect("the batch is in standard layout")
            .par_chunks_mut(length)
            .zip(indices)
            .enumerate()
            .for_each_init(Vec::new, |spread, (position, (varied, &index))| {
                let key = AugmentationKey { seed, step, index: position as u64 };
                self.apply_to(&faces[index * length..(index + 1) * length], [height, width], key, spread, varied);
            });
    }

    #[track_caller]
    fn assert_valid(&self) {
        if let Err(error) = self.validate() {
            panic!("{error}");
        }
    }

    fn apply_to(&self, face: &[u8], size: [usize; 2], key: AugmentationKey, spread: &mut Vec<u64>, varied: &mut [u8]) {
        let variation = Variation::draw(self, size, key);
        variation.warp.apply(face, size, spread, varied);
        if variation.brightness == 0.0 && variation.contrast == 1.0 && variation.erased.is_none() {
            return;
        }
        let mean = face.iter().map(|&level| u64::from(level)).sum::<u64>() as f64 / face.len() as f64;
        let level = |level: f64| (mean + (level - mean) * variation.contrast + variation.brightness).round() as u8;
        let mut levels = [0; 256];
        for (value, out) in levels.iter_mut().enumerate() {
            *out = level(value as f64);
        }
        for value in varied.iter_mut() {
            *value = levels[usize::from(*value)];
        }
        if let Some([left, top, width, height]) = variation.erased {
            for row in varied.chunks_exact_mut(size[1] * 3).skip(top).take(height) {
                row[left * 3..(left + width) * 3].fill(level(mean));
            }
        }
    }
}

/// One face's draws.
struct Variation {
    warp: Warp,
    /// Added, of 255.
    brightness: f64,
    /// Factor.
    contrast: f64,
    /// `[left, top, width, height]`.
    erased: Option<[usize; 4]>,
}

impl Variation {
    /// The draws come in a fixed order whatever the settings, so that changing one leaves the others' outcomes alone.
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
        let erases = unit() < f64::from(augmentation.erase);
        let [least, most] = ERASED_SIDES;
        let mut span = |side: usize| {
            let length = ((least + (most - least) * unit()) * side as f64).ceil() as usize;
            (((side - length + 1) as f64 * unit()) as usize, length)
        };
        let ((left, erased_width), (top, erased_height)) = (span(width), span(height));
        Self {
            warp: Warp::new([height, width], flipped, shift, scale, rotation),
            brightness,
            contrast,
            erased: erases.then_some([left, top, erased_width, erased_height]),
        }
    }
}
