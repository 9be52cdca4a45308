use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use ndarray::ArrayView2;
use ndarray_rand::rand::seq::SliceRandom;
use ndarray_rand::rand::{Rng, RngCore};

use crate::draw::Draw;
use crate::identity_groups::IdentityGroups;
use crate::{Error, MinedBatch, Miner, Triplet, squared_distances};

/// The part of a set of pictures from which one round of offline mining takes its triplets.
///
/// Source: the paper, section 3.2: "Generate triplets offline every n steps, using the most recent network checkpoint and
/// computing the argmin and argmax on a subset of the data."
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfflineSubset {
    pictures: Vec<usize>,
    identities: Vec<usize>,
    seed: u64,
    round: u64,
}

impl OfflineSubset {
    /// Draws a subset of at most `pictures` pictures from a set, given who each of its pictures shows.
    ///
    /// People are taken whole, in an order drawn with `(seed, round)`, until the subset is full, where the last one may be
    /// cut. There are always two people and a person with two pictures among them.
    ///
    /// # Errors
    ///
    /// If the set has no triplets ([`Error::TooFewPeople`], [`Error::NoPositivePair`]) or the subset no room for one
    /// ([`Error::NoRoomForTriplet`]).
    pub fn draw(identities: &[usize], pictures: usize, seed: u64, round: u64) -> Result<Self, Error> {
        let groups = IdentityGroups::new(identities);
        groups.with_positives()?;
        if pictures < 3 {
            return Err(Error::NoRoomForTriplet { pictures });
        }
        let mut order: Vec<usize> = (0..groups.len()).collect();
        order.shuffle(&mut Draw::Subset { round }.generator(seed));
        // The first with a positive comes before everyone else, and leaves room for a negative.
        let first = order.iter().position(|&person| groups.group(person).len() >= 2).unwrap_or(0);
        order[..=first].rotate_right(1);
        let mut chosen: Vec<usize> = groups.group(order[0]).iter().copied().take(pictures - 1).collect();
        let others = order[1..].iter().flat_map(|&person| groups.group(person)).copied();
        chosen.extend(others.take(pictures - chosen.len()));
        chosen.sort_unstable();
        let identities = chosen.iter().map(|&picture| identities[picture]).collect();
        Ok(Self { pictures: chosen, identities, seed, round })
    }

    /// The pictures, as indices into the set in ascending order: those to embed with the latest checkpoint.
    #[must_use]
    pub fn pictures(&self) -> &[usize] {
        &self.pictures
    }

    /// Who each of the pictures shows.
    #[must_use]
    pub fn identities(&self) -> &[usize] {
        &self.identities
    }
}

/// The triplets of one round of offline mining.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfflineTriplets {
    triplets: Vec<Triplet>,
    found: u64,
    seed: u64,
    round: u64,
}

/// A mini-batch of an offline round: pictures, each once, and the triplets among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OfflineBatch {
    /// The pictures to embed, as indices into the set.
    pub pictures: Vec<usize>,
    /// Triplets of indices into `pictures`, as the loss takes them.
    pub triplets: Vec<Triplet>,
}

impl OfflineTriplets {
    /// Mines a subset as one large batch, and keeps at most `limit` of its triplets, any with the same probability.
    ///
    /// Memory: `4 n^2` bytes of squared distances for a subset of `n` pictures, and 24 bytes for each triplet kept.
    ///
    /// # Shapes
    ///
    /// `embeddings`: `[n, dimension]`, in the order of [`OfflineSubset::pictures`].
    ///
    /// # Panics
    ///
    /// If there isn't one embedding for each picture, or the margin is negative or not finite.
    #[must_use]
    #[track_caller]
    pub fn mine(
        subset: &OfflineSubset,
        embeddings: ArrayView2<'_, f32>,
        miner: &dyn Miner,
        margin: f32,
        limit: usize,
    ) -> Self {
        let &OfflineSubset { seed, round, .. } = subset;
        let distances = squared_distances(embeddings);
        let miner_seed = Draw::MinerSeed { round }.generator(seed).next_u64();
        let batch = MinedBatch::new(distances.view(), &subset.identities, margin, miner_seed);
        let mut generator = Draw::Kept { round }.generator(seed);
        let mut triplets = Vec::new();
        let mut found = 0;
        miner.mine(&batch, &mut |triplet| {
            found += 1;
            if triplets.len() < limit {
                triplets.push(triplet);
            } else {
                // Reservoir sampling: the newest is kept with probability limit / found.
                let place = generator.gen_range(0..found);
                if place < limit as u64 {
                    triplets[place as usize] = triplet;
                }
            }
        });
        let picture = |index: usize| subset.pictures[index];
        for triplet in &mut triplets {
            *triplet = Triplet {
                anchor: picture(triplet.anchor),
                positive: picture(triplet.positive),
                negative: picture(triplet.negative),
            };
        }
        Self { triplets, found, seed, round }
    }

    /// The triplets kept, as indices into the set.
    #[must_use]
    pub fn triplets(&self) -> &[Triplet] {
        &self.triplets
    }

    /// How many triplets the miner found, kept or not.
    #[must_use]
    pub fn found(&self) -> u64 {
        self.found
    }

    /// Cuts the triplets, in an order drawn with the subset's `(seed, round)`, into mini-batches of at most
    /// `pictures_per_batch` pictures. A picture in several triplets of a batch is in it once.
    ///
    /// # Errors
    ///
    /// If a batch has no room for a triplet ([`Error::NoRoomForTriplet`]).
    pub fn batches(&self, pictures_per_batch: usize) -> Result<Vec<OfflineBatch>, Error> {
        if pictures_per_batch < 3 {
            return Err(Error::NoRoomForTriplet { pictures: pictures_per_batch });
        }
        let mut order = self.triplets.clone();
        order.shuffle(&mut Draw::TripletOrder { round: self.round }.generator(self.seed));
        let mut batches = Vec::new();
        let mut open = OpenBatch::default();
        for triplet in order {
            if open.batch.pictures.len() + open.new_pictures(triplet) > pictures_per_batch {
                batches.push(std::mem::take(&mut open).batch);
            }
            open.add(triplet);
        }
        if !open.batch.triplets.is_empty() {
            batches.push(open.batch);
        }
        Ok(batches)
    }
}

/// A batch being filled, with the place of each of its pictures.
#[derive(Default)]
struct OpenBatch {
    batch: OfflineBatch,
    places: BTreeMap<usize, usize>,
}

impl OpenBatch {
    /// How many of a triplet's pictures aren't in the batch yet.
    fn new_pictures(&self, triplet: Triplet) -> usize {
        let pictures = [triplet.anchor, triplet.positive, triplet.negative];
        pictures.iter().filter(|picture| !self.places.contains_key(picture)).count()
    }

    fn add(&mut self, triplet: Triplet) {
        let triplet = Triplet {
            anchor: self.place(triplet.anchor),
            positive: self.place(triplet.positive),
            negative: self.place(triplet.negative),
        };
        self.batch.triplets.push(triplet);
    }

    /// The place of a picture in the batch, at its end if it is new.
    fn place(&mut self, picture: usize) -> usize {
        match self.places.entry(picture) {
            Entry::Occupied(place) => *place.get(),
            Entry::Vacant(place) => {
                self.batch.pictures.push(picture);
                *place.insert(self.batch.pictures.len() - 1)
            }
        }
    }
}
