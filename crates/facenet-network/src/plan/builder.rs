//! Resolves the layers of a description into operations, slots and parameters.

use std::collections::{HashMap, HashSet};

use facenet_tensor::{LocalResponseNormParameters, Window};

use crate::bounds::{check_limit, check_range};
use crate::description::layer::{
    Activation, Block, Branches, Convolution, Depthwise, FullyConnected, Inception, Layer, LocalResponseNorm, Pool,
    Residual, Separable, SqueezeExcitation, Sum, Upsample, ZeroPad,
};
use crate::description::normalization::Normalization;
use crate::description::{Description, Output};
use crate::error::Error;
use crate::parameters::{ParameterTable, Role};
use crate::plan::PlannedOutput;
use crate::plan::layer_cost::LayerCost;
use crate::plan::limit;
use crate::plan::operation::{ChannelSlice, INPUT, Operation};

/// An affine layer: a convolution or fully connected layer with its normalization and activation.
#[derive(Clone)]
struct AffineLayer {
    name: String,
    normalization: Normalization,
    activation: Activation,
}

/// The part of a plan that has been resolved so far.
#[derive(Default)]
pub(super) struct Builder {
    pub(super) operations: Vec<Operation>,
    /// Index into `layer_costs` of each operation's layer.
    pub(super) operation_layers: Vec<usize>,
    pub(super) slots: Vec<[usize; 3]>,
    /// Elements of all slots, per face.
    activations: usize,
    pub(super) parameters: ParameterTable,
    pub(super) statistics: ParameterTable,
    names: HashSet<String>,
    pub(super) layer_costs: Vec<LayerCost>,
    /// Normalization of layers that do not set their own.
    normalization: Normalization,
    /// Prefix of names: the blocks around the current layer.
    scope: String,
    /// Position of the current top-level layer in the description, from 1.
    number: usize,
    /// Number of layers so far, including nested ones.
    layers: usize,
    /// Outputs of the named layers of the description itself.
    named: HashMap<String, ChannelSlice>,
    pub(super) outputs: Vec<PlannedOutput>,
}

impl Builder {
    /// Resolves a network: its layers, the fully connected layer that computes the embedding, L2
    /// normalization. Returns the slice of the output as well.
    pub(super) fn build(description: &Description) -> Result<(Self, ChannelSlice), Error> {
        let [height, width] = description.input;
        let mut builder = Self::new([height, width, 3], description.normalization);
        let input = ChannelSlice { slot: INPUT, channels: 0..3 };
        let x = description.layers.iter().enumerate().try_fold(input, |x, (index, layer)| {
            builder.number = index + 1;
            builder.named_layer(layer, x).map_err(|error| match error {
                Error::TooLarge { what, found, limit: max } => {
                    let name = layer.name().map(|name| name.chars().take(limit::NAME).collect());
                    let layer = name.unwrap_or_else(|| format!("number {}", index + 1));
                    Error::LayerTooLarge { layer, what, found, limit: max }
                }
                other => other,
            })
        })?;
        let Some(dimension) = description.embedding else {
            let output = if description.outputs.is_empty() { x } else { builder.outputs(&description.outputs)? };
            return Ok((builder, output));
        };
        let embedding = AffineLayer {
            name: "embedding".to_owned(),
            normalization: description.embedding_normalization,
            activation: Activation::None,
        };
        let x = builder.fully_connected(&embedding, x, dimension)?;
        let y = builder.slot([1, 1, dimension])?;
        builder.operations.push(Operation::L2Normalize { x, y: y.clone() });
        builder.operation_layers.push(builder.layer_costs.len() - 1);
        Ok((builder, y))
    }

