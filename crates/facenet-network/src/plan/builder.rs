//! From a description's layers to operations, slots and parameters.

use std::collections::HashSet;

use facenet_tensor::{LocalResponseNormParameters, Window};

use super::{INPUT, Operation, Place, Row, at_most, in_range, limit, real_in_range};
use crate::Error;
use crate::description::{
    Activation, Branches, Convolution, Depthwise, Description, FullyConnected, Inception, Layer, LocalResponseNorm,
    Normalization, Pool, Residual, SqueezeExcitation, ZeroPad,
};
use crate::parameters::{ParameterTable, Role};

/// A product with what follows it.
#[derive(Clone)]
struct Product {
    name: String,
    normalization: Normalization,
    activation: Activation,
}

/// What has been resolved so far.
#[derive(Default)]
pub(super) struct Builder {
    pub(super) operations: Vec<Operation>,
    /// The row of each operation.
    pub(super) operation_rows: Vec<usize>,
    pub(super) slots: Vec<[usize; 3]>,
    activations: usize,
    pub(super) parameters: ParameterTable,
    pub(super) statistics: ParameterTable,
    names: HashSet<String>,
    pub(super) rows: Vec<Row>,
    /// What follows products of layers that don't say.
    normalization: Normalization,
    /// What names start with: the blocks around the present layer.
    scope: String,
    /// The present layer's place in the description's list.
    number: usize,
    /// Layers so far, those inside others included.
    layers: usize,
}

impl Builder {
    /// All of a network and where its result is: its layers, the product that makes the embedding, the normalisation.
    pub(super) fn build(description: &Description) -> Result<(Self, Place), Error> {
        let [height, width] = description.input;
        let mut builder = Self::new([height, width, 3], description.normalization);
        let faces = Place { slot: INPUT, channels: 0..3 };
        let x = description.layers.iter().enumerate().try_fold(faces, |x, (index, layer)| {
            builder.number = index + 1;
            builder.layer(layer, x).map_err(|error| match error {
                Error::TooLarge { what, found, limit: most } => {
                    let name = layer.name().map(|name| name.chars().take(limit::NAME).collect());
                    let layer = name.unwrap_or_else(|| format!("number {}", index + 1));
                    Error::LayerTooLarge { layer, what, found, limit: most }
                }
                other => other,
            })
        })?;
        let Some(dimension) = description.embedding else { return Ok((builder, x)) };
        let embedding = Product {
            name: "embedding".to_owned(),
            normalization: description.embedding_normalization,
            activation: Activation::None,
        };
        let x = builder.fully_connected(&embedding, x, dimension)?;
        let y = builder.slot([1, 1, dimension])?;
        builder.operations.push(Operation::L2Normalize { x, y: y.clone() });
        builder.operation_rows.push(builder.rows.len() - 1);
        Ok((builder, y))
    }

    fn new(input: [usize; 3], normalization: Normalization) -> Self {
        Self { slots: vec![input], activations: input.iter().product(), normalization, ..Self::default() }
    }

    fn shape(&self, place: &Place) -> [usize; 3] {
        let [height, width, _] = self.slots[place.slot];
        [height, width, place.channels.len()]
    }

    fn slot(&mut self, shape: [usize; 3]) -> Result<Place, Error> {
        self.activations += shape.iter().product::<usize>();
        at_most("numbers between its layers", self.activations, limit::ACTIVATIONS)?;
        at_most("channels in one layer", shape[2], limit::CHANNELS)?;
        self.slots.push(shape);
        Ok(Place { slot: self.slots.len() - 1, channels: 0..shape[2] })
    }

    fn parameter(&mut self, name: String, shape: &[usize], role: Role) -> Result<usize, Error> {
        self.new_name(&name)?;
        let index = self.parameters.push(name, shape, role);
        at_most("parameters", self.parameters.len(), limit::PARAMETERS)?;
        Ok(index)
    }

    fn new_name(&mut self, name: &str) -> Result<(), Error> {
        check_name(name)?;
        if self.names.insert(name.to_owned()) { Ok(()) } else { Err(Error::DuplicateName { name: name.to_owned() }) }
    }

    /// The full name of a layer.
    fn name(&self, name: &str) -> String {
        format!("{}{name}", self.scope)
    }

    /// What a layer without a name is called in tables and errors.
    fn label(&self, kind: &str) -> String {
        if self.scope.is_empty() { format!("{kind} (number {})", self.number) } else { self.name(kind) }
    }

    fn product(&self, name: &str, normalization: Option<Normalization>, activation: Activation) -> Product {
        Product { name: self.name(name), normalization: normalization.unwrap_or(self.normalization), activation }
    }

