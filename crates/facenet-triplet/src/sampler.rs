use ndarray_rand::rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::draw::Draw;
use crate::identity_groups::IdentityGroups;

/// What a batch is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchShape {
    /// People with a positive, each with up to `faces` pictures.
    pub people: usize,
    /// Pictures of each of these people; the paper takes about 40.
    pub faces: usize,
    /// Pictures of anyone else, drawn at random: negatives only, unless two of them happen to show one person.
    #[serde(default)]
    pub negatives: usize,
}

/// Draws batches of people with several pictures each, so that a batch holds anchor-positive pairs at all.
///
/// An epoch visits everyone who has at least two pictures, in an order of its own; its last batch is filled up with the
/// people of its first, so that everyone comes at least once and at most twice. Pictures are drawn without repetition: who has
/// fewer than `faces` gives all of them, and a batch is smaller for it. Who has a single picture can only be an extra
/// negative.
///
/// A batch depends on the set, the shape, the seed and the step alone: to resume needs no state.
///
/// Source: the paper, section 3.2.
#[derive(Clone, Debug)]
pub struct IdentitySampler {
    groups: IdentityGroups,
    /// The groups of at least two pictures.
    people: Vec<usize>,
    shape: BatchShape,
}

impl IdentitySampler {
    /// A sampler of a set of pictures, given who each of them shows.
    ///
    /// # Errors
    ///
    /// If the set has no triplets ([`Error::TooFewPeople`], [`Error::NoPositivePair`]), the shape has none
    /// ([`Error::BatchWithoutTriplets`], [`Error::TooFewFaces`]), or the set has fewer people with two pictures than a batch
    /// ([`Error::TooFewPeopleForBatch`]).
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
            return Err(Error::TooFewPeopleForBatch { wanted: shape.people, found: people.len() });
        }
        Ok(Self { groups, people, shape })
    }

    /// Batches in which everyone with at least two pictures is visited.
    #[must_use]
    pub fn steps_per_epoch(&self) -> u64 {
        self.people.len().div_ceil(self.shape.people) as u64
    }

    /// The pictures of a step's batch, as indices into the set, each at most once: person by person, then the extra negatives.
    ///
    /// `O(pictures of the set)` time.
    #[must_use]
    pub fn batch(&self, seed: u64, step: u64) -> Vec<usize> {
        let (epoch, position) = (step / self.steps_per_epoch(), step % self.steps_per_epoch());
        let mut order = self.people.clone();
        order.shuffle(&mut Draw::PeopleOrder { epoch }.generator(seed));
        let first = position as usize * self.shape.people;
        let people: Vec<usize> = order.iter().cycle().skip(first).take(self.shape.people).copied().collect();

        let mut generator = Draw::Pictures { step }.generator(seed);
        let mut pictures = Vec::new();
        for &person in &people {
            let mut faces = self.groups.group(person).to_vec();
            pictures.extend_from_slice(faces.partial_shuffle(&mut generator, self.shape.faces).0);
        }
        if self.shape.negatives > 0 {
            let mut in_batch = vec![false; self.groups.len()];
            people.iter().for_each(|&person| in_batch[person] = true);
            let others = (0..self.groups.len()).filter(|&person| !in_batch[person]);
            let mut others: Vec<usize> = others.flat_map(|person| self.groups.group(person)).copied().collect();
            pictures.extend_from_slice(others.partial_shuffle(&mut generator, self.shape.negatives).0);
        }
        pictures
    }
}