    /// Resolves the named outputs, each flattened to a range of one row per image.
    fn outputs(&mut self, outputs: &[Output]) -> Result<ChannelSlice, Error> {
        let mut slices = Vec::new();
        for Output { name, from, layers } in outputs {
            self.new_name(name)?;
            let x = self.named(name, from)?;
            slices.push(self.scoped(name, |builder| builder.sequence(layers, x))?);
        }
        let mut end = 0;
        for (Output { name, .. }, slice) in outputs.iter().zip(&slices) {
            let shape = self.shape(slice);
            let range = end..end + shape.iter().product::<usize>();
            end = range.end;
            self.outputs.push(PlannedOutput { name: name.clone(), shape, range });
        }
        self.activations += end;
        check_limit("activation elements", self.activations, limit::ACTIVATIONS)?;
        self.slots.push([1, 1, end]);
        let slot = self.slots.len() - 1;
        for (x, output) in slices.into_iter().zip(&self.outputs) {
            self.operations.push(Operation::Flatten { x, y: ChannelSlice { slot, channels: output.range.clone() } });
        }
        self.operation_layers.resize(self.operations.len(), self.layer_costs.len() - 1);
        Ok(ChannelSlice { slot, channels: 0..end })
    }

    /// Resolves a layer of the description itself, to which others can refer by its name.
    fn named_layer(&mut self, layer: &Layer, x: ChannelSlice) -> Result<ChannelSlice, Error> {
        let y = self.layer(layer, x)?;
        match layer.name() {
            Some(name) if self.named.insert(name.to_owned(), y.clone()).is_some() => {
                Err(Error::DuplicateName { name: name.to_owned() })
            }
            _ => Ok(y),
        }
    }

    /// The output of an earlier layer of the description itself.
    fn named(&self, layer: &str, name: &str) -> Result<ChannelSlice, Error> {
        let unknown =
            || Error::UnknownLayer { layer: layer.to_owned(), name: name.chars().take(limit::NAME).collect() };
        self.named.get(name).cloned().ok_or_else(unknown)
    }

    fn new(input: [usize; 3], normalization: Normalization) -> Self {
        Self { slots: vec![input], activations: input.iter().product(), normalization, ..Self::default() }
    }

    fn shape(&self, slice: &ChannelSlice) -> [usize; 3] {
        let [height, width, _] = self.slots[slice.slot];
        [height, width, slice.channels.len()]
    }

    fn slot(&mut self, shape: [usize; 3]) -> Result<ChannelSlice, Error> {
        self.activations += shape.iter().product::<usize>();
        check_limit("activation elements", self.activations, limit::ACTIVATIONS)?;
        check_limit("channels in one layer", shape[2], limit::CHANNELS)?;
        self.slots.push(shape);
        Ok(ChannelSlice { slot: self.slots.len() - 1, channels: 0..shape[2] })
    }

    fn parameter(&mut self, name: String, shape: &[usize], role: Role) -> Result<usize, Error> {
        self.new_name(&name)?;
        let index = self.parameters.push(name, shape, role);
        check_limit("parameters", self.parameters.len(), limit::PARAMETERS)?;
        Ok(index)
    }

    fn new_name(&mut self, name: &str) -> Result<(), Error> {
        check_name(name)?;
        if self.names.insert(name.to_owned()) { Ok(()) } else { Err(Error::DuplicateName { name: name.to_owned() }) }
    }

    /// Full name of a layer.
    fn name(&self, name: &str) -> String {
        format!("{}{name}", self.scope)
    }

    /// Label of an unnamed layer in cost tables and errors.
    fn label(&self, kind: &str) -> String {
        if self.scope.is_empty() { format!("{kind} (number {})", self.number) } else { self.name(kind) }
    }

    fn affine(&self, name: &str, normalization: Option<Normalization>, activation: Activation) -> AffineLayer {
        AffineLayer { name: self.name(name), normalization: normalization.unwrap_or(self.normalization), activation }
    }

    /// Counts a layer or branch; both count towards the same limit.
    fn count_layer(&mut self) -> Result<(), Error> {
        self.layers += 1;
        check_limit("layers", self.layers, limit::LAYERS)
    }

    /// Resolves consecutive layers.
    fn sequence(&mut self, layers: &[Layer], x: ChannelSlice) -> Result<ChannelSlice, Error> {
        layers.iter().try_fold(x, |x, layer| self.layer(layer, x))
    }

    /// Resolves the layers of a block, whose names are prefixed with that of the block.
    fn scoped(
        &mut self,
        name: &str,
        build: impl FnOnce(&mut Self) -> Result<ChannelSlice, Error>,
    ) -> Result<ChannelSlice, Error> {
        let outside = self.scope.clone();
        self.scope = format!("{outside}{name}.");
        check_name(&self.scope)?;
        let y = build(self)?;
        self.scope = outside;
        Ok(y)
    }

