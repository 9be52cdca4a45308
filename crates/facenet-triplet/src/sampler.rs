use ndarray_rand::rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::identity_groups::IdentityGroups;
use crate::random_stream::RandomStream;

/// Composition of an identity-balanced batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchShape {
    /// Identities with at least one positive pair, each with up to `faces` images.
    pub people: usize,
    /// Images per identity; about 40 in the paper.
    pub faces: usize,
    /// Random images of other identities. They serve as negatives; two of them may happen to share
    /// an identity.
    #[serde(default)]
    pub negatives: usize,
}

/// Samples batches with several images per identity, so that they contain anchor-positive pairs.
///
/// Each epoch visits every identity with at least two images in a random order. The last batch of
/// an epoch is padded with the identities of its first batch, so each is visited at least once and
/// at most twice. Images are drawn without replacement: an identity with fewer than `faces` images
/// contributes all of them, and the batch is smaller. Identities with a single image only appear as
/// extra negatives.
///
/// A batch depends only on the data set, the shape, the seed and the step; resuming needs no state.
///
/// Source: the paper, section 3.2.
#[derive(Clone, Debug)]
pub struct IdentitySampler {
    groups: IdentityGroups,
    /// Groups of at least two images.
    people: Vec<usize>,
    shape: BatchShape,
}

impl IdentitySampler {
    /// Creates a sampler from the identity of each image in the data set.
    ///
    /// # Errors
    ///
    /// Fails if the set contains no triplet ([`Error::TooFewPeople`], [`Error::NoPositivePair`]),
    /// if the shape allows none ([`Error::BatchWithoutTriplets`], [`Error::TooFewFaces`]), or if a
    /// batch needs more people with two images than the set has ([`Error::TooFewPeopleForBatch`]).
    pub fn new(identities: &[usize], shape: BatchShape) -> Result<Self, Error> {
        let groups = IdentityGroups::new(identities);
        let people = groups.with_positives()?;
        if shape.people + shape.negatives.min(1) < 2 || shape.people == 0 {
            return Err(Error::BatchWithoutTriplets { people: shape.people, negatives: shape.negatives });
        }
        if shape.faces < 2 {
            return Err(Error::TooFewFaces { faces: shape.faces });
        }
        if people.len() < shape.people {
            return Err(Error::TooFewPeopleForBatch { requested: shape.people, found: people.len() });
        }
        Ok(Self { groups, people, shape })
    }

    /// Number of batches that visit every identity with at least two images.
    #[must_use]
    pub fn steps_per_epoch(&self) -> u64 {
        self.people.len().div_ceil(self.shape.people) as u64
    }

    /// The batch of a step, as distinct indices into the data set: identity by identity, then the
    /// extra negatives.
    ///
    /// Takes time linear in the size of the data set.
    #[must_use]
    pub fn batch(&self, seed: u64, step: u64) -> Vec<usize> {
        let (epoch, position) = (step / self.steps_per_epoch(), step % self.steps_per_epoch());
        let mut order = self.people.clone();
        order.shuffle(&mut RandomStream::PeopleOrder { epoch }.generator(seed));
        let first = position as usize * self.shape.people;
        let people: Vec<usize> = order.iter().cycle().skip(first).take(self.shape.people).copied().collect();

        let mut generator = RandomStream::BatchImages { step }.generator(seed);
        let mut images = Vec::new();
        for &person in &people {
            let mut faces = self.groups.group(person).to_vec();
            images.extend_from_slice(faces.partial_shuffle(&mut generator, self.shape.faces).0);
        }
        if self.shape.negatives > 0 {
            let mut in_batch = vec![false; self.groups.len()];
            people.iter().for_each(|&person| in_batch[person] = true);
            let others = (0..self.groups.len()).filter(|&person| !in_batch[person]);
            let mut others: Vec<usize> = others.flat_map(|person| self.groups.group(person)).copied().collect();
            images.extend_from_slice(others.partial_shuffle(&mut generator, self.shape.negatives).0);
        }
        images
    }
}
