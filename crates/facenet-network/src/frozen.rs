//! A network for inference alone: normalisation folded into weights, activations fused into products.

use std::iter::Peekable;
use std::slice::Iter;

use facenet_tensor::{
    AlignedVec, FusedActivation, PackedConvolution, PackedDepthwise, Scalar, Window, gated_sum, prelu_forward,
};
use ndarray::{
    Array, Array1, ArrayView1, ArrayView2, ArrayView4, ArrayViewMut2, Axis, Dimension, Ix1, Ix2, Ix3, Ix4, Zip,
};

use crate::pass::{forward_without_parameters, on_a_worker};
use crate::plan::{INPUT, Operation, Place};
use crate::sharing::Sharing;
use crate::workspace::{Slots, rows, rows_mut};
use crate::{Description, Network};

/// A network that only embeds. It gives the embeddings of [`Mode::Eval`](crate::Mode::Eval), up to rounding.
///
/// Batch normalisation by running statistics is a factor and a shift per channel: both go into the product before it,
///
/// ```text
/// factor = scale / sqrt(variance + epsilon)      weight' = weight * factor      bias' = shift - mean * factor
/// ```
///
/// biases and activations are applied before the product is written, and weights are packed once. Activations that are
/// not needed at the same time share memory.
#[derive(Clone, Debug)]
pub struct FrozenNetwork<T> {
    description: Description,
    operations: Vec<FrozenOperation<T>>,
    /// The rows of each operation in the plan's table.
    operation_rows: Vec<Vec<usize>>,
    /// Height, width and channels of each slot.
    slots: Vec<[usize; 3]>,
    /// The buffer of each slot.
    buffers: Vec<usize>,
    output: Place,
    /// The most faces that pass through all operations together.
    part: usize,
}

/// An operation of the plan, with all that follows a product in one with it.
#[derive(Clone, Debug)]
enum FrozenOperation<T> {
    Convolution {
        x: Place,
        y: Place,
        /// What is added before the activation.
        residual: Option<Place>,
        product: PackedConvolution<T>,
    },
    /// Convolutions that read one place.
    Siblings {
        x: Place,
        outputs: Vec<Place>,
        product: PackedConvolution<T>,
    },
    Linear {
        x: Place,
        y: Place,
        product: PackedConvolution<T>,
    },
    Depthwise {
        x: Place,
        y: Place,
        product: PackedDepthwise<T>,
    },
    /// The end of a residual block whose branch is gated.
    GatedSum {
        x: Place,
        gate: Place,
        scale: T,
        residual: Place,
        y: Place,
    },
    /// One that follows no product.
    PRelu {
        x: Place,
        y: Place,
        slope: Array1<T>,
    },
    WithoutParameters(Operation),
}

/// Fewest and most faces that pass through all operations together, where there are so many. With fewer, more of what lies between
/// operations stays in the cache; with more, weights are read less often.
const PART: [usize; 2] = [4, 8];

/// The memory of a frozen network's passes: reused, it allocates nothing after the largest batch.
#[derive(Clone, Debug)]
pub struct FrozenWorkspace<T> {
    /// Of a part of the batch.
    activations: Slots<T>,
    /// Of the whole batch.
    embeddings: AlignedVec<T>,
}

impl<T: Scalar> FrozenNetwork<T> {
    /// Freezes a network as it is.
    #[must_use]
    pub fn new(network: &Network<T>) -> Self {
        let plan = network.plan();
        let (mut operations, mut operation_rows) = (Vec::new(), Vec::new());
        let mut rest = plan.operations.iter().peekable();
        while let Some(operation) = rest.next() {
            operation_rows.push(vec![plan.operation_rows[plan.operations.len() - rest.len() - 1]]);
            operations.push(freeze(network, operation, &mut rest));
        }
        join_siblings(&mut operations, &mut operation_rows);
        let output = plan.output.clone();
        let mut slots = plan.slots.clone();
        let touched: Vec<Vec<usize>> = operations.iter().map(FrozenOperation::slots).collect();
        let Sharing { buffers, .. } = Sharing::new(&touched, &slots, INPUT, Some(output.slot));
        for (slot, shape) in slots.iter_mut().enumerate() {
            if slot != INPUT && touched.iter().all(|touched| !touched.contains(&slot)) {
                *shape = [0; 3];
            }
        }
        let [fewest, most] = PART;
        let weights = network.parameters.table().len();
        let part = (weights / activations(&slots, &buffers).max(1)).clamp(fewest, most);
        Self { description: network.description().clone(), operations, operation_rows, slots, buffers, output, part }
    }

