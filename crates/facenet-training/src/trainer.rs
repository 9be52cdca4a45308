use std::collections::{BTreeMap, BTreeSet};

use facenet_network::{Checkpoint, Mode, Network, Optimizer, Parameters, TrainingState, Workspace};
use facenet_triplet::{
    BatchShape, IdentitySampler, Miner, OfflineBatch, OfflineSubset, OfflineTriplets, TripletLoss, miner_seed,
    pairwise_squared_distances_into,
};
use ndarray::{ArrayView4, ArrayViewMut, Axis, Dimension, ShapeBuilder};

use facenet_recognition::{Embed, Embedder};

use crate::error::Error;
use crate::hash::pictures_sha256;
use crate::history::History;
use crate::recipe::{Recipe, TripletSource};
use crate::step_report::StepReport;

/// Trains a network by the triplet loss, step by step.
///
/// A step depends on the recipe, the pictures, the seed and the parameters before it alone: the same bits on any number of
/// threads, and after a resumption. (Only in the midst of an offline round the resumed run chooses its triplets anew.)
pub struct Trainer<'a> {
    recipe: Recipe,
    seed: u64,
    faces: ArrayView4<'a, u8>,
    identities: &'a [usize],
    network: Network<f32>,
    optimizer: Box<dyn Optimizer<f32>>,
    /// The hash of faces and identities.
    pictures: String,
    step: u64,
    history: History,
    sampler: IdentitySampler,
    miner: Box<dyn Miner>,
    loss: TripletLoss<f32>,
    /// The present offline round and its mini-batches.
    offline_round: Option<(u64, Vec<OfflineBatch>)>,
    // Memory that steps reuse.
    workspace: Workspace<f32>,
    gradients: Parameters<f32>,
    batch: Vec<u8>,
    x: Vec<f32>,
    squared_distances: Vec<f32>,
    dembeddings: Vec<f32>,
}

impl<'a> Trainer<'a> {
    /// Starts with a new network.
    ///
    /// # Shapes
    ///
    /// `faces`: `[n, height, width, 3]` as the recipe's network wants them, `identities`: `[n]`.
    ///
    /// # Errors
    ///
    /// If the recipe is not valid, or the pictures give no batch of its shape.
    ///
    /// # Panics
    ///
    /// If the shapes disagree.
    #[track_caller]
    pub fn new(recipe: Recipe, faces: ArrayView4<'a, u8>, identities: &'a [usize], seed: u64) -> Result<Self, Error> {
        let network = Network::new(recipe.network.clone(), recipe.initializer, seed)?;
        Self::with_network(recipe, network, faces, identities, seed)
    }

    /// Goes on where a checkpoint was written, with its recipe and its seed, on the same pictures.
    ///
    /// # Errors
    ///
    /// If the checkpoint holds no training state or was trained on other pictures, or as [`Trainer::new`].
    ///
    /// # Panics
    ///
    /// If the shapes disagree.
    #[track_caller]
    pub fn resume(checkpoint: Checkpoint, faces: ArrayView4<'a, u8>, identities: &'a [usize]) -> Result<Self, Error> {
        let (recipe, seed) = Self::recipe_and_seed(&checkpoint)?;
        let Checkpoint { description, parameters, statistics, training, .. } = checkpoint;
        let TrainingState { step, pictures, history, buffers, .. } = training.ok_or(Error::NothingToResume)?;
        let network = Network::with_parameters(description, parameters, statistics)?;
        let mut trainer = Self::with_network(recipe, network, faces, identities, seed)?;
        if trainer.pictures != pictures {
            return Err(Error::OtherPictures);
        }
        for (name, state) in trainer.optimizer.state_mut() {
            let buffer = buffers.iter().find(|(buffer, _)| buffer == name);
            let (_, buffer) = buffer.ok_or(Error::MissingBuffer { name })?;
            state.values.copy_from_slice(&buffer.values);
        }
        trainer.step = step;
        trainer.history = History::from_text(&history, step).ok_or(Error::WrongHistory)?;
        Ok(trainer)
    }

