//! Training by triplet loss, step by step.

use std::collections::{BTreeMap, BTreeSet};

use facenet_network::{Checkpoint, Network, TrainingState};
use facenet_recognition::{Embed, Embedder};
use facenet_triplet::{
    BatchShape, IdentitySampler, Miner, OfflineBatch, OfflineSubset, OfflineTriplets, TripletLoss, miner_seed,
};
use ndarray::{ArrayView4, Axis};

use crate::error::Error;
use crate::hash::faces_sha256;
use crate::history::History;
use crate::learner::{Learner, StepOptions, StepOutcome};
use crate::memory::shaped;
use crate::recipe::{Recipe, TripletSource};
use crate::step_report::StepReport;

/// Trains a network by the triplet loss, step by step.
///
/// A step depends only on the recipe, the images, the seed and the parameters before it: results
/// are bit-identical on any number of threads and after resuming. (Resuming in the middle of an
/// offline round mines that round's triplets anew.)
pub struct Trainer<'a> {
    recipe: Recipe,
    seed: u64,
    faces: ArrayView4<'a, u8>,
    identities: &'a [usize],
    learner: Learner,
    /// Hash of faces and identities.
    faces_sha256: String,
    step: u64,
    history: History,
    sampler: IdentitySampler,
    miner: Box<dyn Miner>,
    /// The current offline round and its mini-batches.
    offline_round: Option<(u64, Vec<OfflineBatch>)>,
    // Buffers that steps reuse.
    batch: Vec<u8>,
    x: Vec<f32>,
}

impl<'a> Trainer<'a> {
    /// Starts training of a newly initialized network.
    ///
    /// # Shapes
    ///
    /// `faces`: `[n, height, width, 3]` of the recipe's input size; `identities`: `[n]`.
    ///
    /// # Errors
    ///
    /// If the recipe is invalid, or the images give no batch of its shape.
    ///
    /// # Panics
    ///
    /// If the shapes disagree.
    #[track_caller]
    pub fn new(recipe: Recipe, faces: ArrayView4<'a, u8>, identities: &'a [usize], seed: u64) -> Result<Self, Error> {
        let network = Network::new(recipe.network.clone(), recipe.initializer, seed)?;
        Self::with_network(recipe, network, faces, identities, seed)
    }

    /// Resumes from a checkpoint, with its recipe and seed, on the same images.
    ///
    /// # Errors
    ///
    /// If the checkpoint holds no training state or was trained on other images, and those of
    /// [`Trainer::new`].
    ///
    /// # Panics
    ///
    /// If the shapes disagree.
    #[track_caller]
    pub fn resume(checkpoint: Checkpoint, faces: ArrayView4<'a, u8>, identities: &'a [usize]) -> Result<Self, Error> {
        let (recipe, seed) = Self::recipe_and_seed(&checkpoint)?;
        let Checkpoint { description, parameters, statistics, training, .. } = checkpoint;
        let TrainingState { step, dataset, history, optimizer_state, .. } = training.ok_or(Error::NothingToResume)?;
        let network = Network::with_parameters(description, parameters, statistics)?;
        let mut trainer = Self::with_network(recipe, network, faces, identities, seed)?;
        if trainer.faces_sha256 != dataset {
            return Err(Error::OtherImages);
        }
        for (name, state) in trainer.learner.optimizer_mut().state_mut() {
            let buffer = optimizer_state.iter().find(|(buffer, _)| buffer == name);
            let (_, buffer) = buffer.ok_or(Error::MissingBuffer { name })?;
            state.values.copy_from_slice(&buffer.values);
        }
        trainer.step = step;
        trainer.history = History::from_text(&history, step).ok_or(Error::WrongHistory)?;
        Ok(trainer)
    }

    /// The recipe and the seed of a checkpoint; the recipe's network is the checkpoint's.
    ///
    /// # Errors
    ///
    /// If the checkpoint holds no training state, or its recipe is invalid.
    pub fn recipe_and_seed(checkpoint: &Checkpoint) -> Result<(Recipe, u64), Error> {
        let training = checkpoint.training.as_ref().ok_or(Error::NothingToResume)?;
        let recipe = Recipe { network: checkpoint.description.clone(), ..Recipe::from_toml(&training.recipe)? };
        Ok((recipe, training.seed))
    }

    #[track_caller]
    fn with_network(
        recipe: Recipe,
        network: Network<f32>,
        faces: ArrayView4<'a, u8>,
        identities: &'a [usize],
        seed: u64,
    ) -> Result<Self, Error> {
        let [height, width] = network.plan().input_size();
        let expected = (identities.len(), height, width, 3);
        assert_eq!(faces.dim(), expected, "faces of {} images for this network", identities.len());
        recipe.validate()?;
        let shape = BatchShape { people: recipe.batch.people.min(people_with_positives(identities)), ..recipe.batch };
        Ok(Self {
            sampler: IdentitySampler::new(identities, shape)?,
            miner: recipe.triplets.miner().miner(),
            learner: Learner::new(network, recipe.optimizer, TripletLoss::new(recipe.margin, recipe.reduction)),
            faces_sha256: faces_sha256(faces, identities),
            step: 0,
            history: History::default(),
            offline_round: None,
            batch: Vec::new(),
            x: Vec::new(),
            recipe,
            seed,
            faces,
            identities,
        })
    }

