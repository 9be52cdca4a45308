//! One step of gradient descent on the triplet loss.

use facenet_neighbors::PreparedRows;
use facenet_network::{Mode, Network, Optimizer, OptimizerConfig, Parameters, Workspace};
use facenet_triplet::{BatchLoss, LossStatistics, TripletLoss};
use ndarray::ArrayView4;

use crate::error::Error;
use crate::memory::shaped;

/// A network with its optimizer, its loss and the buffers that steps reuse.
/// [`Trainer`](crate::Trainer) decides which batches it sees.
pub struct Learner {
    network: Network<f32>,
    optimizer: Box<dyn Optimizer<f32>>,
    loss: TripletLoss<f32>,
    workspace: Workspace<f32>,
    gradients: Parameters<f32>,
    squared_distances: Vec<f32>,
    dembeddings: Vec<f32>,
}

/// The inputs of a step other than the batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepOptions {
    /// Seed of random layers (dropout).
    pub seed: u64,
    /// Step, from 0.
    pub step: u64,
    /// The learning rate.
    pub learning_rate: f64,
    /// Gradients of a larger norm are scaled down to this norm.
    pub clip_norm: Option<f64>,
}

/// The result of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepOutcome {
    /// The loss and statistics of its triplets.
    pub loss: LossStatistics,
    /// Norm of the gradient before clipping.
    pub gradient_norm: f64,
}

impl Learner {
    /// A learner that starts from the network's present parameters.
    #[must_use]
    pub fn new(network: Network<f32>, optimizer: OptimizerConfig, loss: TripletLoss<f32>) -> Self {
        let table = network.plan().parameters();
        Self {
            optimizer: optimizer.build(table),
            workspace: Workspace::new(network.plan()),
            gradients: Parameters::zeros(table),
            squared_distances: Vec::new(),
            dembeddings: Vec::new(),
            loss,
            network,
        }
    }

    /// The network in its current state.
    #[must_use]
    pub fn network(&self) -> &Network<f32> {
        &self.network
    }

    /// The loss.
    #[must_use]
    pub fn loss(&self) -> &TripletLoss<f32> {
        &self.loss
    }

    /// The optimizer's buffers.
    #[must_use]
    pub fn optimizer(&self) -> &dyn Optimizer<f32> {
        self.optimizer.as_ref()
    }

    /// The optimizer's buffers, for restoring a checkpoint.
    pub fn optimizer_mut(&mut self) -> &mut dyn Optimizer<f32> {
        self.optimizer.as_mut()
    }

    /// Forward pass, triplets, loss, backward pass, update.
    ///
    /// # Shapes
    ///
    /// `x`: `[n, height, width, 3]`, preprocessed. `choose` adds triplets of its rows.
    ///
    /// # Errors
    ///
    /// [`Error::Diverged`] if the loss or the gradient is not finite; the parameters are unchanged
    /// then.
    pub fn step(
        &mut self,
        x: ArrayView4<'_, f32>,
        options: StepOptions,
        choose: impl FnOnce(&mut BatchLoss<'_, f32>),
    ) -> Result<StepOutcome, Error> {
        let StepOptions { seed, step, learning_rate, clip_norm } = options;
        let embeddings = self.network.forward(x, Mode::Train { seed, step }, &mut self.workspace);

        let n = embeddings.nrows();
        let mut squared_distances = shaped(&mut self.squared_distances, (n, n));
        let rows = PreparedRows::new(embeddings).map_err(|_| Error::Diverged { step })?;
        rows.pairwise_squared_distances_into(squared_distances.view_mut());
        let mut loss = self.loss.begin(squared_distances.view());
        choose(&mut loss);
        let mut dembeddings = shaped(&mut self.dembeddings, embeddings.raw_dim());
        let loss = loss.backward(embeddings, dembeddings.view_mut());
        if !(loss.loss.is_finite() && loss.mean_squared_distance.is_finite()) {
            return Err(Error::Diverged { step });
        }

        self.gradients.clear();
        self.network.backward(dembeddings.view(), &mut self.workspace, &mut self.gradients);
        let gradient_norm = match clip_norm {
            Some(limit) => self.gradients.clip_norm(limit),
            None => self.gradients.norm(),
        };
        if !gradient_norm.is_finite() {
            return Err(Error::Diverged { step });
        }
        self.optimizer.update(&mut self.network.parameters, &self.gradients, learning_rate, step);
        self.network.update_statistics(&self.workspace);
        Ok(StepOutcome { loss, gradient_norm })
    }
}