    fn layer(&mut self, layer: &Layer, x: ChannelSlice) -> Result<ChannelSlice, Error> {
        self.count_layer()?;
        match layer {
            Layer::Convolution(Convolution { name, kernel, stride, padding, channels, normalization, activation }) => {
                let affine = self.affine(name, *normalization, *activation);
                let window = window(&affine.name, *kernel, *stride, *padding)?;
                self.convolution(&affine, x, *channels, window)
            }
            Layer::Depthwise(Depthwise { name, kernel, stride, padding, normalization, activation }) => {
                let affine = self.affine(name, *normalization, *activation);
                let window = window(&affine.name, *kernel, *stride, *padding)?;
                self.depthwise(&affine, x, window)
            }
            Layer::Separable(layer) => self.separable(layer, x),
            Layer::FullyConnected(FullyConnected { name, channels, normalization, activation }) => {
                let affine = self.affine(name, *normalization, *activation);
                self.fully_connected(&affine, x, *channels)
            }
            Layer::Pool(layer) => self.pool(layer, x),
            Layer::LocalResponseNorm(layer) => self.local_response_norm(*layer, x),
            Layer::Inception(layer) => self.inception(layer, x),
            Layer::Branches(Branches { name: None, branches }) => {
                let label = self.label("branches");
                self.branches(label, branches, x)
            }
            Layer::Branches(Branches { name: Some(name), branches }) => {
                let label = self.name(name);
                self.scoped(name, |builder| builder.branches(label, branches, x))
            }
            Layer::Block(Block { name, layers }) => {
                if layers.is_empty() {
                    return Err(Error::EmptyBlock { layer: self.name(name) });
                }
                self.scoped(name, |builder| builder.sequence(layers, x))
            }
            Layer::Residual(layer) => self.residual(layer, x),
            Layer::Sum(Sum { with }) => {
                let label = self.label("sum");
                let other = self.named(&label, with)?;
                let [expected, found] = [self.shape(&other), self.shape(&x)];
                if expected != found {
                    return Err(Error::SumShape { layer: label, found, expected });
                }
                self.unary(label, found, |y| Operation::ScaledSum { x: other, branch: x, y, scale: 1.0 })
            }
            Layer::Upsample(Upsample { factor }) => {
                let label = self.label("upsample");
                let factor = *factor;
                check_count(&label, "factor", factor, 1, limit::WINDOW)?;
                let [height, width, channels] = self.shape(&x);
                check_limit("pixels along a side", factor * height.max(width), limit::SIDE)?;
                self.unary(label, [factor * height, factor * width, channels], |y| Operation::Upsample { x, y, factor })
            }
            Layer::SqueezeExcitation(layer) => self.squeeze_excitation(layer, x),
            Layer::ZeroPad(ZeroPad { size }) => {
                let label = self.label("zero_pad");
                let [height, width, channels] = self.shape(&x);
                for side in size {
                    check_count(&label, "size", *side, 1, limit::SIDE)?;
                }
                if height > size[0] || width > size[1] {
                    return Err(Error::PadTooSmall { layer: label, found: [height, width], size: *size });
                }
                let before = [(size[0] - height) / 2, (size[1] - width) / 2];
                self.unary(label, [size[0], size[1], channels], |y| Operation::ZeroPad { x, y, before })
            }
            Layer::GlobalAveragePool(_) => self.global_average_pool(x),
            Layer::Maxout(layer) => {
                let label = self.label("maxout");
                let pieces = layer.pieces;
                check_count(&label, "pieces", pieces, 1, limit::CHANNELS)?;
                let [height, width, channels] = self.shape(&x);
                if channels % pieces != 0 {
                    return Err(Error::MaxoutPieces { layer: label, channels, pieces });
                }
                self.unary(label, [height, width, channels / pieces], |y| Operation::Maxout { x, y, pieces })
            }
            Layer::Dropout(layer) => {
                let label = self.label("dropout");
                let rate = layer.rate;
                check_range(&format!("layer {label}"), "rate", rate, 0.0, 0.99)?;
                let layer = self.layers as u64 - 1;
                self.unary(label, self.shape(&x), |y| Operation::Dropout { x, y, rate, layer })
            }
        }
    }