    /// What the network is.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Memory for its passes; grows with the first.
    #[must_use]
    pub fn workspace(&self) -> FrozenWorkspace<T> {
        let activations = Slots::sharing(&self.slots, self.buffers.clone());
        FrozenWorkspace { activations, embeddings: AlignedVec::zeros(0) }
    }

    /// Numbers between the layers that are kept at the same time, per face.
    #[must_use]
    pub fn activations(&self) -> usize {
        activations(&self.slots, &self.buffers)
    }

    /// The embeddings of faces.
    ///
    /// # Shapes
    ///
    /// `x`: `[n, height, width, 3]`, preprocessed; the result `[n, dimension]`, rows of unit length, or what the last layer
    /// puts out if the network makes no embeddings.
    ///
    /// # Panics
    ///
    /// If the faces have another size, or the workspace is that of another network.
    #[track_caller]
    pub fn forward<'w>(&self, x: ArrayView4<'_, T>, workspace: &'w mut FrozenWorkspace<T>) -> ArrayView2<'w, T> {
        self.forward_observed(x, workspace, &mut |_| ())
    }

    /// The same; `done` is told, after each operation on each part of the faces, the numbers of its rows in
    /// [`Plan::rows`](crate::Plan::rows), to find out where time goes.
    ///
    /// # Panics
    ///
    /// As [`FrozenNetwork::forward`].
    #[track_caller]
    pub fn forward_observed<'w>(
        &self,
        x: ArrayView4<'_, T>,
        workspace: &'w mut FrozenWorkspace<T>,
        done: &mut (dyn FnMut(&[usize]) + Send),
    ) -> ArrayView2<'w, T> {
        let FrozenWorkspace { activations, embeddings } = workspace;
        let [height, width] = self.description.input;
        let (batch, rows_in, columns_in, colours) = x.dim();
        assert_eq!([rows_in, columns_in, colours], [height, width, 3], "faces {:?} of this network", x.shape());
        assert!(activations.fit(&self.slots, &self.buffers), "the workspace is that of another network");
        let [height, width, _] = self.slots[self.output.slot];
        let dimension = height * width * self.output.channels.len();
        embeddings.grow(batch * dimension);
        let embeddings = ArrayViewMut2::from_shape((batch, dimension), &mut embeddings[..batch * dimension]);
        let mut embeddings = embeddings.expect("as many numbers as were made room for");
        let part = batch.div_ceil(batch.div_ceil(self.part).max(1)).max(1);
        on_a_worker(|| {
            for (x, mut embeddings) in
                x.axis_chunks_iter(Axis(0), part).zip(embeddings.axis_chunks_iter_mut(Axis(0), part))
            {
                activations.resize(x.len_of(Axis(0)));
                activations.view_mut(&Place { slot: INPUT, channels: 0..3 }).assign(&x);
                self.run(activations, done);
                embeddings.assign(&rows(activations.view(&self.output)));
            }
        });
        ArrayView2::from_shape((batch, dimension), &workspace.embeddings[..batch * dimension])
            .expect("as many numbers as were made room for")
    }

    fn run(&self, activations: &mut Slots<T>, done: &mut dyn FnMut(&[usize])) {
        for (operation, rows_of_operation) in self.operations.iter().zip(&self.operation_rows) {
            match operation {
                FrozenOperation::Convolution { x, y, residual: None, product } => {
                    let (x, y) = activations.read_write(x, y);
                    product.forward(x, y);
                }
                FrozenOperation::Convolution { x, y, residual: Some(residual), product } => {
                    let ([x, residual], y) = activations.disjoint([x, residual], y);
                    product.forward_residual(x, residual, y);
                }
                FrozenOperation::Siblings { x, outputs, product } => {
                    let (x, outputs) = activations.read_write_all(x, outputs);
                    product.forward_joined(x, outputs);
                }
                FrozenOperation::Linear { x, y, product } => {
                    let (x, y) = activations.read_write(x, y);
                    // All faces as the pixels of one image.
                    let (x, y) = (rows(x).insert_axis(Axis(0)), rows_mut(y).insert_axis(Axis(0)));
                    product.forward(x.insert_axis(Axis(0)), y.insert_axis(Axis(0)));
                }
                FrozenOperation::Depthwise { x, y, product } => {
                    let (x, y) = activations.read_write(x, y);
                    product.forward(x, y);
                }
                FrozenOperation::GatedSum { x, gate, scale, residual, y } => {
                    let ([x, gate, residual], y) = activations.disjoint([x, gate, residual], y);
                    gated_sum(x, rows(gate), *scale, residual, y);
                }
                FrozenOperation::PRelu { x, y, slope } => {
                    let (x, y) = activations.read_write(x, y);
                    prelu_forward(x, slope.view(), y);
                }
                FrozenOperation::WithoutParameters(operation) => forward_without_parameters(operation, activations),
            }
            done(rows_of_operation);
        }
    }
}

