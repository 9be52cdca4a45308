//! Dropout (Srivastava et al. 2014).

use ndarray::{ArrayViewMut4, Axis};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rayon::prelude::*;

use crate::image::pixels::PixelsMut;
use crate::scalar::Scalar;
use crate::simd::vectorize::vectorize;

/// 32-bit words drawn at a time.
const WORDS: usize = 256;

/// Determines a dropout mask: the same key always draws the same mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DropoutKey {
    /// The seed of the run.
    pub seed: u64,
    /// The training step.
    pub step: u64,
    /// The index of the layer.
    pub layer: u64,
}

/// Zeroes a random subset of the elements and scales up the others, in place.
///
/// ```text
/// y = y / (1 - rate) where kept (with probability 1 - rate), else 0
/// ```
///
/// The mask is a function of the key and the index of the image, and is not stored.
///
/// # Shapes
/// `y [n, h, w, channels]`.
///
/// # Panics
/// If `rate` is not in [0, 1) or channels are not contiguous.
#[track_caller]
pub fn dropout_forward<T: Scalar>(y: ArrayViewMut4<'_, T>, rate: f64, key: DropoutKey) {
    apply(y, rate, key);
}

/// Turns the gradient at the output into the gradient at the input, in place, by drawing the same
/// mask again.
///
/// ```text
/// dy = dy / (1 - rate) where kept, else 0
/// ```
///
/// # Shapes
/// `dy [n, h, w, channels]`.
///
/// # Panics
/// Same as [`dropout_forward`].
#[track_caller]
pub fn dropout_backward<T: Scalar>(dy: ArrayViewMut4<'_, T>, rate: f64, key: DropoutKey) {
    apply(dy, rate, key);
}

#[track_caller]
fn apply<T: Scalar>(mut y: ArrayViewMut4<'_, T>, rate: f64, key: DropoutKey) {
    assert!((0.0..1.0).contains(&rate), "dropout rate {rate} is not in [0, 1)");
    if rate == 0.0 {
        return;
    }
    let dropped = (rate * 2f64.powi(32)) as u32;
    let scale = T::from_f64((1.0 - rate).recip());
    let images: Vec<PixelsMut<'_, T>> = y.axis_chunks_iter_mut(Axis(0), 1).map(PixelsMut::new).collect();
    images.into_par_iter().enumerate().for_each(|(image, y)| {
        let mut mask = mask(key, image as u64);
        let mut words = [[0; 4]; WORDS];
        vectorize(
            #[inline(always)]
            || {
                for y in y.pixels().flat_map(|y| y.chunks_mut(WORDS)) {
                    mask.fill_bytes(words[..y.len()].as_flattened_mut());
                    for (y, word) in y.iter_mut().zip(&words) {
                        let scaled = *y * scale;
                        *y = if u32::from_le_bytes(*word) >= dropped { scaled } else { T::zero() };
                    }
                }
            },
        );
    });
}

/// The generator of an image's mask: the ChaCha key is made of `key`, the stream is the index of
/// the image.
fn mask(key: DropoutKey, image: u64) -> ChaCha8Rng {
    let mut seed = [0; 32];
    let words = [key.seed, key.step, key.layer, u64::from_le_bytes(*b"dropout\0")];
    for (bytes, word) in seed.chunks_exact_mut(8).zip(words) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    let mut rng = ChaCha8Rng::from_seed(seed);
    rng.set_stream(image);
    rng
}