    /// Records the cost of a layer, whose parameters are those after the first `before` entries.
    fn record_cost(&mut self, layer: String, y: &ChannelSlice, before: usize, multiply_adds: usize) {
        let output = self.shape(y);
        let [mut weights, mut biases, mut parameters] = [0; 3];
        for entry in &self.parameters.entries()[before..] {
            parameters += entry.range.len();
            match entry.role {
                Role::Weight { .. } => weights += entry.range.len(),
                Role::Bias => biases += entry.range.len(),
                Role::Scale | Role::Slope => {}
            }
        }
        let bias_additions = if biases > 0 { output.iter().product() } else { 0 };
        // All operations since the last layer belong to this one.
        self.operation_layers.resize(self.operations.len(), self.layer_costs.len());
        self.layer_costs.push(LayerCost { layer, output, weights, biases, parameters, multiply_adds, bias_additions });
    }

    /// Adds an operation without parameters that writes a new slot.
    fn unary(
        &mut self,
        label: String,
        shape: [usize; 3],
        operation: impl FnOnce(ChannelSlice) -> Operation,
    ) -> Result<ChannelSlice, Error> {
        let y = self.slot(shape)?;
        self.operations.push(operation(y.clone()));
        self.record_cost(label, &y, self.parameters.entries().len(), 0);
        Ok(y)
    }

    fn windowed(&self, layer: &str, window: Window, x: &ChannelSlice) -> Result<[usize; 2], Error> {
        let [height, width, _] = self.shape(x);
        window.output([height, width]).ok_or_else(|| Error::WindowDoesNotFit {
            layer: layer.to_owned(),
            kernel: window.kernel,
            padding: window.padding,
            height,
            width,
        })
    }

    fn convolution(
        &mut self,
        affine: &AffineLayer,
        x: ChannelSlice,
        channels: usize,
        window: Window,
    ) -> Result<ChannelSlice, Error> {
        check_count(&affine.name, "channels", channels, 1, limit::CHANNELS)?;
        let [height, width] = self.windowed(&affine.name, window, &x)?;
        let inputs = x.channels.len();
        let [rows, columns] = window.kernel;
        let taps = rows * columns;
        let before = self.parameters.entries().len();
        let role = Role::Weight { inputs: taps * inputs, outputs: taps * channels };
        let weight = self.parameter(format!("{}.weight", affine.name), &[rows, columns, inputs, channels], role)?;
        let multiply_adds = height * width * taps * inputs * channels;
        let y = self.normalize_and_activate(affine, [height, width, channels], |y| Operation::Convolution {
            x,
            y,
            weight,
            window,
        })?;
        self.record_cost(affine.name.clone(), &y, before, multiply_adds);
        Ok(y)
    }

    fn depthwise(&mut self, affine: &AffineLayer, x: ChannelSlice, window: Window) -> Result<ChannelSlice, Error> {
        let [height, width] = self.windowed(&affine.name, window, &x)?;
        let channels = x.channels.len();
        let [rows, columns] = window.kernel;
        let taps = rows * columns;
        let before = self.parameters.entries().len();
        let role = Role::Weight { inputs: taps, outputs: taps };
        let weight = self.parameter(format!("{}.weight", affine.name), &[rows, columns, channels], role)?;
        let y = self.normalize_and_activate(affine, [height, width, channels], |y| Operation::Depthwise {
            x,
            y,
            weight,
            window,
        })?;
        self.record_cost(affine.name.clone(), &y, before, height * width * taps * channels);
        Ok(y)
    }

    fn separable(&mut self, layer: &Separable, x: ChannelSlice) -> Result<ChannelSlice, Error> {
        let Separable { name, channels, kernel, normalization, activation } = layer;
        let padding = kernel / 2;
        self.scoped(name, |builder| {
            let pointwise = builder.affine("pointwise", Some(Normalization::Bias), Activation::None);
            let y = builder.convolution(&pointwise, x, *channels, Window::square(1, 1, 0))?;
            let depthwise = builder.affine("depthwise", *normalization, *activation);
            let window = window(&depthwise.name, [*kernel; 2], [1; 2], [padding; 2])?;
            builder.depthwise(&depthwise, y, window)
        })
    }