    /// The recipe and the seed that a checkpoint is trained by; the recipe's network is the checkpoint's.
    ///
    /// # Errors
    ///
    /// If the checkpoint holds no training state, or its recipe is not one.
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
        let [height, width] = network.plan().input();
        let expected = (identities.len(), height, width, 3);
        assert_eq!(faces.dim(), expected, "faces of {} pictures for this network", identities.len());
        recipe.validate()?;
        let shape = BatchShape { people: recipe.batch.people.min(people_with_positives(identities)), ..recipe.batch };
        Ok(Self {
            sampler: IdentitySampler::new(identities, shape)?,
            miner: recipe.triplets.miner().miner(),
            loss: TripletLoss::new(recipe.margin, recipe.reduction),
            optimizer: recipe.optimizer.optimizer(network.plan().parameters()),
            workspace: Workspace::new(network.plan()),
            gradients: Parameters::zeros(network.plan().parameters()),
            pictures: pictures_sha256(faces, identities),
            step: 0,
            history: History::default(),
            offline_round: None,
            batch: Vec::new(),
            x: Vec::new(),
            squared_distances: Vec::new(),
            dembeddings: Vec::new(),
            recipe,
            seed,
            faces,
            identities,
            network,
        })
    }

    /// How the network is trained.
    #[must_use]
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Steps done.
    #[must_use]
    pub fn steps_done(&self) -> u64 {
        self.step
    }

    /// How it went so far.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// People and pictures that it learns from.
    #[must_use]
    pub fn people_and_images(&self) -> (usize, usize) {
        let people: BTreeSet<usize> = self.identities.iter().copied().collect();
        (people.len(), self.identities.len())
    }

    /// One step: a batch, its embeddings, triplets, loss, gradients, descent.
    ///
    /// # Errors
    ///
    /// [`Error::Diverged`] if the loss is no longer a number; the parameters are then those before the step.
    pub fn step(&mut self) -> Result<StepReport, Error> {
        let OfflineBatch { images: pictures, triplets } = self.next_batch()?;
        self.embed_batch(&pictures);

        let n = pictures.len();
        let embeddings = self.network.embeddings(&self.workspace);
        let mut squared_distances = shaped(&mut self.squared_distances, (n, n));
        pairwise_squared_distances_into(embeddings, squared_distances.view_mut());
        let mut loss = self.loss.begin(squared_distances.view());
        match self.recipe.triplets {
            TripletSource::Online { .. } => {
                let identities: Vec<usize> = pictures.iter().map(|&picture| self.identities[picture]).collect();
                let seed = miner_seed(self.seed, self.step);
                loss.mine(self.miner.as_ref(), &identities, seed);
            }
            TripletSource::Offline { .. } => triplets.into_iter().for_each(|triplet| loss.add(triplet)),
        }
        let mut dembeddings = shaped(&mut self.dembeddings, embeddings.raw_dim());
        let loss = loss.backward(embeddings, dembeddings.view_mut());
        if !(loss.loss.is_finite() && loss.mean_squared_distance.is_finite()) {
            return Err(Error::Diverged { step: self.step });
        }

        self.gradients.clear();
        self.network.backward(dembeddings.view(), &mut self.workspace, &mut self.gradients);
        let gradient_norm = match self.recipe.clip_norm {
            Some(limit) => self.gradients.clip_norm(limit),
            None => self.gradients.norm(),
        };
        if !gradient_norm.is_finite() {
            return Err(Error::Diverged { step: self.step });
        }
        let learning_rate = self.recipe.learning_rate.at(self.step, self.recipe.steps);
        self.optimizer.update(&mut self.network.parameters, &self.gradients, learning_rate, self.step);
        self.network.update_statistics(&self.workspace);
        self.step += 1;
        let report = StepReport { step: self.step - 1, pictures: n, learning_rate, gradient_norm, loss };
        self.history.add(&report);
        Ok(report)
    }

    /// The pictures of this step's batch, and its triplets where they were chosen offline.
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
                let chosen = OfflineTriplets::mine(&subset, embeddings.view(), miner, &self.loss, triplets);
                let shape = self.recipe.batch;
                chosen.batches(shape.people * shape.faces + shape.negatives)?
            }
        };
        let batch = match batches.len() {
            // All that the subset can teach is known: a step without triplets, as happens online too.
            0 => OfflineBatch { images: self.sampler.batch(self.seed, self.step), triplets: Vec::new() },
            count => batches[position % count].clone(),
        };
        self.offline_round = Some((round, batches));
        Ok(batch)
    }

    /// Varies the pictures and passes them through the network; the embeddings stay in the workspace.
    fn embed_batch(&mut self, pictures: &[usize]) {
        let (_, height, width, colours) = self.faces.dim();
        let shape = (pictures.len(), height, width, colours);
        let mut batch = shaped(&mut self.batch, shape);
        self.recipe.augmentation.augment_batch(self.faces, pictures, self.seed, self.step, batch.view_mut());
        let mut x = shaped(&mut self.x, shape);
        self.network.description().preprocessing.apply(batch.view(), x.view_mut());
        let mode = Mode::Train { seed: self.seed, step: self.step };
        self.network.forward(x.view(), mode, &mut self.workspace);
    }

    /// The network as it is now.
    #[must_use]
    pub fn network(&self) -> &Network<f32> {
        &self.network
    }

    /// An embedder of the network as it is now.
    #[must_use]
    pub fn embedder(&self) -> Embedder {
        Embedder::new(&self.network).expect("a recipe's network makes embeddings")
    }

    /// All that is needed to embed, and to go on; without a calibration, which would be that of a moment.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        let buffers = self.optimizer.state().into_iter().map(|(name, buffer)| (name.to_owned(), buffer.clone()));
        Checkpoint {
            description: self.network.description().clone(),
            parameters: self.network.parameters.clone(),
            statistics: self.network.statistics.clone(),
            calibration: None,
            training: Some(TrainingState {
                seed: self.seed,
                step: self.step,
                recipe: self.recipe.to_toml(),
                pictures: self.pictures.clone(),
                history: self.history.to_text(),
                buffers: buffers.collect(),
            }),
        }
    }
}

/// How many people have two pictures at least; 2 where there are fewer, of which the sampler then complains.
fn people_with_positives(identities: &[usize]) -> usize {
    let mut pictures = BTreeMap::<usize, usize>::new();
    identities.iter().for_each(|&identity| *pictures.entry(identity).or_default() += 1);
    pictures.values().filter(|&&pictures| pictures >= 2).count().max(2)
}

/// Memory as an array of a shape, whatever it holds; grows where needed.
fn shaped<T: Copy + Default, D: Dimension>(
    memory: &mut Vec<T>,
    shape: impl ShapeBuilder<Dim = D>,
) -> ArrayViewMut<'_, T, D> {
    let shape = shape.into_shape_with_order();
    memory.resize(shape.size(), T::default());
    ArrayViewMut::from_shape(shape, memory).expect("as long as the shape asks for")
}
