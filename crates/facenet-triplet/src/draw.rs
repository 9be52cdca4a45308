//! What the crate draws at random, and the generator that each draw has to itself.

use ndarray_rand::rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// A random draw with its key: the generator depends on the seed and on these alone, so that nothing has to be kept to
/// resume, and draws can be made in any order and on any thread.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Draw {
    /// The order in which people are visited in an epoch of the sampler.
    PeopleOrder { epoch: u64 },
    /// The pictures of one batch of the sampler.
    Pictures { step: u64 },
    /// The semi-hard negatives of one anchor.
    Negatives { anchor: u64 },
    /// The people of an offline subset.
    Subset { round: u64 },
    /// The seed of the miner in an offline round.
    MinerSeed { round: u64 },
    /// Which triplets an offline round keeps.
    Kept { round: u64 },
    /// The order of the triplets of an offline round.
    TripletOrder { round: u64 },
    /// The seed of the miner in a step.
    StepSeed { step: u64 },
}

impl Draw {
    /// The generator of this draw: the kind in the stream's highest byte, the key below.
    pub(crate) fn generator(self, seed: u64) -> ChaCha8Rng {
        let (kind, key) = match self {
            Draw::PeopleOrder { epoch } => (1, epoch),
            Draw::Pictures { step } => (2, step),
            Draw::Negatives { anchor } => (3, anchor),
            Draw::Subset { round } => (4, round),
            Draw::MinerSeed { round } => (5, round),
            Draw::Kept { round } => (6, round),
            Draw::TripletOrder { round } => (7, round),
            Draw::StepSeed { step } => (8, step),
        };
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream((kind << 56) | (key & ((1 << 56) - 1)));
        generator
    }
}

#[cfg(test)]
mod tests {
    use ndarray_rand::rand::RngCore;

    use super::*;

    #[test]
    fn seed_kind_and_key_each_give_another_stream() {
        let numbers = [
            Draw::PeopleOrder { epoch: 0 }.generator(0).next_u64(),
            Draw::PeopleOrder { epoch: 0 }.generator(1).next_u64(),
            Draw::PeopleOrder { epoch: 1 }.generator(0).next_u64(),
            Draw::Pictures { step: 0 }.generator(0).next_u64(),
            Draw::Pictures { step: 1 }.generator(0).next_u64(),
        ];
        for (i, number) in numbers.iter().enumerate() {
            assert!(!numbers[i + 1..].contains(number));
        }
        assert_eq!(numbers[4], Draw::Pictures { step: 1 }.generator(0).next_u64());
    }
}
