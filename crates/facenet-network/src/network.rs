//! A network with its numbers: faces in, embeddings out, gradients back.

use facenet_tensor::{Accumulation, Scalar};
use ndarray::{ArrayView2, ArrayView4};

use crate::parameters::Parameters;
use crate::pass::on_a_worker;
use crate::plan::{INPUT, Operation, Place, Plan};
use crate::workspace::{Workspace, rows, rows_mut};
use crate::{Checkpoint, Description, Error, Initializer, pass};

/// Whether a pass is one of training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Batch normalisation by the batch's own mean and variance; dropout with masks keyed by both numbers.
    Train {
        /// The seed of the run.
        seed: u64,
        /// The step of training.
        step: u64,
    },
    /// Batch normalisation by the running statistics; no dropout: each embedding depends on its own face alone.
    Eval,
}

/// A description, its plan, and the numbers learned.
#[derive(Clone, Debug)]
pub struct Network<T> {
    description: Description,
    plan: Plan,
    /// The learned numbers.
    pub parameters: Parameters<T>,
    /// The running mean and variance of every batch normalisation.
    pub statistics: Parameters<T>,
}

impl Network<f32> {
    /// The network of a checkpoint, without what it says of training.
    ///
    /// # Errors
    ///
    /// If the description can't become a plan: see [`Plan::new`].
    ///
    /// # Panics
    ///
    /// If the numbers are those of another network.
    #[track_caller]
    pub fn from_checkpoint(checkpoint: Checkpoint) -> Result<Self, Error> {
        Self::with_parameters(checkpoint.description, checkpoint.parameters, checkpoint.statistics)
    }
}

impl<T: Scalar> Network<T> {
    /// A network with initial parameters drawn from a seed.
    ///
    /// # Errors
    ///
    /// If the description can't become a plan: see [`Plan::new`].
    pub fn new(description: Description, initializer: Initializer, seed: u64) -> Result<Self, Error> {
        let plan = Plan::new(&description)?;
        let parameters = initializer.initialize(plan.parameters(), seed);
        let statistics = initializer.initialize(plan.statistics(), seed);
        Ok(Self { description, plan, parameters, statistics })
    }

    /// A network with numbers from elsewhere.
    ///
    /// # Errors
    ///
    /// If the description can't become a plan: see [`Plan::new`].
    ///
    /// # Panics
    ///
    /// If the numbers are those of another network.
    #[track_caller]
    pub fn with_parameters(
        description: Description,
        parameters: Parameters<T>,
        statistics: Parameters<T>,
    ) -> Result<Self, Error> {
        let plan = Plan::new(&description)?;
        assert_eq!(parameters.table(), plan.parameters(), "the parameters are those of another network");
        assert_eq!(statistics.table(), plan.statistics(), "the statistics are those of another network");
        Ok(Self { description, plan, parameters, statistics })
    }

    /// What the network is.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Its operations in order.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The same network in the other number type.
    #[must_use]
    pub fn cast<U: Scalar>(&self) -> Network<U> {
        Network {
            description: self.description.clone(),
            plan: self.plan.clone(),
            parameters: self.parameters.cast(),
            statistics: self.statistics.cast(),
        }
    }

    /// The embeddings of faces, which stay in the workspace with all that the way back needs.
    ///
    /// # Shapes
    ///
    /// `x`: `[n, height, width, 3]`, preprocessed; the result `[n, dimension]`, rows of unit length. Of a network without
    /// embeddings a row is what the last layer puts out for a face, by rows, columns and channels.
    ///
    /// # Panics
    ///
    /// If the faces have another size, or the workspace belongs to another plan.
    #[track_caller]
    pub fn forward<'w>(&self, x: ArrayView4<'_, T>, mode: Mode, workspace: &'w mut Workspace<T>) -> ArrayView2<'w, T> {
        let [height, width] = self.plan.input();
        let (batch, rows_in, columns_in, colours) = x.dim();
        assert_eq!([rows_in, columns_in, colours], [height, width, 3], "faces {:?} of this network", x.shape());
        assert!(workspace.fits(&self.plan), "the workspace is that of another plan");
        workspace.mode = mode;
        workspace.activations.resize(batch);
        workspace.activations.view_mut(&Place { slot: INPUT, channels: 0..3 }).assign(&x);
        on_a_worker(|| {
            for operation in &self.plan.operations {
                pass::forward(operation, self, workspace);
            }
        });
        self.embeddings(workspace)
    }