/// Numbers in all buffers, each as large as the largest of its slots.
fn activations(slots: &[[usize; 3]], buffers: &[usize]) -> usize {
    let mut sizes = vec![0; buffers.iter().max().map_or(0, |last| last + 1)];
    for (shape, &buffer) in slots.iter().zip(buffers) {
        sizes[buffer] = sizes[buffer].max(shape.iter().product());
    }
    sizes.iter().sum()
}

impl<T> FrozenOperation<T> {
    /// Where it reads and writes.
    fn places(&self) -> Vec<Place> {
        match self {
            Self::Convolution { x, y, residual, .. } => {
                [Some(x), residual.as_ref(), Some(y)].into_iter().flatten().cloned().collect()
            }
            Self::Siblings { x, outputs, .. } => std::iter::once(x).chain(outputs).cloned().collect(),
            Self::GatedSum { x, gate, residual, y, .. } => [x, gate, residual, y].into_iter().cloned().collect(),
            Self::Linear { x, y, .. } | Self::Depthwise { x, y, .. } | Self::PRelu { x, y, .. } => {
                vec![x.clone(), y.clone()]
            }
            Self::WithoutParameters(operation) => operation.places(),
        }
    }

    /// Where it writes.
    fn outputs(&self) -> Vec<Place> {
        match self {
            Self::Siblings { outputs, .. } => outputs.clone(),
            other => other.places().split_off(other.places().len() - 1),
        }
    }

    /// The slots that it reads or writes.
    fn slots(&self) -> Vec<usize> {
        self.places().iter().map(|place| place.slot).collect()
    }
}

/// Joins convolutions that read one place where nothing between them stands in the way, so that it is read once.
fn join_siblings<T: Scalar>(operations: &mut Vec<FrozenOperation<T>>, operation_rows: &mut Vec<Vec<usize>>) {
    let mut index = 0;
    while index < operations.len() {
        let mut siblings = vec![index];
        for later in index + 1..operations.len() {
            if are_siblings(operations, &siblings, later) {
                siblings.push(later);
            }
        }
        let parts = siblings.iter().filter_map(|&sibling| match &operations[sibling] {
            FrozenOperation::Convolution { x, y, residual: None, product } => Some((x, y, product)),
            _ => None,
        });
        let parts: Vec<_> = parts.collect();
        if let (2.., Some((x, ..))) = (parts.len(), parts.first()) {
            let products: Vec<_> = parts.iter().map(|(_, _, product)| *product).collect();
            let outputs = parts.iter().map(|(_, y, _)| (*y).clone()).collect();
            let product = PackedConvolution::join(&products);
            operations[index] = FrozenOperation::Siblings { x: (*x).clone(), outputs, product };
            for &sibling in siblings[1..].iter().rev() {
                operations.remove(sibling);
                let rows = operation_rows.remove(sibling);
                operation_rows[index].extend(rows);
            }
        }
        index += 1;
    }
}

