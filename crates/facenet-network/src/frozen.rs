//! A network for inference alone: normalisation folded into weights, activations fused into products.

use std::iter::Peekable;
use std::slice::Iter;

use facenet_tensor::{FusedActivation, PackedConvolution, PackedDepthwise, Scalar, Window, prelu_forward};
use ndarray::{Array, Array1, ArrayView1, ArrayView2, ArrayView4, Axis, Dimension, Ix1, Ix2, Ix3, Ix4, Zip};

use crate::pass::forward_without_parameters;
use crate::plan::{INPUT, Operation, Place};
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
    /// The row of each operation in the plan's table.
    operation_rows: Vec<usize>,
    /// Height, width and channels of each slot.
    slots: Vec<[usize; 3]>,
    /// The buffer of each slot.
    buffers: Vec<usize>,
    output: Place,
}

/// An operation of the plan, with all that follows a product in one with it.
#[derive(Clone, Debug)]
enum FrozenOperation<T> {
    Convolution {
        x: Place,
        y: Place,
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
    /// One that follows a sum.
    PRelu {
        x: Place,
        y: Place,
        slope: Array1<T>,
    },
    WithoutParameters(Operation),
}

/// The memory of a frozen network's passes: reused, it allocates nothing after the largest batch.
#[derive(Clone, Debug)]
pub struct FrozenWorkspace<T> {
    activations: Slots<T>,
}

impl<T: Scalar> FrozenNetwork<T> {
    /// Freezes a network as it is.
    #[must_use]
    pub fn new(network: &Network<T>) -> Self {
        let plan = network.plan();
        let (mut operations, mut operation_rows) = (Vec::new(), Vec::new());
        let mut rest = plan.operations.iter().peekable();
        while let Some(operation) = rest.next() {
            operation_rows.push(plan.operation_rows[plan.operations.len() - rest.len() - 1]);
            operations.push(freeze(network, operation, &mut rest));
        }
        let output = plan.output.clone();
        let mut slots = plan.slots.clone();
        let buffers = share_buffers(&operations, &mut slots, output.slot);
        Self { description: network.description().clone(), operations, operation_rows, slots, buffers, output }
    }

    /// What the network is.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Memory for its passes; grows with the first.
    #[must_use]
    pub fn workspace(&self) -> FrozenWorkspace<T> {
        FrozenWorkspace { activations: Slots::sharing(&self.slots, self.buffers.clone()) }
    }