    fn fully_connected(
        &mut self,
        affine: &AffineLayer,
        x: ChannelSlice,
        channels: usize,
    ) -> Result<ChannelSlice, Error> {
        check_count(&affine.name, "channels", channels, 1, limit::CHANNELS)?;
        let inputs: usize = self.shape(&x).iter().product();
        let before = self.parameters.entries().len();
        let role = Role::Weight { inputs, outputs: channels };
        let weight = self.parameter(format!("{}.weight", affine.name), &[inputs, channels], role)?;
        let y = self.normalize_and_activate(affine, [1, 1, channels], |y| Operation::Linear { x, y, weight })?;
        self.record_cost(affine.name.clone(), &y, before, inputs * channels);
        Ok(y)
    }

    fn pool(&mut self, pool: &Pool, x: ChannelSlice) -> Result<ChannelSlice, Error> {
        let label = self.label("pool");
        let window = window(&label, pool.kernel, pool.stride, pool.padding)?;
        let [height, width] = self.windowed(&label, window, &x)?;
        let kind = pool.kind;
        self.unary(label, [height, width, x.channels.len()], |y| Operation::Pool { x, y, kind, window })
    }

    fn global_average_pool(&mut self, x: ChannelSlice) -> Result<ChannelSlice, Error> {
        let label = self.label("global_average_pool");
        self.unary(label, [1, 1, x.channels.len()], |y| Operation::GlobalAveragePool { x, y })
    }

    fn local_response_norm(&mut self, layer: LocalResponseNorm, x: ChannelSlice) -> Result<ChannelSlice, Error> {
        let label = self.label("local_response_norm");
        let LocalResponseNorm { size, alpha, beta, k } = layer;
        check_count(&label, "size", size, 1, limit::CHANNELS)?;
        let context = format!("layer {label}");
        check_range(&context, "alpha", alpha, 0.0, 1e6)?;
        check_range(&context, "beta", beta, 0.0, 1e3)?;
        check_range(&context, "k", k, 1e-6, 1e6)?;
        let parameters = LocalResponseNormParameters { size, alpha, beta, k };
        self.unary(label, self.shape(&x), |y| Operation::LocalResponseNorm { x, y, parameters })
    }

    /// Resolves an inception block as branches of convolutions and pooling layers.
    fn inception(&mut self, layer: &Inception, x: ChannelSlice) -> Result<ChannelSlice, Error> {
        let stride = layer.stride;
        let name = self.name(&layer.name);
        check_count(&name, "stride", stride, 1, limit::WINDOW)?;
        if stride > 1 && layer.branch_1x1.is_some() {
            return Err(Error::StridedBranch { layer: name, stride });
        }
        let convolution = |name: &str, kernel: usize, stride: usize, channels: usize| {
            Layer::Convolution(Convolution {
                name: name.to_owned(),
                kernel: [kernel; 2],
                stride: [stride; 2],
                padding: [kernel / 2; 2],
                channels,
                normalization: layer.normalization,
                activation: layer.activation,
            })
        };
        let mut branches = Vec::new();
        if let Some(channels) = layer.branch_1x1 {
            branches.push(vec![convolution("branch_1x1.conv", 1, 1, channels)]);
        }
        for (branch, widths, kernel) in [("branch_3x3", layer.branch_3x3, 3), ("branch_5x5", layer.branch_5x5, 5)] {
            if let Some([reduced, channels]) = widths {
                branches.push(vec![
                    convolution(&format!("{branch}.reduce"), 1, 1, reduced),
                    convolution(&format!("{branch}.conv"), kernel, stride, channels),
                ]);
            }
        }
        if let Some(branch) = layer.branch_pool {
            let [own_stride, padding] = [branch.stride.unwrap_or(stride), branch.padding.unwrap_or(1)];
            let pool = Pool { kind: branch.kind, kernel: [3; 2], stride: [own_stride; 2], padding: [padding; 2] };
            let mut layers = vec![Layer::Pool(pool)];
            layers.extend(branch.projection.map(|channels| convolution("branch_pool.conv", 1, 1, channels)));
            if branch.stride.is_some() || branch.padding.is_some() {
                let [height, width, _] = self.shape(&x);
                layers.push(Layer::ZeroPad(ZeroPad { size: [(height - 1) / stride + 1, (width - 1) / stride + 1] }));
            }
            branches.push(layers);
        }
        self.scoped(&layer.name, |builder| builder.branches(name, &branches, x))
    }

