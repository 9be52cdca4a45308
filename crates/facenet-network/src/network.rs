//! Trainable networks: faces in, embeddings out, gradients back.

use facenet_tensor::{Accumulation, Scalar};
use ndarray::{ArrayView2, ArrayView4};

use crate::description::Description;
use crate::error::Error;
use crate::execution::mode::Mode;
use crate::execution::pass::{self, NetworkState};
use crate::execution::slot_buffers::{flatten, flatten_mut};
use crate::execution::thread_pool::run_in_pool;
use crate::execution::workspace::Workspace;
use crate::initializer::Initializer;
use crate::parameters::Parameters;
use crate::plan::Plan;
use crate::plan::operation::{ChannelSlice, INPUT, Operation};

/// A trainable network: description, plan, parameters and running statistics.
#[derive(Clone, Debug)]
pub struct Network<T> {
    description: Description,
    plan: Plan,
    /// Learned parameters.
    pub parameters: Parameters<T>,
    /// Running means and variances of all batch normalizations.
    pub statistics: Parameters<T>,
}

impl<T: Scalar> Network<T> {
    /// A network with randomly initialized parameters.
    ///
    /// # Errors
    ///
    /// If the description cannot be resolved: see [`Plan::new`].
    pub fn new(description: Description, initializer: Initializer, seed: u64) -> Result<Self, Error> {
        let plan = Plan::new(&description)?;
        let parameters = initializer.initialize(plan.parameters(), seed);
        let statistics = initializer.initialize(plan.statistics(), seed);
        Ok(Self { description, plan, parameters, statistics })
    }

    /// A network with the given parameters and running statistics.
    ///
    /// # Errors
    ///
    /// If the description cannot be resolved: see [`Plan::new`].
    ///
    /// # Panics
    ///
    /// If the tables of parameters or statistics are not those of the description.
    #[track_caller]
    pub fn with_parameters(
        description: Description,
        parameters: Parameters<T>,
        statistics: Parameters<T>,
    ) -> Result<Self, Error> {
        let plan = Plan::new(&description)?;
        assert_eq!(parameters.table(), plan.parameters(), "parameters of another network");
        assert_eq!(statistics.table(), plan.statistics(), "statistics of another network");
        Ok(Self { description, plan, parameters, statistics })
    }

    /// The same network for inputs of another size: see [`Description::with_input`].
    ///
    /// # Errors
    ///
    /// [`Error::FixedInputSize`] if parameters depend on the size; as [`Plan::new`].
    pub fn with_input(&self, size: [usize; 2]) -> Result<Self, Error> {
        let description = self.description.clone().with_input(size);
        let plan = Plan::new(&description)?;
        if plan.parameters() != self.plan.parameters() {
            let (network, size) = (description.name, self.description.input);
            return Err(Error::FixedInputSize { network, size });
        }
        Ok(Self { description, plan, parameters: self.parameters.clone(), statistics: self.statistics.clone() })
    }

    /// The description that the network was built from.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The operations and shapes of the network.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The same network in another scalar type.
    #[must_use]
    pub fn cast<U: Scalar>(&self) -> Network<U> {
        Network {
            description: self.description.clone(),
            plan: self.plan.clone(),
            parameters: self.parameters.cast(),
            statistics: self.statistics.cast(),
        }
    }

    /// Computes embeddings. They stay in the workspace together with the activations that
    /// [`Network::backward`] needs.
    ///
    /// # Shapes
    ///
    /// `x`: `[n, height, width, 3]`, preprocessed. Result: `[n, dimension]`, rows of unit length.
    /// For networks without embeddings, a row is the output of the last layer for one face, in
    /// `[height, width, channels]` order.
    ///
    /// # Panics
    ///
    /// If the faces have the wrong size, or the workspace was made for another plan.
    #[track_caller]
    pub fn forward<'w>(&self, x: ArrayView4<'_, T>, mode: Mode, workspace: &'w mut Workspace<T>) -> ArrayView2<'w, T> {
        let [height, width] = self.plan.input_size();
        let (batch, x_height, x_width, channels) = x.dim();
        assert_eq!([x_height, x_width, channels], [height, width, 3], "input {:?} of another size", x.shape());
        assert!(workspace.matches(&self.plan), "the workspace was made for another plan");
        workspace.mode = mode;
        workspace.activations.resize(batch);
        workspace.activations.view_mut(&ChannelSlice { slot: INPUT, channels: 0..3 }).assign(&x);
        run_in_pool(|| {
            for operation in &self.plan.operations {
                pass::forward(operation, self.state(), workspace);
            }
        });
        self.embeddings(workspace)
    }

