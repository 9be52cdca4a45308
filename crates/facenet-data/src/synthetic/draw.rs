//! Random draws whose bits do not depend on the machine.

use super::shape::mix;
use ndarray_rand::rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What a stream of draws decides; part of the generator's key, so that no two purposes share a stream.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// The looks of a person.
    Identity = 1,
    /// Pose, expression, light and everything else that differs from picture to picture.
    Picture = 2,
    /// The noise of the camera's sensor.
    Sensor = 3,
}

/// A stream of draws keyed by (seed, identity, purpose, picture).
///
/// It uses integer draws and exactly rounded arithmetic only, never a distribution that calls the platform's `ln` or
/// `sin`.
pub(super) struct Draw(ChaCha8Rng);

impl Draw {
    /// The stream of one purpose; `picture` is 0 for what belongs to the person.
    pub(super) fn new(seed: u64, identity: u64, purpose: Purpose, picture: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&identity.to_le_bytes());
        key[16..24].copy_from_slice(&(purpose as u64).to_le_bytes());
        let mut stream = ChaCha8Rng::from_seed(key);
        stream.set_stream(picture);
        Self(stream)
    }

    /// A number in `[0, 1)`, a multiple of 2^-24.
    pub(super) fn unit(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 / (1 << 24) as f32
    }

    /// A number between `low` and `high`.
    pub(super) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// A number in `[-spread, spread)`.
    pub(super) fn around_zero(&mut self, spread: f32) -> f32 {
        self.between(-spread, spread)
    }

    /// Like [`Draw::around_zero`] with small values more likely: a triangle instead of a box.
    pub(super) fn mostly_small(&mut self, spread: f32) -> f32 {
        (self.unit() - self.unit()) * spread
    }

    /// True with the given probability.
    pub(super) fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }

    /// An index below `count`, each as likely as the others to within 2^-24.
    pub(super) fn index(&mut self, count: usize) -> usize {
        ((self.unit() * count as f32) as usize).min(count - 1)
    }

    /// One of the options.
    pub(super) fn choose<T: Copy>(&mut self, options: &[T]) -> T {
        options[self.index(options.len())]
    }

    /// Any colour, rarely a glaring one: a grey, tinted more or less.
    pub(super) fn colour(&mut self) -> [f32; 3] {
        let (grey, strength) = (self.between(0.08, 0.9), self.between(0.1, 0.75));
        [(); 3].map(|()| mix(grey, self.unit(), strength))
    }

    /// Fills a buffer with random bytes.
    pub(super) fn bytes(&mut self, buffer: &mut [u8]) {
        self.0.fill_bytes(buffer);
    }
}