    /// Resolves each branch, then redirects its last operations to its slice of the concatenated
    /// output.
    fn branches(&mut self, label: String, branches: &[Vec<Layer>], x: ChannelSlice) -> Result<ChannelSlice, Error> {
        if branches.iter().all(Vec::is_empty) {
            return Err(Error::EmptyBlock { layer: label });
        }
        let mut outputs = Vec::new();
        let mut ranges = Vec::new();
        for layers in branches {
            self.count_layer()?;
            let first = self.operations.len();
            let mut y = self.sequence(layers, x.clone())?;
            if layers.is_empty() {
                y = self.slot(self.shape(&x))?;
                self.operations.push(Operation::copy(x.clone(), y.clone()));
            }
            outputs.push(y);
            ranges.push(first..self.operations.len());
        }
        let [height, width, _] = self.shape(&outputs[0]);
        for (index, output) in outputs.iter().enumerate() {
            let [rows, columns, _] = self.shape(output);
            if [rows, columns] != [height, width] {
                return Err(Error::BranchSize {
                    layer: label,
                    branch: index + 1,
                    found: [rows, columns],
                    expected: [height, width],
                });
            }
        }
        let channels = outputs.iter().map(|output| output.channels.len()).sum();
        let y = self.slot([height, width, channels])?;
        let mut start = 0;
        for (output, range) in outputs.into_iter().zip(ranges) {
            self.activations -= self.slots[output.slot].iter().product::<usize>();
            self.slots[output.slot] = [0; 3];
            for operation in &mut self.operations[range] {
                for slice in operation.slices_mut() {
                    if slice.slot == output.slot {
                        let channels = start + slice.channels.start..start + slice.channels.end;
                        *slice = ChannelSlice { slot: y.slot, channels };
                    }
                }
            }
            start += output.channels.len();
        }
        self.record_cost(label, &y, self.parameters.entries().len(), 0);
        Ok(y)
    }

    fn residual(&mut self, layer: &Residual, mut x: ChannelSlice) -> Result<ChannelSlice, Error> {
        let name = self.name(&layer.name);
        check_count(&name, "repeat", layer.repeat, 1, limit::LAYERS)?;
        check_range(&format!("layer {name}"), "scale", layer.scale, -1e6, 1e6)?;
        if layer.layers.is_empty() {
            return Err(Error::EmptyBlock { layer: name });
        }
        for number in 1..=layer.repeat {
            let block = if layer.repeat == 1 { layer.name.clone() } else { format!("{}_{number}", layer.name) };
            let branch = self.scoped(&block, |builder| builder.sequence(&layer.layers, x.clone()))?;
            let [expected, found] = [self.shape(&x), self.shape(&branch)];
            if expected != found {
                return Err(Error::ResidualShape { layer: self.name(&block), found, expected });
            }
            let before = self.parameters.entries().len();
            let affine = self.affine(&block, Some(Normalization::None), layer.activation);
            let scale = layer.scale;
            let y = self.normalize_and_activate(&affine, expected, |y| Operation::ScaledSum { x, branch, y, scale })?;
            self.record_cost(affine.name, &y, before, 0);
            x = y;
        }
        Ok(x)
    }

    fn squeeze_excitation(&mut self, layer: &SqueezeExcitation, x: ChannelSlice) -> Result<ChannelSlice, Error> {
        let name = self.name(&layer.name);
        let gate = self.scoped(&layer.name, |builder| {
            let mean = builder.global_average_pool(x.clone())?;
            let reduce = builder.affine("reduce", Some(Normalization::Bias), layer.activation);
            let reduced = builder.fully_connected(&reduce, mean, layer.channels)?;
            let expand = builder.affine("expand", Some(Normalization::Bias), Activation::Sigmoid);
            builder.fully_connected(&expand, reduced, x.channels.len())
        })?;
        self.unary(name, self.shape(&x), |y| Operation::ChannelScale { x, gate, y })
    }

