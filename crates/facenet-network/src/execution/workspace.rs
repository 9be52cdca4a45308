//! The memory of a trainable network's passes.

use facenet_tensor::{Scalar, Scratch};

use crate::execution::mode::Mode;
use crate::execution::slot_buffers::SlotBuffers;
use crate::parameters::Parameters;
use crate::plan::Plan;

/// Memory of forward and backward passes, to be reused: passes allocate nothing after the one with
/// the largest batch.
///
/// It has one buffer per slot of the plan for activations and, after the first backward pass, as
/// many buffers for gradients as are needed at the same time.
#[derive(Clone, Debug)]
pub struct Workspace<T> {
    pub(crate) activations: SlotBuffers<T>,
    pub(crate) gradients: SlotBuffers<T>,
    /// Means and variances of the last batch, in the layout of the network's running statistics.
    pub(crate) batch_statistics: Parameters<T>,
    pub(crate) mode: Mode,
    pub(crate) scratch: Scratch<T>,
}

impl<T: Scalar> Workspace<T> {
    /// A workspace for networks of this plan. Memory is allocated by the first pass.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        Self {
            activations: SlotBuffers::new(&plan.slots, (0..plan.slots.len()).collect()),
            gradients: SlotBuffers::new(&plan.slots, plan.gradients.buffers.clone()),
            batch_statistics: Parameters::zeros(plan.statistics()),
            mode: Mode::Eval,
            scratch: Scratch::default(),
        }
    }

    /// Whether the workspace was made for this plan.
    pub(crate) fn matches(&self, plan: &Plan) -> bool {
        self.activations.has_shapes(&plan.slots) && self.gradients.matches(&plan.slots, &plan.gradients.buffers)
    }

    /// Number of faces of the last forward pass.
    #[must_use]
    pub fn batch_size(&self) -> usize {
        self.activations.batch
    }
}