    /// Layers and branches are bounded together.
    fn count_layer(&mut self) -> Result<(), Error> {
        self.layers += 1;
        at_most("layers", self.layers, limit::LAYERS)
    }

    /// Layers one after the other.
    fn sequence(&mut self, layers: &[Layer], x: Place) -> Result<Place, Error> {
        layers.iter().try_fold(x, |x, layer| self.layer(layer, x))
    }

    /// Layers whose names start with that of the block they are in.
    fn scoped(&mut self, name: &str, build: impl FnOnce(&mut Self) -> Result<Place, Error>) -> Result<Place, Error> {
        let outside = self.scope.clone();
        self.scope = format!("{outside}{name}.");
        check_name(&self.scope)?;
        let y = build(self)?;
        self.scope = outside;
        Ok(y)
    }

    fn layer(&mut self, layer: &Layer, x: Place) -> Result<Place, Error> {
        self.count_layer()?;
        match layer {
            Layer::Convolution(Convolution { name, kernel, stride, padding, channels, normalization, activation }) => {
                let product = self.product(name, *normalization, *activation);
                let window = window(&product.name, *kernel, *stride, *padding)?;
                self.convolution(&product, x, *channels, window)
            }
            Layer::Depthwise(Depthwise { name, kernel, stride, padding, normalization, activation }) => {
                let product = self.product(name, *normalization, *activation);
                let window = window(&product.name, *kernel, *stride, *padding)?;
                self.depthwise(&product, x, window)
            }
            Layer::FullyConnected(FullyConnected { name, channels, normalization, activation }) => {
                let product = self.product(name, *normalization, *activation);
                self.fully_connected(&product, x, *channels)
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
            Layer::Residual(layer) => self.residual(layer, x),
            Layer::SqueezeExcitation(layer) => self.squeeze_excitation(layer, x),
            Layer::ZeroPad(ZeroPad { size }) => {
                let label = self.label("zero_pad");
                let [height, width, channels] = self.shape(&x);
                for side in size {
                    in_range(&label, "size", *side, 1, limit::SIDE)?;
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
                in_range(&label, "pieces", pieces, 1, limit::CHANNELS)?;
                let [height, width, channels] = self.shape(&x);
                if channels % pieces != 0 {
                    return Err(Error::MaxoutPieces { layer: label, channels, pieces });
                }
                self.unary(label, [height, width, channels / pieces], |y| Operation::Maxout { x, y, pieces })
            }
            Layer::Dropout(layer) => {
                let label = self.label("dropout");
                let rate = layer.rate;
                real_in_range(&format!("layer {label}"), "rate", rate, 0.0, 0.99)?;
                let layer = self.layers as u64 - 1;
                self.unary(label, self.shape(&x), |y| Operation::Dropout { x, y, rate, layer })
            }
        }
    }

    /// A row of the table, with the entries of parameters after the first `before`.
    fn finish(&mut self, layer: String, y: &Place, before: usize, multiply_adds: usize) {
        let output = self.shape(y);
        let [mut weights, mut biases, mut parameters] = [0; 3];
        for entry in &self.parameters.entries()[before..] {
            parameters += entry.range.len();
            match entry.role {
                Role::Weight { .. } => weights += entry.range.len(),
                Role::Zero => biases += entry.range.len(),
                Role::One | Role::Slope => {}
            }
        }
        let bias_additions = if biases > 0 { output.iter().product() } else { 0 };
        // Those since the last row.
        self.operation_rows.resize(self.operations.len(), self.rows.len());
        self.rows.push(Row { layer, output, weights, biases, parameters, multiply_adds, bias_additions });
    }

    /// An operation without parameters, which writes to a slot of its own.
    fn unary(
        &mut self,
        label: String,
        shape: [usize; 3],
        operation: impl FnOnce(Place) -> Operation,
    ) -> Result<Place, Error> {
        let y = self.slot(shape)?;
        self.operations.push(operation(y.clone()));
        self.finish(label, &y, self.parameters.entries().len(), 0);
        Ok(y)
    }

    fn windowed(&self, layer: &str, window: Window, x: &Place) -> Result<[usize; 2], Error> {
        let [height, width, _] = self.shape(x);
        window.output([height, width]).ok_or_else(|| Error::WindowDoesNotFit {
            layer: layer.to_owned(),
            kernel: window.kernel,
            padding: window.padding,
            height,
            width,
        })
    }

    fn convolution(&mut self, product: &Product, x: Place, channels: usize, window: Window) -> Result<Place, Error> {
        in_range(&product.name, "channels", channels, 1, limit::CHANNELS)?;
        let [height, width] = self.windowed(&product.name, window, &x)?;
        let inputs = x.channels.len();
        let [rows, columns] = window.kernel;
        let taps = rows * columns;
        let before = self.parameters.entries().len();
        let role = Role::Weight { inputs: taps * inputs, outputs: taps * channels };
        let weight = self.parameter(format!("{}.weight", product.name), &[rows, columns, inputs, channels], role)?;
        let multiply_adds = height * width * taps * inputs * channels;
        let y =
            self.followed(product, [height, width, channels], |y| Operation::Convolution { x, y, weight, window })?;
        self.finish(product.name.clone(), &y, before, multiply_adds);
        Ok(y)
    }

    fn depthwise(&mut self, product: &Product, x: Place, window: Window) -> Result<Place, Error> {
        let [height, width] = self.windowed(&product.name, window, &x)?;
        let channels = x.channels.len();
        let [rows, columns] = window.kernel;
        let taps = rows * columns;
        let before = self.parameters.entries().len();
        let role = Role::Weight { inputs: taps, outputs: taps };
        let weight = self.parameter(format!("{}.weight", product.name), &[rows, columns, channels], role)?;
        let y = self.followed(product, [height, width, channels], |y| Operation::Depthwise { x, y, weight, window })?;
        self.finish(product.name.clone(), &y, before, height * width * taps * channels);
        Ok(y)
    }

    fn fully_connected(&mut self, product: &Product, x: Place, channels: usize) -> Result<Place, Error> {
        in_range(&product.name, "channels", channels, 1, limit::CHANNELS)?;
        let inputs: usize = self.shape(&x).iter().product();
        let before = self.parameters.entries().len();
        let role = Role::Weight { inputs, outputs: channels };
        let weight = self.parameter(format!("{}.weight", product.name), &[inputs, channels], role)?;
        let y = self.followed(product, [1, 1, channels], |y| Operation::Linear { x, y, weight })?;
        self.finish(product.name.clone(), &y, before, inputs * channels);
        Ok(y)
    }

    fn pool(&mut self, pool: &Pool, x: Place) -> Result<Place, Error> {
        let label = self.label("pool");
        let window = window(&label, pool.kernel, pool.stride, pool.padding)?;
        let [height, width] = self.windowed(&label, window, &x)?;
        let kind = pool.kind;
        self.unary(label, [height, width, x.channels.len()], |y| Operation::Pool { x, y, kind, window })
    }

    fn global_average_pool(&mut self, x: Place) -> Result<Place, Error> {
        let label = self.label("global_average_pool");
        self.unary(label, [1, 1, x.channels.len()], |y| Operation::GlobalAveragePool { x, y })
    }

    fn local_response_norm(&mut self, layer: LocalResponseNorm, x: Place) -> Result<Place, Error> {
        let label = self.label("local_response_norm");
        let LocalResponseNorm { size, alpha, beta, k } = layer;
        in_range(&label, "size", size, 1, limit::CHANNELS)?;
        let place = format!("layer {label}");
        real_in_range(&place, "alpha", alpha, 0.0, 1e6)?;
        real_in_range(&place, "beta", beta, 0.0, 1e3)?;
        real_in_range(&place, "k", k, 1e-6, 1e6)?;
        let numbers = LocalResponseNormParameters { size, alpha, beta, k };
        self.unary(label, self.shape(&x), |y| Operation::LocalResponseNorm { x, y, numbers })
    }

    /// The row as branches of layers.
    fn inception(&mut self, layer: &Inception, x: Place) -> Result<Place, Error> {
        let stride = layer.stride;
        let name = self.name(&layer.name);
        in_range(&name, "stride", stride, 1, limit::WINDOW)?;
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

    /// Builds each branch, then has its last operations write into its slice of the concatenated output instead.
    fn branches(&mut self, label: String, branches: &[Vec<Layer>], x: Place) -> Result<Place, Error> {
        if branches.iter().all(Vec::is_empty) {
            return Err(Error::NoBranch { layer: label });
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
                for place in operation.places_mut() {
                    if place.slot == output.slot {
                        let channels = start + place.channels.start..start + place.channels.end;
                        *place = Place { slot: y.slot, channels };
                    }
                }
            }
            start += output.channels.len();
        }
        self.finish(label, &y, self.parameters.entries().len(), 0);
        Ok(y)
    }

    fn residual(&mut self, layer: &Residual, mut x: Place) -> Result<Place, Error> {
        let name = self.name(&layer.name);
        in_range(&name, "repeat", layer.repeat, 1, limit::LAYERS)?;
        real_in_range(&format!("layer {name}"), "scale", layer.scale, -1e6, 1e6)?;
        if layer.layers.is_empty() {
            return Err(Error::NoBranch { layer: name });
        }
        for number in 1..=layer.repeat {
            let block = if layer.repeat == 1 { layer.name.clone() } else { format!("{}_{number}", layer.name) };
            let branch = self.scoped(&block, |builder| builder.sequence(&layer.layers, x.clone()))?;
            let [expected, found] = [self.shape(&x), self.shape(&branch)];
            if expected != found {
                return Err(Error::ResidualShape { layer: self.name(&block), found, expected });
            }
            let before = self.parameters.entries().len();
            let product = self.product(&block, Some(Normalization::None), layer.activation);
            let scale = layer.scale;
            let y = self.followed(&product, expected, |y| Operation::ScaledSum { x, branch, y, scale })?;
            self.finish(product.name, &y, before, 0);
            x = y;
        }
        Ok(x)
    }

    fn squeeze_excitation(&mut self, layer: &SqueezeExcitation, x: Place) -> Result<Place, Error> {
        let name = self.name(&layer.name);
        let gate = self.scoped(&layer.name, |builder| {
            let mean = builder.global_average_pool(x.clone())?;
            let reduce = builder.product("reduce", Some(Normalization::Bias), layer.activation);
            let reduced = builder.fully_connected(&reduce, mean, layer.channels)?;
            let expand = builder.product("expand", Some(Normalization::Bias), Activation::Sigmoid);
            builder.fully_connected(&expand, reduced, x.channels.len())
        })?;
        self.unary(name, self.shape(&x), |y| Operation::ChannelScale { x, gate, y })
    }

    /// The product, then its normalisation and activation.
    fn followed(
        &mut self,
        product: &Product,
        shape: [usize; 3],
        operation: impl FnOnce(Place) -> Operation,
    ) -> Result<Place, Error> {
        let channels = shape[2];
        let name = |field: &str| format!("{}.{field}", product.name);
        let y = self.slot(shape)?;
        // Batch norm and PReLU read what they replace in their backward pass, so it has a slot of its own.
        let slopes = match product.activation {
            Activation::Prelu => Some(channels),
            Activation::PreluShared => Some(1),
            Activation::Relu | Activation::Sigmoid | Activation::None => None,
        };
        let normalized = if slopes.is_some() { self.slot(shape)? } else { y.clone() };
        let multiplied = match product.normalization {
            Normalization::BatchNorm => self.slot(shape)?,
            Normalization::Bias | Normalization::None => normalized.clone(),
        };
        self.operations.push(operation(multiplied.clone()));
        match product.normalization {
            Normalization::None => {}
            Normalization::Bias => {
                let bias = self.parameter(name("bias"), &[channels], Role::Zero)?;
                self.operations.push(Operation::Bias { y: normalized.clone(), bias });
            }
            Normalization::BatchNorm => {
                let scale = self.parameter(name("batch_norm.scale"), &[channels], Role::One)?;
                let shift = self.parameter(name("batch_norm.shift"), &[channels], Role::Zero)?;
                self.new_name(&name("batch_norm.mean"))?;
                self.new_name(&name("batch_norm.variance"))?;
                let mean = self.statistics.push(name("batch_norm.mean"), &[channels], Role::Zero);
                let variance = self.statistics.push(name("batch_norm.variance"), &[channels], Role::One);
                let y = normalized.clone();
                let rectified = product.activation == Activation::Relu;
                self.operations.push(Operation::BatchNorm {
                    x: multiplied,
                    y,
                    scale,
                    shift,
                    mean,
                    variance,
                    rectified,
                });
            }
        }
        match product.activation {
            Activation::None => {}
            // Batch normalisation rectifies in the same pass.
            Activation::Relu if product.normalization == Normalization::BatchNorm => {}
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
        in_range(layer, "kernel", kernel[axis], 1, limit::WINDOW)?;
        in_range(layer, "stride", stride[axis], 1, limit::WINDOW)?;
        in_range(layer, "padding", padding[axis], 0, kernel[axis] - 1)?;
    }
    in_range(layer, "kernel height times width", kernel[0] * kernel[1], 1, limit::TAPS)?;
    Ok(Window { kernel, stride, padding })
}

/// Names are paths of fields, none of them empty.
fn check_name(name: &str) -> Result<(), Error> {
    if name.starts_with('.') || name.contains("..") || name.len() > limit::NAME {
        return Err(Error::LayerName { name: name.chars().take(limit::NAME).collect() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;
    use crate::Plan;

    /// Each branch writes to its own channels of the one output, in order, however deep it is.
    #[test]
    fn branches_share_their_output_out() {
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
            panic!("the embedding is a product")
        };
        assert_eq!((plan.slots[output.slot], output.channels.clone()), ([8, 8, 13], 0..13));
        // What is written last: the rectified a, b and c, the copy of the three colours, PReLU of the sum.
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
        assert_eq!(emptied, 6, "the outputs that were moved take no memory");
    }
}