    /// Adds the operation of an affine layer, then its normalization and activation.
    fn normalize_and_activate(
        &mut self,
        affine: &AffineLayer,
        shape: [usize; 3],
        operation: impl FnOnce(ChannelSlice) -> Operation,
    ) -> Result<ChannelSlice, Error> {
        let channels = shape[2];
        let name = |field: &str| format!("{}.{field}", affine.name);
        let y = self.slot(shape)?;
        // The backward passes of batch normalization and PReLU read their inputs, so these have
        // slots of their own.
        let slopes = match affine.activation {
            Activation::Prelu => Some(channels),
            Activation::PreluShared => Some(1),
            Activation::Relu | Activation::Sigmoid | Activation::None => None,
        };
        let normalized = if slopes.is_some() { self.slot(shape)? } else { y.clone() };
        let product = match affine.normalization {
            Normalization::BatchNorm => self.slot(shape)?,
            Normalization::Bias | Normalization::None => normalized.clone(),
        };
        self.operations.push(operation(product.clone()));
        match affine.normalization {
            Normalization::None => {}
            Normalization::Bias => {
                let bias = self.parameter(name("bias"), &[channels], Role::Bias)?;
                self.operations.push(Operation::Bias { y: normalized.clone(), bias });
            }
            Normalization::BatchNorm => {
                let scale = self.parameter(name("batch_norm.scale"), &[channels], Role::Scale)?;
                let shift = self.parameter(name("batch_norm.shift"), &[channels], Role::Bias)?;
                self.new_name(&name("batch_norm.mean"))?;
                self.new_name(&name("batch_norm.variance"))?;
                let mean = self.statistics.push(name("batch_norm.mean"), &[channels], Role::Bias);
                let variance = self.statistics.push(name("batch_norm.variance"), &[channels], Role::Scale);
                let y = normalized.clone();
                let rectified = affine.activation == Activation::Relu;
                self.operations.push(Operation::BatchNorm { x: product, y, scale, shift, mean, variance, rectified });
            }
        }
        match affine.activation {
            Activation::None => {}
            // Fused into batch normalization.
            Activation::Relu if affine.normalization == Normalization::BatchNorm => {}
            Activation::Relu => self.operations.push(Operation::Relu { y: y.clone() }),
            Activation::Sigmoid => self.operations.push(Operation::Sigmoid { y: y.clone() }),
            Activation::Prelu | Activation::PreluShared => {
                let slope = self.parameter(name("slope"), &[slopes.unwrap_or(channels)], Role::Slope)?;
                self.operations.push(Operation::PRelu { x: normalized, y: y.clone(), slope });
            }
        }
        Ok(y)
    }
}

fn window(layer: &str, kernel: [usize; 2], stride: [usize; 2], padding: [usize; 2]) -> Result<Window, Error> {
    for axis in 0..2 {
        check_count(layer, "kernel", kernel[axis], 1, limit::WINDOW)?;
        check_count(layer, "stride", stride[axis], 1, limit::WINDOW)?;
        check_count(layer, "padding", padding[axis], 0, kernel[axis] - 1)?;
    }
    check_count(layer, "kernel height times width", kernel[0] * kernel[1], 1, limit::TAPS)?;
    Ok(Window { kernel, stride, padding })
}

/// Names are dotted paths without empty components.
fn check_name(name: &str) -> Result<(), Error> {
    if name.starts_with('.') || name.contains("..") || name.len() > limit::NAME {
        return Err(Error::LayerName { name: name.chars().take(limit::NAME).collect() });
    }
    Ok(())
}

/// Checks a count of a layer; see [`check_range`].
fn check_count(layer: &str, field: &'static str, value: usize, min: usize, max: usize) -> Result<(), Error> {
    check_range(&format!("layer {layer}"), field, value as f64, min as f64, max as f64)
}