/// Whether a later operation can be computed with some that were found to be siblings.
fn are_siblings<T: Scalar>(operations: &[FrozenOperation<T>], siblings: &[usize], later: usize) -> bool {
    let first = siblings[0];
    let FrozenOperation::Convolution { x, residual: None, product, .. } = &operations[first] else { return false };
    let FrozenOperation::Convolution { x: later_x, y, residual: None, product: later_product } = &operations[later]
    else {
        return false;
    };
    let overlap = |place: &Place| {
        place.slot == y.slot && place.channels.start < y.channels.end && y.channels.start < place.channels.end
    };
    let between = &operations[first + 1..later];
    let writes_x = |operation: &FrozenOperation<T>| operation.outputs().iter().any(|y| y.slot == x.slot);
    later_x == x
        && !siblings.iter().any(|&sibling| operations[sibling].slots().contains(&y.slot))
        && !between.iter().any(writes_x)
        && !between.iter().any(|operation| operation.places().iter().any(overlap))
        && product.can_join(later_product)
}

/// Makes one operation of a product, or of a gate, and what follows it, which is taken from `rest`.
fn freeze<T: Scalar>(
    network: &Network<T>,
    operation: &Operation,
    rest: &mut Peekable<Iter<'_, Operation>>,
) -> FrozenOperation<T> {
    match operation {
        Operation::Convolution { x, y, weight, window } => {
            let [height, width, _] = network.plan().slots[x.slot];
            let mut folded = Folded::<T, Ix4>::new(network, *weight, y, rest);
            let residual = folded.add_residual(network, x, rest);
            let Folded { weight, bias, activation, y } = folded;
            let product = PackedConvolution::new(weight.view(), bias.view(), activation, *window, [height, width]);
            FrozenOperation::Convolution { x: x.clone(), y, residual, product }
        }
        Operation::Linear { x, y, weight } => {
            let Folded { weight, bias, activation, y } = Folded::<T, Ix2>::new(network, *weight, y, rest);
            let weight = weight.insert_axis(Axis(0)).insert_axis(Axis(0));
            let window = Window::square(1, 1, 0);
            let product = PackedConvolution::new(weight.view(), bias.view(), activation, window, [1, 1]);
            FrozenOperation::Linear { x: x.clone(), y, product }
        }
        Operation::Depthwise { x, y, weight, window } => {
            let Folded { weight, bias, activation, y } = Folded::<T, Ix3>::new(network, *weight, y, rest);
            let product = PackedDepthwise::new(weight.view(), bias.view(), activation, *window);
            FrozenOperation::Depthwise { x: x.clone(), y, product }
        }
        Operation::ChannelScale { x, gate, y } => {
            let (residual, sum, scale) = match rest.peek() {
                Some(Operation::ScaledSum { x: residual, branch, y: sum, scale }) if branch == y => {
                    (residual.clone(), sum.clone(), T::from_f64(*scale))
                }
                _ => return FrozenOperation::WithoutParameters(operation.clone()),
            };
            rest.next();
            FrozenOperation::GatedSum { x: x.clone(), gate: gate.clone(), scale, residual, y: sum }
        }
        Operation::PRelu { x, y, slope } => {
            let slope = network.parameters.view(*slope).to_owned();
            FrozenOperation::PRelu { x: x.clone(), y: y.clone(), slope }
        }
        Operation::Dropout { x, y, .. } => FrozenOperation::WithoutParameters(Operation::copy(x.clone(), y.clone())),
        other => FrozenOperation::WithoutParameters(other.clone()),
    }
}

/// Takes the activation of a place out of what follows, and says where its result goes.
fn fused_activation<T: Scalar>(
    network: &Network<T>,
    place: Place,
    rest: &mut Peekable<Iter<'_, Operation>>,
) -> (FusedActivation<T>, Place) {
    let fused = match rest.peek() {
        Some(Operation::Relu { y }) if *y == place => (FusedActivation::Relu, place),
        Some(Operation::Sigmoid { y }) if *y == place => (FusedActivation::Sigmoid, place),
        Some(Operation::PRelu { x, y, slope }) if *x == place => {
            (FusedActivation::PRelu(network.parameters.entry(*slope).to_vec()), y.clone())
        }
        _ => return (FusedActivation::None, place),
    };
    rest.next();
    fused
}