    /// Numbers between the layers that are kept at the same time, per face.
    #[must_use]
    pub fn activations(&self) -> usize {
        let mut sizes = vec![0; self.buffers.iter().max().map_or(0, |last| last + 1)];
        for (shape, &buffer) in self.slots.iter().zip(&self.buffers) {
            sizes[buffer] = sizes[buffer].max(shape.iter().product());
        }
        sizes.iter().sum()
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

    /// The same; `done` is told after each operation the number of its row in [`Plan::rows`](crate::Plan::rows), to find out
    /// where time goes.
    ///
    /// # Panics
    ///
    /// As [`FrozenNetwork::forward`].
    #[track_caller]
    pub fn forward_observed<'w>(
        &self,
        x: ArrayView4<'_, T>,
        workspace: &'w mut FrozenWorkspace<T>,
        done: &mut dyn FnMut(usize),
    ) -> ArrayView2<'w, T> {
        let activations = &mut workspace.activations;
        let [height, width] = self.description.input;
        let (batch, rows_in, columns_in, colours) = x.dim();
        assert_eq!([rows_in, columns_in, colours], [height, width, 3], "faces {:?} of this network", x.shape());
        assert!(activations.fit(&self.slots, &self.buffers), "the workspace is that of another network");
        activations.resize(batch);
        activations.view_mut(&Place { slot: INPUT, channels: 0..3 }).assign(&x);
        for (operation, &row) in self.operations.iter().zip(&self.operation_rows) {
            match operation {
                FrozenOperation::Convolution { x, y, product } => {
                    let (x, y) = activations.read_write(x, y);
                    product.forward(x, y);
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
                FrozenOperation::PRelu { x, y, slope } => {
                    let (x, y) = activations.read_write(x, y);
                    prelu_forward(x, slope.view(), y);
                }
                FrozenOperation::WithoutParameters(operation) => forward_without_parameters(operation, activations),
            }
            done(row);
        }
        rows(activations.view(&self.output))
    }
}

impl<T> FrozenOperation<T> {
    /// The slots that it reads or writes.
    fn slots(&self) -> Vec<usize> {
        match self {
            Self::Convolution { x, y, .. }
            | Self::Linear { x, y, .. }
            | Self::Depthwise { x, y, .. }
            | Self::PRelu { x, y, .. } => vec![x.slot, y.slot],
            Self::WithoutParameters(operation) => operation.places().iter().map(|place| place.slot).collect(),
        }
    }
}

/// Makes one operation of a product and what follows it, which is taken from `rest`.
fn freeze<T: Scalar>(
    network: &Network<T>,
    operation: &Operation,
    rest: &mut Peekable<Iter<'_, Operation>>,
) -> FrozenOperation<T> {
    match operation {
        Operation::Convolution { x, y, weight, window } => {
            let Folded { weight, bias, activation, y } = Folded::<T, Ix4>::new(network, *weight, y, rest);
            let product = PackedConvolution::new(weight.view(), bias.view(), activation, *window);
            FrozenOperation::Convolution { x: x.clone(), y, product }
        }
        Operation::Linear { x, y, weight } => {
            let Folded { weight, bias, activation, y } = Folded::<T, Ix2>::new(network, *weight, y, rest);
            let weight = weight.insert_axis(Axis(0)).insert_axis(Axis(0));
            let product = PackedConvolution::new(weight.view(), bias.view(), activation, Window::square(1, 1, 0));
            FrozenOperation::Linear { x: x.clone(), y, product }
        }
        Operation::Depthwise { x, y, weight, window } => {
            let Folded { weight, bias, activation, y } = Folded::<T, Ix3>::new(network, *weight, y, rest);
            let product = PackedDepthwise::new(weight.view(), bias.view(), activation, *window);
            FrozenOperation::Depthwise { x: x.clone(), y, product }
        }
        Operation::PRelu { x, y, slope } => {
            let slope = network.parameters.view(*slope).to_owned();
            FrozenOperation::PRelu { x: x.clone(), y: y.clone(), slope }
        }
        Operation::Dropout { x, y, .. } => FrozenOperation::WithoutParameters(Operation::copy(x.clone(), y.clone())),
        other => FrozenOperation::WithoutParameters(other.clone()),
    }
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
        let mut y = y.clone();
        match rest.peek() {
            Some(Operation::Bias { y: place, bias: entry }) if *place == y => {
                bias.assign(&parameters.view::<Ix1>(*entry));
                rest.next();
            }
            Some(Operation::BatchNorm { x, y: normalized, scale, shift, mean, variance }) if *x == y => {
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
                y = normalized.clone();
                rest.next();
            }
            _ => {}
        }
        let activation = match rest.peek() {
            Some(Operation::Relu { y: place }) if *place == y => FusedActivation::Relu,
            Some(Operation::Sigmoid { y: place }) if *place == y => FusedActivation::Sigmoid,
            Some(Operation::PRelu { x, y: activated, slope }) if *x == y => {
                y = activated.clone();
                FusedActivation::PRelu(parameters.entry(*slope).to_vec())
            }
            _ => FusedActivation::None,
        };
        if activation != FusedActivation::None {
            rest.next();
        }
        Self { weight, bias, activation, y }
    }
}

/// What batch normalisation multiplies each channel by.
fn factors<T: Scalar>(scale: ArrayView1<'_, T>, variance: ArrayView1<'_, T>, epsilon: f64) -> Array1<f64> {
    let factor = |(&scale, &variance): (&T, &T)| Scalar::to_f64(scale) / (Scalar::to_f64(variance) + epsilon).sqrt();
    scale.iter().zip(variance).map(factor).collect()
}

/// The buffer of each slot: that of another one, if it is not needed any more where this one is first written. Slots
/// without any use are emptied.
fn share_buffers<T>(operations: &[FrozenOperation<T>], slots: &mut [[usize; 3]], output: usize) -> Vec<usize> {
    let mut uses = vec![None; slots.len()];
    uses[INPUT] = Some((0, 0));
    for (index, operation) in operations.iter().enumerate() {
        for slot in operation.slots() {
            let (first, _) = uses[slot].unwrap_or((index, index));
            uses[slot] = Some((first, index));
        }
    }
    uses[output] = uses[output].map(|(first, _)| (first, usize::MAX));
    for (shape, used) in slots.iter_mut().zip(&uses) {
        if used.is_none() {
            *shape = [0; 3];
        }
    }
    let mut buffers = vec![0; slots.len()];
    let mut sizes = vec![slots[INPUT].iter().product::<usize>()];
    let mut free: Vec<usize> = Vec::new();
    for (index, operation) in operations.iter().enumerate() {
        let mut touched = operation.slots();
        touched.sort_unstable();
        touched.dedup();
        for &slot in
            touched.iter().filter(|&&slot| slot != INPUT && uses[slot].is_some_and(|(first, _)| first == index))
        {
            let size: usize = slots[slot].iter().product();
            // The smallest buffer that is large enough, else the largest, which grows.
            let fitting = |&at: &usize| (sizes[free[at]] < size, sizes[free[at]].abs_diff(size));
            buffers[slot] = match (0..free.len()).min_by_key(fitting) {
                Some(at) => free.swap_remove(at),
                None => {
                    sizes.push(0);
                    sizes.len() - 1
                }
            };
            sizes[buffers[slot]] = sizes[buffers[slot]].max(size);
        }
        free.extend(
            touched
                .iter()
                .filter(|&&slot| uses[slot].is_some_and(|(_, last)| last == index))
                .map(|&slot| buffers[slot]),
        );
    }
    buffers
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
