//! Networks for inference.

use facenet_tensor::{AlignedVec, Scalar, channels, gated_sum, prelu_forward};
use ndarray::{ArrayView2, ArrayView4, ArrayViewMut2, Axis};

use crate::description::Description;
use crate::execution::pass::forward_without_parameters;
use crate::execution::slot_buffers::{SlotBuffers, flatten, flatten_mut};
use crate::execution::thread_pool::run_in_pool;
use crate::frozen::fusion::freeze;
use crate::frozen::operation::FrozenOperation;
use crate::frozen::separable::join_separable;
use crate::frozen::siblings::join_siblings;
use crate::network::Network;
use crate::plan::PlannedOutput;
use crate::plan::buffer_assignment::BufferAssignment;
use crate::plan::operation::{ChannelSlice, INPUT};

/// A network for inference. Its embeddings are those of [`Mode::Eval`](crate::Mode::Eval) up to
/// rounding.
///
/// With running statistics, batch normalization is a factor and a shift per channel. Both are
/// folded into the preceding convolution or fully connected layer:
///
/// ```text
/// factor = scale / sqrt(variance + epsilon)
/// weight' = weight * factor
/// bias' = shift - mean * factor
/// ```
///
/// Biases and activations are fused into convolutions, and weights are packed once. 1x1 convolutions
/// are joined with the depthwise convolutions that follow them. Activations that are not needed at
/// the same time share memory.
#[derive(Clone, Debug)]
pub struct FrozenNetwork<T> {
    description: Description,
    operations: Vec<FrozenOperation<T>>,
    /// Indices into the plan's layer costs of the layers that each operation belongs to.
    operation_layers: Vec<Vec<usize>>,
    /// Height, width and channels of each slot.
    slots: Vec<[usize; 3]>,
    /// The buffer of each slot.
    buffers: Vec<usize>,
    output: ChannelSlice,
    outputs: Vec<PlannedOutput>,
    /// Number of operations that read the input.
    input_readers: usize,
    /// Largest number of faces that pass through all operations together.
    chunk: usize,
}

/// Smallest and largest chunk of a batch that passes through all operations together. With smaller
/// chunks more activations stay in the cache; with larger ones weights are read less often.
const CHUNK: [usize; 2] = [4, 8];

/// Memory of a frozen network's forward passes, to be reused: passes allocate nothing after the one
/// with the largest batch.
#[derive(Clone, Debug)]
pub struct FrozenWorkspace<T> {
    /// Activations of one chunk of the batch.
    activations: SlotBuffers<T>,
    /// Embeddings of the whole batch.
    embeddings: AlignedVec<T>,
}

impl<T: Scalar> FrozenNetwork<T> {
    /// Freezes a network with its current parameters and running statistics.
    #[must_use]
    pub fn new(network: &Network<T>) -> Self {
        let plan = network.plan();
        let (mut operations, mut operation_layers) = (Vec::new(), Vec::new());
        let mut rest = plan.operations.iter().peekable();
        while let Some(operation) = rest.next() {
            operation_layers.push(vec![plan.operation_layers[plan.operations.len() - rest.len() - 1]]);
            operations.push(freeze(network, operation, &mut rest));
        }
        join_siblings(&mut operations, &mut operation_layers);
        let output = plan.output.clone();
        join_separable(&mut operations, &mut operation_layers, output.slot);
        let mut slots = plan.slots.clone();
        let used: Vec<Vec<usize>> = operations.iter().map(FrozenOperation::slots).collect();
        let BufferAssignment { buffers, .. } = BufferAssignment::new(&used, &slots, INPUT, Some(output.slot));
        for (slot, shape) in slots.iter_mut().enumerate() {
            if slot != INPUT && used.iter().all(|used| !used.contains(&slot)) {
                *shape = [0; 3];
            }
        }
        let input_readers = used.iter().filter(|used| used.contains(&INPUT)).count();
        let [min, max] = CHUNK;
        let weights = network.parameters.table().len();
        let chunk = (weights / activation_count(&slots, &buffers).max(1)).clamp(min, max);
        Self {
            description: network.description().clone(),
            operations,
            operation_layers,
            slots,
            buffers,
            output,
            outputs: plan.outputs().to_vec(),
            input_readers,
            chunk,
        }
    }

