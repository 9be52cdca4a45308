//! Plans: a description resolved into operations, with all shapes, buffers and parameters fixed.

pub(crate) mod buffer_assignment;
mod builder;
pub(crate) mod layer_cost;
pub(crate) mod limit;
pub(crate) mod operation;

use std::ops::Range;
use std::sync::Arc;

use self::buffer_assignment::BufferAssignment;
use self::builder::Builder;
use self::layer_cost::LayerCost;
use self::operation::{ChannelSlice, INPUT, Operation};
use crate::bounds::check_range;
use crate::description::Description;
use crate::description::preprocessing::Scaling;
use crate::error::Error;
use crate::parameters::ParameterTable;

/// A named output of a network: a range of the network's output for one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedOutput {
    /// The name, as in the description.
    pub name: String,
    /// Height, width and channels.
    pub shape: [usize; 3],
    /// Its elements among those of the network's output, in `[height, width, channels]` order.
    pub range: Range<usize>,
}

/// A description resolved into operations over slots of fixed shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub(crate) operations: Vec<Operation>,
    /// Index into the layer costs of each operation's layer, to which its time is attributed.
    pub(crate) operation_layers: Vec<usize>,
    /// Height, width and channels of each slot.
    pub(crate) slots: Vec<[usize; 3]>,
    pub(crate) output: ChannelSlice,
    outputs: Vec<PlannedOutput>,
    /// Buffers of the gradients, from the last operation to the first.
    pub(crate) gradients: BufferAssignment,
    pub(crate) epsilon: f64,
    parameters: Arc<ParameterTable>,
    statistics: Arc<ParameterTable>,
    layer_costs: Vec<LayerCost>,
}

impl Plan {
    /// Resolves a description.
    ///
    /// # Errors
    ///
    /// If a value is out of range, a window does not fit its input, shapes of branches or residual
    /// blocks do not match, a name is used twice, or the network exceeds a limit.
    pub fn new(description: &Description) -> Result<Self, Error> {
        let [height, width] = description.input;
        for (field, side) in [("height", height), ("width", width)] {
            check_range("input", field, side as f64, 1.0, limit::SIDE as f64)?;
        }
        if let Some(channels) = description.embedding {
            if !description.outputs.is_empty() {
                return Err(Error::EmbeddingAndOutputs);
            }
            check_range("layer embedding", "channels", channels as f64, 1.0, limit::CHANNELS as f64)?;
        }
        check_range("batch_norm", "epsilon", description.batch_norm.epsilon, limit::EPSILON, 1.0)?;
        check_range("batch_norm", "momentum", description.batch_norm.momentum, 0.0, 1.0)?;
        if let Scaling::Fixed { subtract, divide } = description.preprocessing.scaling {
            for (subtract, divide) in subtract.into_iter().zip(divide) {
                check_range("preprocessing", "subtract", subtract.into(), -1e6, 1e6)?;
                check_range("preprocessing", "divide", divide.into(), 1e-6, 1e6)?;
            }
        }
        if let Some(template) = &description.preprocessing.template {
            check_template(template, description.input)?;
        }
        let (builder, output) = Builder::build(description)?;
        let slots_of = |operation: &Operation| operation.slices().iter().map(|slice| slice.slot).collect();
        let used: Vec<Vec<usize>> = builder.operations.iter().rev().map(slots_of).collect();
        let gradients = BufferAssignment::new(&used, &builder.slots, output.slot, None);
        Ok(Self {
            operations: builder.operations,
            operation_layers: builder.operation_layers,
            slots: builder.slots,
            output,
            outputs: builder.outputs,
            gradients,
            epsilon: description.batch_norm.epsilon,
            parameters: Arc::new(builder.parameters),
            statistics: Arc::new(builder.statistics),
            layer_costs: builder.layer_costs,
        })
    }

    /// Table of the learned parameters.
    #[must_use]
    pub fn parameters(&self) -> &Arc<ParameterTable> {
        &self.parameters
    }

    /// Table of the running means and variances of all batch normalizations.
    #[must_use]
    pub fn statistics(&self) -> &Arc<ParameterTable> {
        &self.statistics
    }

    /// Height and width of the input.
    #[must_use]
    pub fn input_size(&self) -> [usize; 2] {
        let [height, width, _] = self.slots[INPUT];
        [height, width]
    }

    /// The named outputs; empty for a network with a single output.
    #[must_use]
    pub fn outputs(&self) -> &[PlannedOutput] {
        &self.outputs
    }