    /// The embeddings of the last forward pass.
    ///
    /// # Panics
    ///
    /// If the workspace belongs to another plan.
    #[track_caller]
    #[must_use]
    pub fn embeddings<'w>(&self, workspace: &'w Workspace<T>) -> ArrayView2<'w, T> {
        assert!(workspace.fits(&self.plan), "the workspace is that of another plan");
        rows(workspace.activations.view(&self.plan.output))
    }

    /// Adds the gradients of the last forward pass to `gradients`, given that at the embeddings.
    ///
    /// # Shapes
    ///
    /// `dembeddings`: `[n, dimension]`, as the forward pass returned them.
    ///
    /// # Panics
    ///
    /// If the shapes disagree, or the gradients belong to another network.
    #[track_caller]
    pub fn backward(
        &self,
        dembeddings: ArrayView2<'_, T>,
        workspace: &mut Workspace<T>,
        gradients: &mut Parameters<T>,
    ) {
        assert!(workspace.fits(&self.plan), "the workspace is that of another plan");
        assert_eq!(gradients.table(), self.plan.parameters(), "the gradients are those of another network");
        let expected = [workspace.batch(), self.plan.dimension()];
        assert_eq!(dembeddings.shape(), expected, "the gradient at embeddings {expected:?}");
        workspace.gradients.resize(workspace.activations.batch);
        workspace.gradients.zero(self.plan.output.slot);
        rows_mut(workspace.gradients.view_mut(&self.plan.output)).assign(&dembeddings);
        on_a_worker(|| {
            for (operation, first) in self.plan.operations.iter().rev().zip(&self.plan.gradients.first_touched) {
                // Channels that this operation didn't write would keep what the memory held before.
                let whole = |x: &&Place| first.contains(&x.slot) && x.channels.len() == self.plan.slots[x.slot][2];
                let set: Vec<&Place> = operation.sets_gradients().into_iter().flatten().filter(whole).collect();
                let is_set = |slot: usize| set.iter().any(|place| place.slot == slot);
                first.iter().filter(|&&slot| !is_set(slot)).for_each(|&slot| workspace.gradients.zero(slot));
                let accumulation =
                    |place: &Place| if is_set(place.slot) { Accumulation::Set } else { Accumulation::Add };
                pass::backward(operation, self, &accumulation, workspace, gradients);
            }
        });
    }

    /// Moves the running statistics towards those of the last batch, which was a pass of training.
    ///
    /// ```text
    /// running = momentum * running + (1 - momentum) * batch        variances of the batch unbiased: * N / (N - 1)
    /// ```
    ///
    /// Source: Ioffe and Szegedy 2015, algorithm 2.
    ///
    /// # Panics
    ///
    /// If the workspace belongs to another plan, or its last pass was not one of training.
    #[track_caller]
    pub fn update_statistics(&mut self, workspace: &Workspace<T>) {
        assert!(workspace.fits(&self.plan), "the workspace is that of another plan");
        assert!(workspace.mode != Mode::Eval, "the last pass was not one of training");
        let momentum = self.description.batch_norm.momentum;
        let mut blend = |entry: usize, factor: f64| {
            let batch = workspace.batch_statistics.entry(entry);
            for (running, &batch) in self.statistics.entry_mut(entry).iter_mut().zip(batch) {
                let value = momentum * Scalar::to_f64(*running) + (1.0 - momentum) * factor * Scalar::to_f64(batch);
                *running = T::from_f64(value);
            }
        };
        for operation in &self.plan.operations {
            if let Operation::BatchNorm { x, mean, variance, .. } = operation {
                let [height, width, _] = self.plan.slots[x.slot];
                let count = (workspace.batch() * height * width) as f64;
                blend(*mean, 1.0);
                blend(*variance, count / (count - 1.0).max(1.0));
            }
        }
    }
}