    /// The description that the network was built from.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The named outputs, as ranges of a row of [`FrozenNetwork::forward`]'s result; empty for a network with a
    /// single output.
    #[must_use]
    pub fn outputs(&self) -> &[PlannedOutput] {
        &self.outputs
    }

    /// A workspace for this network. Memory is allocated by the first pass.
    #[must_use]
    pub fn workspace(&self) -> FrozenWorkspace<T> {
        let activations = SlotBuffers::new(&self.slots, self.buffers.clone());
        FrozenWorkspace { activations, embeddings: AlignedVec::zeros(0) }
    }

    /// Elements of all activation buffers, per face.
    #[must_use]
    pub fn activation_count(&self) -> usize {
        activation_count(&self.slots, &self.buffers)
    }

    /// Computes embeddings.
    ///
    /// # Shapes
    ///
    /// `x`: `[n, height, width, 3]`, preprocessed. Result: `[n, dimension]`, rows of unit length,
    /// or the flattened outputs of the last layer for networks without embeddings.
    ///
    /// # Panics
    ///
    /// If the faces have the wrong size, or the workspace was made for another network.
    #[track_caller]
    pub fn forward<'w>(&self, x: ArrayView4<'_, T>, workspace: &'w mut FrozenWorkspace<T>) -> ArrayView2<'w, T> {
        self.forward_observed(x, workspace, &mut |_| ())
    }