/// A product's weights, with the bias and the activation that follow it, and where the result goes.
struct Folded<T, D> {
    weight: Array<T, D>,
    bias: Array1<T>,
    activation: FusedActivation<T>,
    y: Place,
}

impl<T: Scalar, D: Dimension> Folded<T, D> {
    fn new(network: &Network<T>, weight: usize, y: &Place, rest: &mut Peekable<Iter<'_, Operation>>) -> Self {
        let Network { parameters, statistics, .. } = network;
        let mut weight = parameters.view::<D>(weight).to_owned();
        let mut bias = Array1::zeros(y.channels.len());
        let mut activation = FusedActivation::None;
        let mut y = y.clone();
        match rest.peek() {
            Some(Operation::Bias { y: place, bias: entry }) if *place == y => {
                bias.assign(&parameters.view::<Ix1>(*entry));
                rest.next();
            }
            Some(Operation::BatchNorm { x, y: normalized, scale, shift, mean, variance, rectified }) if *x == y => {
                let [scale, shift] = [scale, shift].map(|&entry| parameters.view(entry));
                let [mean, variance] = [mean, variance].map(|&entry| statistics.view(entry));
                let factors = factors(scale, variance, network.plan().epsilon);
                for mut row in weight.rows_mut() {
                    Zip::from(&mut row).and(&factors).for_each(|weight, &factor| {
                        *weight = T::from_f64(Scalar::to_f64(*weight) * factor);
                    });
                }
                Zip::from(&mut bias).and(shift).and(mean).and(&factors).for_each(|bias, &shift, &mean, &factor| {
                    *bias = T::from_f64(Scalar::to_f64(shift) - Scalar::to_f64(mean) * factor);
                });
                if *rectified {
                    activation = FusedActivation::Relu;
                }
                y = normalized.clone();
                rest.next();
            }
            _ => {}
        }
        if activation == FusedActivation::None {
            (activation, y) = fused_activation(network, y, rest);
        }
        Self { weight, bias, activation, y }
    }
}

impl<T: Scalar> Folded<T, Ix4> {
    /// Takes a sum with the product's result, and the activation after it, in: `activation(scale * product + residual)`.
    fn add_residual(
        &mut self,
        network: &Network<T>,
        x: &Place,
        rest: &mut Peekable<Iter<'_, Operation>>,
    ) -> Option<Place> {
        let (residual, y, scale) = match rest.peek() {
            Some(Operation::ScaledSum { x: residual, branch, y, scale })
                if *branch == self.y && y.slot != x.slot && self.activation == FusedActivation::None =>
            {
                (residual.clone(), y.clone(), T::from_f64(*scale))
            }
            _ => return None,
        };
        rest.next();
        self.weight.mapv_inplace(|weight| weight * scale);
        self.bias.mapv_inplace(|bias| bias * scale);
        (self.activation, self.y) = fused_activation(network, y, rest);
        Some(residual)
    }
}

/// What batch normalisation multiplies each channel by.
fn factors<T: Scalar>(scale: ArrayView1<'_, T>, variance: ArrayView1<'_, T>, epsilon: f64) -> Array1<f64> {
    let factor = |(&scale, &variance): (&T, &T)| Scalar::to_f64(scale) / (Scalar::to_f64(variance) + epsilon).sqrt();
    scale.iter().zip(variance).map(factor).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Initializer, NETWORKS, built_in};

    #[test]
    fn slots_in_use_at_the_same_time_have_different_buffers() {
        for name in NETWORKS.iter().filter(|name| **name != "nn1") {
            let network: Network<f32> = Network::new(built_in(name).unwrap(), Initializer::HeNormal, 1).unwrap();
            let frozen = FrozenNetwork::new(&network);
            // Of each buffer the slot that is in it, and the last operation that needs this one.
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