    /// The embeddings of the last forward pass.
    ///
    /// # Panics
    ///
    /// If the workspace was made for another plan.
    #[track_caller]
    #[must_use]
    pub fn embeddings<'w>(&self, workspace: &'w Workspace<T>) -> ArrayView2<'w, T> {
        assert!(workspace.matches(&self.plan), "the workspace was made for another plan");
        flatten(workspace.activations.view(&self.plan.output))
    }

    /// Adds the gradients at the parameters to `gradients`, given the gradient at the embeddings of
    /// the last forward pass.
    ///
    /// # Shapes
    ///
    /// `dembeddings`: `[n, dimension]`, as returned by the forward pass.
    ///
    /// # Panics
    ///
    /// If the shapes differ, the workspace was made for another plan, or the gradients belong to
    /// another network.
    #[track_caller]
    pub fn backward(
        &self,
        dembeddings: ArrayView2<'_, T>,
        workspace: &mut Workspace<T>,
        gradients: &mut Parameters<T>,
    ) {
        assert!(workspace.matches(&self.plan), "the workspace was made for another plan");
        assert_eq!(gradients.table(), self.plan.parameters(), "gradients of another network");
        let expected = [workspace.batch_size(), self.plan.dimension()];
        assert_eq!(dembeddings.shape(), expected, "shape of the gradient at the embeddings");
        workspace.gradients.resize(workspace.activations.batch);
        workspace.gradients.zero(self.plan.output.slot);
        flatten_mut(workspace.gradients.view_mut(&self.plan.output)).assign(&dembeddings);
        run_in_pool(|| {
            for (operation, first) in self.plan.operations.iter().rev().zip(&self.plan.gradients.first_used) {
                // Only whole slots are overwritten: the other channels of a slice's slot would keep
                // stale values of the buffer.
                let whole =
                    |x: &&ChannelSlice| first.contains(&x.slot) && x.channels.len() == self.plan.slots[x.slot][2];
                let set: Vec<&ChannelSlice> =
                    operation.overwritable_gradients().into_iter().flatten().filter(whole).collect();
                let is_set = |slot: usize| set.iter().any(|slice| slice.slot == slot);
                first.iter().filter(|&&slot| !is_set(slot)).for_each(|&slot| workspace.gradients.zero(slot));
                let accumulation =
                    |slice: &ChannelSlice| if is_set(slice.slot) { Accumulation::Set } else { Accumulation::Add };
                pass::backward(operation, self.state(), &accumulation, workspace, gradients);
            }
        });
    }

    /// Updates the running statistics with those of the last batch, which must have been a training
    /// pass.
    ///
    /// ```text
    /// running = momentum * running + (1 - momentum) * batch
    /// ```
    ///
    /// Variances of the batch are unbiased: `* N / (N - 1)`.
    ///
    /// Source: Ioffe and Szegedy 2015, algorithm 2.
    ///
    /// # Panics
    ///
    /// If the workspace was made for another plan, or its last pass was not a training pass.
    #[track_caller]
    pub fn update_statistics(&mut self, workspace: &Workspace<T>) {
        assert!(workspace.matches(&self.plan), "the workspace was made for another plan");
        assert!(workspace.mode != Mode::Eval, "the last pass was not a training pass");
        let momentum = self.description.batch_norm.momentum;
        let mut update = |entry: usize, factor: f64| {
            let batch = workspace.batch_statistics.entry(entry);
            for (running, &batch) in self.statistics.entry_mut(entry).iter_mut().zip(batch) {
                let value = momentum * Scalar::to_f64(*running) + (1.0 - momentum) * factor * Scalar::to_f64(batch);
                *running = T::from_f64(value);
            }
        };
        for operation in &self.plan.operations {
            if let Operation::BatchNorm { x, mean, variance, .. } = operation {
                let [height, width, _] = self.plan.slots[x.slot];
                let count = (workspace.batch_size() * height * width) as f64;
                update(*mean, 1.0);
                update(*variance, count / (count - 1.0).max(1.0));
            }
        }
    }

    fn state(&self) -> NetworkState<'_, T> {
        NetworkState { parameters: &self.parameters, statistics: &self.statistics, epsilon: self.plan.epsilon }
    }
}