    /// Embedding dimension, or elements of the output per face for networks without embeddings.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.shape(&self.output).iter().product()
    }

    /// Output shape and cost of each layer, including layers nested in blocks.
    #[must_use]
    pub fn layer_costs(&self) -> &[LayerCost] {
        &self.layer_costs
    }

    /// [`Plan::layer_costs`] summed over the top-level blocks of the description: consecutive
    /// layers whose names agree up to the first dot. The output of a block is that of its last
    /// layer.
    #[must_use]
    pub fn block_costs(&self) -> Vec<LayerCost> {
        let mut blocks: Vec<LayerCost> = Vec::new();
        for cost in &self.layer_costs {
            let block = cost.layer.split('.').next().unwrap_or_default();
            match blocks.last_mut().filter(|last| last.layer == block) {
                Some(last) => last.add(cost),
                None => blocks.push(LayerCost { layer: block.to_owned(), ..cost.clone() }),
            }
        }
        blocks
    }

    /// Multiply-adds per face.
    #[must_use]
    pub fn multiply_adds(&self) -> usize {
        self.layer_costs.iter().map(|cost| cost.multiply_adds).sum()
    }

    /// Number of weights of convolutions and fully connected layers.
    #[must_use]
    pub fn weight_count(&self) -> usize {
        self.layer_costs.iter().map(|cost| cost.weights).sum()
    }

    /// Number of biases, including shifts of batch normalization.
    #[must_use]
    pub fn bias_count(&self) -> usize {
        self.layer_costs.iter().map(|cost| cost.biases).sum()
    }

    /// Elements of all activations per face, in a forward pass that keeps them for the backward
    /// pass.
    #[must_use]
    pub fn activation_count(&self) -> usize {
        self.slots.iter().map(|shape| shape.iter().product::<usize>()).sum()
    }

    /// Height, width and channels of a slice.
    pub(crate) fn shape(&self, slice: &ChannelSlice) -> [usize; 3] {
        let [height, width, _] = self.slots[slice.slot];
        [height, width, slice.channels.len()]
    }
}

/// Landmarks may lie outside the image by up to its size, and must not all coincide.
fn check_template(template: &[[f32; 2]; 5], [height, width]: [usize; 2]) -> Result<(), Error> {
    for &[x, y] in template {
        for (field, value, side) in [("x of template", x, width), ("y of template", y, height)] {
            check_range("preprocessing", field, value.into(), -(side as f64), 2.0 * side as f64)?;
        }
    }
    let extent = |axis: usize| {
        let values = template.iter().map(|landmark| landmark[axis]);
        values.clone().fold(f32::MIN, f32::max) - values.fold(f32::MAX, f32::min)
    };
    if extent(0).max(extent(1)) < limit::TEMPLATE { Err(Error::DegenerateTemplate) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;

    /// Each branch writes its own channels of the concatenated output, in order, at any depth of
    /// nesting.
    #[test]
    fn branches_write_their_slices_of_the_output() {
        let convolution = |name: &str, channels: usize| {
            format!("{{ layer = 'convolution', name = '{name}', kernel = 1, channels = {channels} }}")
        };
        let [a, b, c, d] = [("a", 1), ("b", 2), ("c", 3), ("d", 4)].map(|(name, channels)| convolution(name, channels));
        let inner = format!("{{ layer = 'branches', branches = [[{b}], [], [{c}]] }}");
        let residual =
            "{ layer = 'residual', name = 'r', activation = 'prelu', layers = [{ layer = 'dropout', rate = 0.1 }] }";
        let layers = format!("{{ layer = 'branches', branches = [[{a}], [{inner}], [{d}, {residual}]] }}");
        let text = format!("name = 'n'\ninput = [8, 8]\nembedding = 4\nlayers = [{layers}]");
        let plan = Plan::new(&Description::from_toml(&text).unwrap()).unwrap();
        let Some(Operation::Linear { x: output, .. }) =
            plan.operations.iter().find(|operation| matches!(operation, Operation::Linear { .. }))
        else {
            panic!("the embedding is a fully connected layer")
        };
        assert_eq!((plan.slots[output.slot], output.channels.clone()), ([8, 8, 13], 0..13));
        // The operations that write last: rectified a, b and c, the copy of the three input
        // channels, the PReLU after the sum.
        let mut written: Vec<Range<usize>> = Vec::new();
        for operation in &plan.operations {
            let (Operation::BatchNorm { y, .. } | Operation::ZeroPad { y, .. } | Operation::PRelu { y, .. }) =
                operation
            else {
                continue;
            };
            if y.slot == output.slot {
                written.push(y.channels.clone());
            }
        }
        assert_eq!(written, [0..1, 1..3, 3..6, 6..9, 9..13]);
        let emptied = plan.slots.iter().filter(|shape| **shape == [0; 3]).count();
        assert_eq!(emptied, 6, "outputs that were redirected take no memory");
    }
}