    /// [`FrozenNetwork::forward`] for profiling: calls `observer` after each operation on each
    /// chunk of the batch, with the indices of its layers in
    /// [`Plan::layer_costs`](crate::Plan::layer_costs).
    ///
    /// # Panics
    ///
    /// As [`FrozenNetwork::forward`].
    #[track_caller]
    pub fn forward_observed<'w>(
        &self,
        x: ArrayView4<'_, T>,
        workspace: &'w mut FrozenWorkspace<T>,
        observer: &mut (dyn FnMut(&[usize]) + Send),
    ) -> ArrayView2<'w, T> {
        let FrozenWorkspace { activations, embeddings } = workspace;
        let [height, width] = self.description.input;
        let (batch, x_height, x_width, channels) = x.dim();
        assert_eq!([x_height, x_width, channels], [height, width, 3], "input {:?} of another size", x.shape());
        assert!(activations.matches(&self.slots, &self.buffers), "the workspace was made for another network");
        let [height, width, _] = self.slots[self.output.slot];
        let dimension = height * width * self.output.channels.len();
        embeddings.grow(batch * dimension);
        let embeddings = ArrayViewMut2::from_shape((batch, dimension), &mut embeddings[..batch * dimension]);
        let mut embeddings = embeddings.expect("the buffer has grown to the batch");
        let chunk = batch.div_ceil(batch.div_ceil(self.chunk).max(1)).max(1);
        run_in_pool(|| {
            for (x, mut embeddings) in
                x.axis_chunks_iter(Axis(0), chunk).zip(embeddings.axis_chunks_iter_mut(Axis(0), chunk))
            {
                activations.resize(x.len_of(Axis(0)));
                let done = self.run_on_input(x.view(), activations, observer);
                self.run(done, activations, observer);
                embeddings.assign(&flatten(activations.view(&self.output)));
            }
        });
        ArrayView2::from_shape((batch, dimension), &workspace.embeddings[..batch * dimension])
            .expect("the buffer has grown to the batch")
    }

    /// Runs the first operation on the input where it lies, if that is a convolution and the only operation that
    /// reads the input; else copies the input. Returns the number of operations that ran.
    fn run_on_input(
        &self,
        x: ArrayView4<'_, T>,
        activations: &mut SlotBuffers<T>,
        observer: &mut dyn FnMut(&[usize]),
    ) -> usize {
        match self.operations.first() {
            Some(FrozenOperation::Convolution { x: read, y, residual: None, kernel })
                if read.slot == INPUT && self.input_readers == 1 && x.strides()[3] == 1 =>
            {
                kernel.forward(channels(x, read.channels.clone()), activations.view_mut(y));
                observer(&self.operation_layers[0]);
                1
            }
            _ => {
                activations.view_mut(&ChannelSlice { slot: INPUT, channels: 0..3 }).assign(&x);
                0
            }
        }
    }

    /// Runs the operations from `first` on.
    fn run(&self, first: usize, activations: &mut SlotBuffers<T>, observer: &mut dyn FnMut(&[usize])) {
        for (operation, layers) in self.operations.iter().zip(&self.operation_layers).skip(first) {
            match operation {
                FrozenOperation::Convolution { x, y, residual: None, kernel } => {
                    let (x, y) = activations.read_write(x, y);
                    kernel.forward(x, y);
                }
                FrozenOperation::Convolution { x, y, residual: Some(residual), kernel } => {
                    let ([x, residual], y) = activations.disjoint([x, residual], y);
                    kernel.forward_residual(x, residual, y);
                }
                FrozenOperation::Siblings { x, outputs, kernel } => {
                    let (x, outputs) = activations.read_write_all(x, outputs);
                    kernel.forward_joined(x, outputs);
                }
                FrozenOperation::Linear { x, y, kernel } => {
                    let (x, y) = activations.read_write(x, y);
                    // A 1x1 convolution over one image whose pixels are the faces.
                    let (x, y) = (flatten(x).insert_axis(Axis(0)), flatten_mut(y).insert_axis(Axis(0)));
                    kernel.forward(x.insert_axis(Axis(0)), y.insert_axis(Axis(0)));
                }
                FrozenOperation::Depthwise { x, y, kernel } => {
                    let (x, y) = activations.read_write(x, y);
                    kernel.forward(x, y);
                }
                FrozenOperation::Separable { x, y, kernel } => {
                    let (x, y) = activations.read_write(x, y);
                    kernel.forward(x, y);
                }
                FrozenOperation::GatedSum { x, gate, scale, residual, y } => {
                    let ([x, gate, residual], y) = activations.disjoint([x, gate, residual], y);
                    gated_sum(x, flatten(gate), *scale, residual, y);
                }
                FrozenOperation::PRelu { x, y, slope } => {
                    let (x, y) = activations.read_write(x, y);
                    prelu_forward(x, slope.view(), y);
                }
                FrozenOperation::WithoutParameters(operation) => forward_without_parameters(operation, activations),
            }
            observer(layers);
        }
    }
}

/// Elements of all buffers, each as large as the largest of its slots.
fn activation_count(slots: &[[usize; 3]], buffers: &[usize]) -> usize {
    let mut sizes = vec![0; buffers.iter().max().map_or(0, |last| last + 1)];
    for (shape, &buffer) in slots.iter().zip(buffers) {
        sizes[buffer] = sizes[buffer].max(shape.iter().product());
    }
    sizes.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::initializer::Initializer;
    use crate::networks::{NETWORKS, built_in};

    #[test]
    fn slots_in_use_at_the_same_time_have_different_buffers() {
        for name in NETWORKS.iter().filter(|name| **name != "nn1") {
            let network: Network<f32> = Network::new(built_in(name).unwrap(), Initializer::HeNormal, 1).unwrap();
            let frozen = FrozenNetwork::new(&network);
            // The slot whose contents each buffer holds.
            let mut held = vec![None; frozen.slots.len()];
            held[frozen.buffers[INPUT]] = Some(INPUT);
            for (index, operation) in frozen.operations.iter().enumerate() {
                for slot in operation.slots() {
                    let buffer = frozen.buffers[slot];
                    if let Some(other) = held[buffer].replace(slot).filter(|&other| other != slot) {
                        let later = &frozen.operations[index..];
                        let needed = later.iter().any(|operation| operation.slots().contains(&other));
                        assert!(!needed && other != frozen.output.slot, "{name}: {slot} writes over {other}");
                    }
                }
            }
        }
    }
}
