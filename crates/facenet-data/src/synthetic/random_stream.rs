//! Random draws that are bit-identical on every machine.

use ndarray_rand::rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::synthetic::shape::lerp;

/// The purpose of a stream; part of the generator's key, so that no two purposes share a stream.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// The appearance of a person.
    Identity = 1,
    /// Pose, expression, light and everything else that varies between images.
    Capture = 2,
    /// Sensor noise.
    SensorNoise = 3,
}

/// A stream of random draws keyed by (seed, person, purpose, image).
///
/// It uses integer draws and exactly rounded arithmetic only, never a distribution that calls the
/// platform's `ln` or `sin`.
pub(super) struct RandomStream(ChaCha8Rng);

impl RandomStream {
    /// `image` is 0 for draws that belong to the person.
    pub(super) fn new(seed: u64, person: u64, purpose: Purpose, image: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&person.to_le_bytes());
        key[16..24].copy_from_slice(&(purpose as u64).to_le_bytes());
        let mut stream = ChaCha8Rng::from_seed(key);
        stream.set_stream(image);
        Self(stream)
    }

    /// Uniform in `[0, 1)`, a multiple of 2^-24.
    pub(super) fn unit(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 / (1 << 24) as f32
    }

    /// Uniform in `[low, high)`.
    pub(super) fn uniform(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Uniform in `[-spread, spread)`.
    pub(super) fn symmetric(&mut self, spread: f32) -> f32 {
        self.uniform(-spread, spread)
    }

    /// Triangular distribution in `(-spread, spread)`, centered at 0.
    pub(super) fn triangular(&mut self, spread: f32) -> f32 {
        (self.unit() - self.unit()) * spread
    }

    /// True with the given probability.
    pub(super) fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }

    /// An index below `count`, uniform to within 2^-24.
    pub(super) fn index(&mut self, count: usize) -> usize {
        ((self.unit() * count as f32) as usize).min(count - 1)
    }

    /// One of the options.
    pub(super) fn choose<T: Copy>(&mut self, options: &[T]) -> T {
        options[self.index(options.len())]
    }

    /// Any color, rarely a saturated one: a gray with a random tint.
    pub(super) fn color(&mut self) -> [f32; 3] {
        let (gray, strength) = (self.uniform(0.08, 0.9), self.uniform(0.1, 0.75));
        [(); 3].map(|()| lerp(gray, self.unit(), strength))
    }

    /// Fills a buffer with random bytes.
    pub(super) fn bytes(&mut self, buffer: &mut [u8]) {
        self.0.fill_bytes(buffer);
    }
}
