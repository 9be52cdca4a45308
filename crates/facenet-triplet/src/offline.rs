use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use facenet_neighbors::pairwise_squared_distances;
use ndarray::ArrayView2;
use ndarray_rand::rand::seq::SliceRandom;
use ndarray_rand::rand::{Rng, RngCore};

use crate::error::Error;
use crate::identity_groups::IdentityGroups;
use crate::loss::TripletLoss;
use crate::mining::batch::MiningBatch;
use crate::mining::miner::Miner;
use crate::random_stream::RandomStream;
use crate::triplet::Triplet;

/// The subset of a data set that one round of offline mining searches.
///
/// Source: the paper, section 3.2: "Generate triplets offline every n steps, using the most recent
/// network checkpoint and computing the argmin and argmax on a subset of the data."
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfflineSubset {
    images: Vec<usize>,
    identities: Vec<usize>,
    seed: u64,
    round: u64,
}

impl OfflineSubset {
    /// Draws a subset of at most `images` images, given the identity of each image in the data set.
    ///
    /// Identities are added with all their images, in an order drawn with `(seed, round)`, until
    /// the subset is full; the last one may be truncated. The subset always contains two
    /// identities, one of them with two images.
    ///
    /// # Errors
    ///
    /// Fails if the data set contains no triplet ([`Error::TooFewPeople`],
    /// [`Error::NoPositivePair`]) or the subset cannot hold one ([`Error::TooFewImages`]).
    pub fn draw(identities: &[usize], images: usize, seed: u64, round: u64) -> Result<Self, Error> {
        let groups = IdentityGroups::new(identities);
        groups.with_positives()?;
        if images < 3 {
            return Err(Error::TooFewImages { images });
        }
        let mut order: Vec<usize> = (0..groups.len()).collect();
        order.shuffle(&mut RandomStream::Subset { round }.generator(seed));
        // The first identity with a positive moves to the front and leaves room for a negative.
        let first = order.iter().position(|&person| groups.group(person).len() >= 2).unwrap_or(0);
        order[..=first].rotate_right(1);
        let mut chosen: Vec<usize> = groups.group(order[0]).iter().copied().take(images - 1).collect();
        let others = order[1..].iter().flat_map(|&person| groups.group(person)).copied();
        chosen.extend(others.take(images - chosen.len()));
        chosen.sort_unstable();
        let identities = chosen.iter().map(|&image| identities[image]).collect();
        Ok(Self { images: chosen, identities, seed, round })
    }

    /// The images to embed with the latest checkpoint, as ascending indices into the data set.
    #[must_use]
    pub fn images(&self) -> &[usize] {
        &self.images
    }

    /// The identity of each image of the subset.
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

/// A mini-batch of an offline round: distinct images and the triplets among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OfflineBatch {
    /// The images to embed, as indices into the data set.
    pub images: Vec<usize>,
    /// Triplets as indices into `images`, ready for [`BatchLoss::add`](crate::BatchLoss::add).
    pub triplets: Vec<Triplet>,
}

impl OfflineTriplets {
    /// Mines a subset as one large batch with the margin of `loss` and keeps a uniform sample of at
    /// most `limit` triplets.
    ///
    /// Memory: `4 n^2` bytes of squared distances for a subset of `n` images, and 24 bytes for each
    /// triplet kept.
    ///
    /// # Shapes
    ///
    /// `embeddings`: `[n, dimension]`, in the order of [`OfflineSubset::images`].
    ///
    /// # Errors
    ///
    /// [`Error::NotFinite`] if an embedding is not finite.
    ///
    /// # Panics
    ///
    /// Panics if the number of embeddings differs from the number of images.
    #[track_caller]
    pub fn mine(
        subset: &OfflineSubset,
        embeddings: ArrayView2<'_, f32>,
        miner: &dyn Miner,
        loss: &TripletLoss<f32>,
        limit: usize,
    ) -> Result<Self, Error> {
        let &OfflineSubset { seed, round, .. } = subset;
        let distances = pairwise_squared_distances(embeddings)?;
        let miner_seed = RandomStream::MinerSeedOfRound { round }.generator(seed).next_u64();
        let batch = MiningBatch::new(distances.view(), &subset.identities, loss.margin(), miner_seed);
        let mut generator = RandomStream::Reservoir { round }.generator(seed);
        let mut triplets = Vec::new();
        let mut found = 0;
        miner.mine(&batch, &mut |triplet| {
            found += 1;
            if triplets.len() < limit {
                triplets.push(triplet);
            } else {
                // Reservoir sampling: the newest triplet is kept with probability limit / found.
                let slot = generator.gen_range(0..found);
                if slot < limit as u64 {
                    triplets[slot as usize] = triplet;
                }
            }
        });
        let image = |index: usize| subset.images[index];
        for triplet in &mut triplets {
            *triplet = Triplet {
                anchor: image(triplet.anchor),
                positive: image(triplet.positive),
                negative: image(triplet.negative),
            };
        }
        Ok(Self { triplets, found, seed, round })
    }

    /// The triplets kept, as indices into the data set.
    #[must_use]
    pub fn triplets(&self) -> &[Triplet] {
        &self.triplets
    }

    /// Number of triplets the miner found, kept or not.
    #[must_use]
    pub fn found(&self) -> u64 {
        self.found
    }

    /// Splits the triplets into mini-batches of at most `images_per_batch` images, in an order
    /// drawn with the subset's `(seed, round)`. Triplets of a batch share its images.
    ///
    /// # Errors
    ///
    /// Fails if a batch cannot hold a triplet ([`Error::TooFewImages`]).
    pub fn batches(&self, images_per_batch: usize) -> Result<Vec<OfflineBatch>, Error> {
        if images_per_batch < 3 {
            return Err(Error::TooFewImages { images: images_per_batch });
        }
        let mut order = self.triplets.clone();
        order.shuffle(&mut RandomStream::TripletOrder { round: self.round }.generator(self.seed));
        let mut batches = Vec::new();
        let mut builder = BatchBuilder::default();
        for triplet in order {
            if builder.batch.images.len() + builder.new_images(triplet) > images_per_batch {
                batches.push(std::mem::take(&mut builder).batch);
            }
            builder.add(triplet);
        }
        if !builder.batch.triplets.is_empty() {
            batches.push(builder.batch);
        }
        Ok(batches)
    }
}

/// A batch under construction, with the position of each of its images.
#[derive(Default)]
struct BatchBuilder {
    batch: OfflineBatch,
    positions: BTreeMap<usize, usize>,
}

impl BatchBuilder {
    /// Number of images of a triplet that are not in the batch yet.
    fn new_images(&self, triplet: Triplet) -> usize {
        let images = [triplet.anchor, triplet.positive, triplet.negative];
        images.iter().filter(|image| !self.positions.contains_key(image)).count()
    }

    fn add(&mut self, triplet: Triplet) {
        let triplet = Triplet {
            anchor: self.position(triplet.anchor),
            positive: self.position(triplet.positive),
            negative: self.position(triplet.negative),
        };
        self.batch.triplets.push(triplet);
    }

    /// The position of an image in the batch, appending it if it is new.
    fn position(&mut self, image: usize) -> usize {
        match self.positions.entry(image) {
            Entry::Occupied(position) => *position.get(),
            Entry::Vacant(position) => {
                self.batch.images.push(image);
                *position.insert(self.batch.images.len() - 1)
            }
        }
    }
}
