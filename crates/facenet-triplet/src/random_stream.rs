//! The random number streams of the crate, one per purpose and key.

use ndarray_rand::rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// What random numbers are used for, with a key that tells repeated uses apart.
///
/// A generator is a function of the seed, the purpose and the key, so resuming needs no generator
/// state, and streams can be used in any order and on any thread.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RandomStream {
    /// The order in which the sampler visits people in an epoch.
    PeopleOrder { epoch: u64 },
    /// The images of one batch of the sampler.
    BatchImages { step: u64 },
    /// The semi-hard negatives of one anchor.
    Negatives { anchor: u64 },
    /// The people of an offline subset.
    Subset { round: u64 },
    /// The miner's seed in an offline round.
    MinerSeedOfRound { round: u64 },
    /// Which triplets an offline round keeps.
    Reservoir { round: u64 },
    /// The order of the triplets of an offline round.
    TripletOrder { round: u64 },
    /// The miner's seed in a training step.
    MinerSeedOfStep { step: u64 },
}

impl RandomStream {
    /// The generator of this stream. The ChaCha stream number holds the purpose in its highest byte
    /// and the key in the lower seven.
    pub(crate) fn generator(self, seed: u64) -> ChaCha8Rng {
        let (purpose, key) = match self {
            Self::PeopleOrder { epoch } => (1, epoch),
            Self::BatchImages { step } => (2, step),
            Self::Negatives { anchor } => (3, anchor),
            Self::Subset { round } => (4, round),
            Self::MinerSeedOfRound { round } => (5, round),
            Self::Reservoir { round } => (6, round),
            Self::TripletOrder { round } => (7, round),
            Self::MinerSeedOfStep { step } => (8, step),
        };
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream((purpose << 56) | (key & ((1 << 56) - 1)));
        generator
    }
}

#[cfg(test)]
mod tests {
    use ndarray_rand::rand::RngCore;

    use super::*;

    #[test]
    fn seed_purpose_and_key_each_select_another_stream() {
        let values = [
            RandomStream::PeopleOrder { epoch: 0 }.generator(0).next_u64(),
            RandomStream::PeopleOrder { epoch: 0 }.generator(1).next_u64(),
            RandomStream::PeopleOrder { epoch: 1 }.generator(0).next_u64(),
            RandomStream::BatchImages { step: 0 }.generator(0).next_u64(),
            RandomStream::BatchImages { step: 1 }.generator(0).next_u64(),
        ];
        for (i, value) in values.iter().enumerate() {
            assert!(!values[i + 1..].contains(value));
        }
        assert_eq!(values[4], RandomStream::BatchImages { step: 1 }.generator(0).next_u64());
    }
}