    /// Seed of all random draws.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The recipe.
    #[must_use]
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Number of steps done.
    #[must_use]
    pub fn steps_done(&self) -> u64 {
        self.step
    }

    /// The training history so far.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Number of training people and of their images.
    #[must_use]
    pub fn people_and_images(&self) -> (usize, usize) {
        let people: BTreeSet<usize> = self.identities.iter().copied().collect();
        (people.len(), self.identities.len())
    }

    /// One step: sample a batch, augment, embed, mine triplets, update the parameters.
    ///
    /// # Errors
    ///
    /// [`Error::Diverged`] if the loss or the gradient is not finite; the parameters are unchanged
    /// then.
    pub fn step(&mut self) -> Result<StepReport, Error> {
        let OfflineBatch { images, triplets } = self.next_batch()?;
        self.augment(&images);

        let learning_rate = self.recipe.learning_rate.at(self.step, self.recipe.steps);
        let clip_norm = self.recipe.clip_norm;
        let options = StepOptions { seed: self.seed, step: self.step, learning_rate, clip_norm };
        let (_, height, width, channels) = self.faces.dim();
        let x = shaped(&mut self.x, (images.len(), height, width, channels));
        let StepOutcome { loss, gradient_norm } =
            self.learner.step(x.view(), options, |loss| match self.recipe.triplets {
                TripletSource::Online { .. } => {
                    let identities: Vec<usize> = images.iter().map(|&image| self.identities[image]).collect();
                    loss.mine(self.miner.as_ref(), &identities, miner_seed(self.seed, self.step));
                }
                TripletSource::Offline { .. } => triplets.into_iter().for_each(|triplet| loss.add(triplet)),
            })?;
        self.step += 1;
        let report = StepReport { step: self.step - 1, images: images.len(), learning_rate, gradient_norm, loss };
        self.history.add(&report);
        Ok(report)
    }

    /// The images of the next batch, with its triplets if they are mined offline.
    fn next_batch(&mut self) -> Result<OfflineBatch, Error> {
        let TripletSource::Offline { every, pictures, triplets, .. } = self.recipe.triplets else {
            return Ok(OfflineBatch { images: self.sampler.batch(self.seed, self.step), triplets: Vec::new() });
        };
        let (round, position) = (self.step / every, (self.step % every) as usize);
        let batches = match self.offline_round.take() {
            Some((present, batches)) if present == round => batches,
            _ => {
                let subset = OfflineSubset::draw(self.identities, pictures, self.seed, round)?;
                let embeddings = self.embedder().embed(self.faces.select(Axis(0), subset.images()).view())?;
                let miner = self.miner.as_ref();
                let chosen = OfflineTriplets::mine(&subset, embeddings.view(), miner, self.learner.loss(), triplets)?;
                let shape = self.recipe.batch;
                chosen.batches(shape.people * shape.faces + shape.negatives)?
            }
        };
        let batch = match batches.len() {
            // The subset has no active triplet: a step without triplets, as may happen online too.
            0 => OfflineBatch { images: self.sampler.batch(self.seed, self.step), triplets: Vec::new() },
            count => batches[position % count].clone(),
        };
        self.offline_round = Some((round, batches));
        Ok(batch)
    }

    /// Augments the images of a batch and preprocesses them into the network's input.
    fn augment(&mut self, images: &[usize]) {
        let (_, height, width, channels) = self.faces.dim();
        let shape = (images.len(), height, width, channels);
        let mut batch = shaped(&mut self.batch, shape);
        self.recipe.augmentation.augment_batch(self.faces, images, self.seed, self.step, batch.view_mut());
        let mut x = shaped(&mut self.x, shape);
        self.learner.network().description().preprocessing.apply(batch.view(), x.view_mut());
    }

    /// The network in its current state.
    #[must_use]
    pub fn network(&self) -> &Network<f32> {
        self.learner.network()
    }

    /// An embedder of the network in its current state.
    #[must_use]
    pub fn embedder(&self) -> Embedder {
        Embedder::new(self.network()).expect("the recipe was validated")
    }

    /// A checkpoint to embed with and to resume from; without a calibration.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        let optimizer_state =
            self.learner.optimizer().state().into_iter().map(|(name, buffer)| (name.to_owned(), buffer.clone()));
        Checkpoint {
            description: self.network().description().clone(),
            parameters: self.network().parameters.clone(),
            statistics: self.network().statistics.clone(),
            calibration: None,
            training: Some(TrainingState {
                seed: self.seed,
                step: self.step,
                recipe: self.recipe.to_toml(),
                dataset: self.faces_sha256.clone(),
                history: self.history.to_text(),
                optimizer_state: optimizer_state.collect(),
            }),
        }
    }
}

/// Number of people with at least two images, but at least 2: the sampler reports the error where
/// there are fewer.
fn people_with_positives(identities: &[usize]) -> usize {
    let mut images = BTreeMap::<usize, usize>::new();
    identities.iter().for_each(|&identity| *images.entry(identity).or_default() += 1);
    images.values().filter(|&&images| images >= 2).count().max(2)
}
