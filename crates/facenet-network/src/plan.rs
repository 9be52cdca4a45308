//! A description resolved: operations in order, with every shape, buffer and parameter fixed.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use facenet_tensor::{LocalResponse, Window};

use crate::Error;
use crate::description::{Activation, Description, Inception, Layer, Normalization, Pool, PoolKind};
use crate::parameters::{ParameterTable, Role};
use crate::preprocessing::Scaling;

/// The slot of the network's input.
pub(crate) const INPUT: usize = 0;

/// Channels of a slot: where an operation reads or writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) slot: usize,
    pub(crate) channels: Range<usize>,
}

/// One step of the network. Numbers are indices into the tables of parameters and statistics; operations with only a `y`
/// work in place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operation {
    Convolution { x: Place, y: Place, weight: usize, window: Window },
    Depthwise { x: Place, y: Place, weight: usize, window: Window },
    Linear { x: Place, y: Place, weight: usize },
    Bias { y: Place, bias: usize },
    BatchNorm { x: Place, y: Place, scale: usize, shift: usize, mean: usize, variance: usize },
    Relu { y: Place },
    Sigmoid { y: Place },
    PRelu { x: Place, y: Place, slope: usize },
    LocalResponseNorm { x: Place, y: Place, numbers: LocalResponse },
    Maxout { x: Place, y: Place, pieces: usize },
    Pool { x: Place, y: Place, kind: PoolKind, window: Window },
    GlobalAveragePool { x: Place, y: Place },
    Dropout { x: Place, y: Place, rate: f64, layer: u64 },
    L2Normalize { x: Place, y: Place },
}

/// One row of a printed table: a layer with what it costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The layer's name.
    pub layer: String,
    /// Height, width and channels of its output.
    pub output: [usize; 3],
    /// Learned numbers.
    pub parameters: usize,
    /// Multiplications with an addition, per face.
    pub multiply_adds: usize,
}

/// A network resolved: operations in order, over slots of fixed shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub(crate) operations: Vec<Operation>,
    /// Height, width and channels of each slot.
    pub(crate) slots: Vec<[usize; 3]>,
    pub(crate) epsilon: f64,
    parameters: Arc<ParameterTable>,
    statistics: Arc<ParameterTable>,
    rows: Vec<Row>,
}

/// Limits on what a description may ask for, so that a hostile one can't exhaust memory.
mod limit {
    pub(super) const LAYERS: usize = 10_000;
    pub(super) const SIDE: usize = 4_096;
    pub(super) const CHANNELS: usize = 65_536;
    pub(super) const WINDOW: usize = 1_024;
    pub(super) const NAME: usize = 200;
    /// What a variance of 0 may be divided by.
    pub(super) const EPSILON: f64 = 1e-12;
    /// Pixels between the points of a template that are farthest apart, along one axis.
    pub(super) const TEMPLATE: f32 = 1.0;
    pub(super) const PARAMETERS: usize = 1 << 30;
    pub(super) const ACTIVATIONS: usize = 1 << 28;
}

impl Plan {
    /// Resolves a description.
    ///
    /// # Errors
    ///
    /// If a number is out of range, a window doesn't fit, a name is used twice, or the network is beyond the limits.
    pub fn new(description: &Description) -> Result<Self, Error> {
        let [height, width] = description.input;
        for (field, side) in [("height", height), ("width", width)] {
            real_in_range("input", field, side as f64, 1.0, limit::SIDE as f64)?;
        }
        in_range("embedding", "channels", description.embedding, 1, limit::CHANNELS)?;
        real_in_range("batch_norm", "epsilon", description.batch_norm.epsilon, limit::EPSILON, 1.0)?;
        real_in_range("batch_norm", "momentum", description.batch_norm.momentum, 0.0, 1.0)?;
        at_most("layers", description.layers.len(), limit::LAYERS)?;
        if let Scaling::Fixed { subtract, divide } = description.preprocessing.scaling {
            real_in_range("preprocessing", "subtract", subtract.into(), -1e6, 1e6)?;
            real_in_range("preprocessing", "divide", divide.into(), 1e-6, 1e6)?;
        }
        if let Some(template) = &description.preprocessing.template {
            check_template(template, description.input)?;
        }
        let mut builder = Builder::new([height, width, 3]);
        let mut x = Place { slot: INPUT, channels: 0..3 };
        for (index, layer) in description.layers.iter().enumerate() {
            x = builder.layer(index, layer, x)?;
        }
        x = builder.fully_connected(
            Product { name: "embedding", normalization: Normalization::None, activation: Activation::None },
            x,
            description.embedding,
        )?;
        let y = builder.slot([1, 1, description.embedding])?;
        builder.operations.push(Operation::L2Normalize { x, y });
        Ok(Self {
            operations: builder.operations,
            slots: builder.slots,
            epsilon: description.batch_norm.epsilon,
            parameters: Arc::new(builder.parameters),
            statistics: Arc::new(builder.statistics),
            rows: builder.rows,
        })
    }

    /// The learned numbers.
    #[must_use]
    pub fn parameters(&self) -> &Arc<ParameterTable> {
        &self.parameters
    }

    /// The running mean and variance of every batch normalisation.
    #[must_use]
    pub fn statistics(&self) -> &Arc<ParameterTable> {
        &self.statistics
    }

    /// Height and width of the faces.
    #[must_use]
    pub fn input(&self) -> [usize; 2] {
        let [height, width, _] = self.slots[INPUT];
        [height, width]
    }

    /// Numbers per embedding.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.slots[self.output_slot()][2]
    }

    /// What each layer puts out and costs.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Multiplications with an addition that one face takes.
    #[must_use]
    pub fn multiply_adds(&self) -> usize {
        self.rows.iter().map(|row| row.multiply_adds).sum()
    }

    /// Numbers between the layers, per face.
    #[must_use]
    pub fn activations(&self) -> usize {
        self.slots.iter().map(|shape| shape.iter().product::<usize>()).sum()
    }

    pub(crate) fn output_slot(&self) -> usize {
        self.slots.len() - 1
    }
}

/// A product with what follows it.
#[derive(Clone, Copy)]
struct Product<'a> {
    name: &'a str,
    normalization: Normalization,
    activation: Activation,
}

#[derive(Default)]
struct Builder {
    operations: Vec<Operation>,
    slots: Vec<[usize; 3]>,
    activations: usize,
    parameters: ParameterTable,
    statistics: ParameterTable,
    names: HashSet<String>,
    rows: Vec<Row>,
}

impl Builder {
    fn new(input: [usize; 3]) -> Self {
        Self { slots: vec![input], activations: input.iter().product(), ..Self::default() }
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
        if name.starts_with('.') || name.len() > limit::NAME {
            return Err(Error::LayerName { name: name.chars().take(limit::NAME).collect() });
        }
        if self.names.insert(name.to_owned()) { Ok(()) } else { Err(Error::DuplicateName { name: name.to_owned() }) }
    }

    fn layer(&mut self, index: usize, layer: &Layer, x: Place) -> Result<Place, Error> {
        let [height, width, channels] = self.shape(&x);
        let place = |kind: &str| format!("{kind} (number {})", index + 1);
        match layer {
            Layer::Convolution(layer) => {
                let product =
                    Product { name: &layer.name, normalization: layer.normalization, activation: layer.activation };
                let window = window(&layer.name, layer.kernel, layer.stride, layer.padding)?;
                self.convolution(product, x, layer.channels, window, None)
            }
            Layer::Depthwise(layer) => {
                let product =
                    Product { name: &layer.name, normalization: layer.normalization, activation: layer.activation };
                let window = window(&layer.name, layer.kernel, layer.stride, layer.padding)?;
                self.depthwise(product, x, window)
            }
            Layer::FullyConnected(layer) => {
                let product =
                    Product { name: &layer.name, normalization: layer.normalization, activation: layer.activation };
                self.fully_connected(product, x, layer.channels)
            }
            Layer::Inception(layer) => self.inception(layer, x),
            Layer::Pool(layer) => self.pool(&place("pool"), layer, x, None),
            Layer::LocalResponseNorm(layer) => {
                let name = place("local_response_norm");
                in_range(&name, "size", layer.size, 1, limit::CHANNELS)?;
                real_in_range(&format!("layer {name}"), "alpha", layer.alpha, 0.0, 1e6)?;
                real_in_range(&format!("layer {name}"), "beta", layer.beta, 0.0, 1e3)?;
                real_in_range(&format!("layer {name}"), "k", layer.k, 1e-6, 1e6)?;
                let numbers = LocalResponse { size: layer.size, alpha: layer.alpha, beta: layer.beta, k: layer.k };
                let y = self.slot([height, width, channels])?;
                self.finish(name, &y, 0, 0);
                self.operations.push(Operation::LocalResponseNorm { x, y: y.clone(), numbers });
                Ok(y)
            }
            Layer::GlobalAveragePool(_) => {
                let y = self.slot([1, 1, channels])?;
                self.finish(place("global_average_pool"), &y, 0, 0);
                self.operations.push(Operation::GlobalAveragePool { x, y: y.clone() });
                Ok(y)
            }
            Layer::Maxout(layer) => {
                let name = place("maxout");
                in_range(&name, "pieces", layer.pieces, 1, limit::CHANNELS)?;
                if channels % layer.pieces != 0 {
                    return Err(Error::MaxoutPieces { layer: name, channels, pieces: layer.pieces });
                }
                let y = self.slot([height, width, channels / layer.pieces])?;
                self.finish(name, &y, 0, 0);
                self.operations.push(Operation::Maxout { x, y: y.clone(), pieces: layer.pieces });
                Ok(y)
            }
            Layer::Dropout(layer) => {
                let name = place("dropout");
                real_in_range(&format!("layer {name}"), "rate", layer.rate, 0.0, 0.99)?;
                let y = self.slot([height, width, channels])?;
                self.finish(name, &y, 0, 0);
                let operation = Operation::Dropout { x, y: y.clone(), rate: layer.rate, layer: index as u64 };
                self.operations.push(operation);
                Ok(y)
            }
        }
    }

    /// A row of the table, after the operations' parameters are known.
    fn finish(&mut self, layer: String, y: &Place, parameters: usize, multiply_adds: usize) {
        let output = self.shape(y);
        self.rows.push(Row { layer, output, parameters, multiply_adds });
    }

    fn windowed(&self, layer: &str, window: Window, x: &Place) -> Result<[usize; 2], Error> {
        let [height, width, _] = self.shape(x);
        window.output([height, width]).ok_or_else(|| Error::WindowDoesNotFit {
            layer: layer.to_owned(),
            kernel: window.kernel[0],
            padding: window.padding[0],
            height,
            width,
        })
    }

    fn convolution(
        &mut self,
        product: Product<'_>,
        x: Place,
        channels: usize,
        window: Window,
        out: Option<Place>,
    ) -> Result<Place, Error> {
        in_range(product.name, "channels", channels, 1, limit::CHANNELS)?;
        let [height, width] = self.windowed(product.name, window, &x)?;
        let inputs = x.channels.len();
        let [rows, columns] = window.kernel;
        let taps = rows * columns;
        let before = self.parameters.len();
        let role = Role::Weight { inputs: taps * inputs, outputs: taps * channels };
        let weight = self.parameter(format!("{}.weight", product.name), &[rows, columns, inputs, channels], role)?;
        let multiply_adds = height * width * taps * inputs * channels;
        let y = self.followed(product, [height, width, channels], out, |y| Operation::Convolution {
            x,
            y,
            weight,
            window,
        })?;
        self.finish(product.name.to_owned(), &y, self.parameters.len() - before, multiply_adds);
        Ok(y)
    }

    fn depthwise(&mut self, product: Product<'_>, x: Place, window: Window) -> Result<Place, Error> {
        let [height, width] = self.windowed(product.name, window, &x)?;
        let channels = x.channels.len();
        let [rows, columns] = window.kernel;
        let taps = rows * columns;
        let before = self.parameters.len();
        let role = Role::Weight { inputs: taps, outputs: taps };
        let weight = self.parameter(format!("{}.weight", product.name), &[rows, columns, channels], role)?;
        let y =
            self.followed(product, [height, width, channels], None, |y| Operation::Depthwise { x, y, weight, window })?;
        let multiply_adds = height * width * taps * channels;
        self.finish(product.name.to_owned(), &y, self.parameters.len() - before, multiply_adds);
        Ok(y)
    }

    fn fully_connected(&mut self, product: Product<'_>, x: Place, channels: usize) -> Result<Place, Error> {
        in_range(product.name, "channels", channels, 1, limit::CHANNELS)?;
        let inputs: usize = self.shape(&x).iter().product();
        let before = self.parameters.len();
        let role = Role::Weight { inputs, outputs: channels };
        let weight = self.parameter(format!("{}.weight", product.name), &[inputs, channels], role)?;
        let y = self.followed(product, [1, 1, channels], None, |y| Operation::Linear { x, y, weight })?;
        self.finish(product.name.to_owned(), &y, self.parameters.len() - before, inputs * channels);
        Ok(y)
    }

    fn pool(&mut self, name: &str, pool: &Pool, x: Place, out: Option<Place>) -> Result<Place, Error> {
        let window = window(name, pool.kernel, pool.stride, pool.padding)?;
        let [height, width] = self.windowed(name, window, &x)?;
        let y = match out {
            Some(out) => out,
            None => self.slot([height, width, x.channels.len()])?,
        };
        self.operations.push(Operation::Pool { x, y: y.clone(), kind: pool.kind, window });
        self.finish(name.to_owned(), &y, 0, 0);
        Ok(y)
    }

    /// The branches write into their slices of the output.
    fn inception(&mut self, layer: &Inception, x: Place) -> Result<Place, Error> {
        let stride = layer.stride;
        in_range(&layer.name, "stride", stride, 1, limit::WINDOW)?;
        if stride > 1 && layer.branch_1x1.is_some() {
            return Err(Error::StridedBranch { layer: layer.name.clone(), stride });
        }
        let [height, width, inputs] = self.shape(&x);
        let pooled = layer.branch_pool.map(|branch| branch.projection.unwrap_or(inputs));
        let widths =
            [layer.branch_1x1, layer.branch_3x3.map(|[_, out]| out), layer.branch_5x5.map(|[_, out]| out), pooled];
        for channels in widths.into_iter().flatten() {
            in_range(&layer.name, "channels of a branch", channels, 1, limit::CHANNELS)?;
        }
        let channels = widths.into_iter().flatten().sum();
        if channels == 0 {
            return Err(Error::NoBranch { layer: layer.name.clone() });
        }
        let y = self.slot([(height - 1) / stride + 1, (width - 1) / stride + 1, channels])?;
        let mut start = 0;
        let mut slices = widths.map(|width| {
            width.map(|width| {
                start += width;
                Place { slot: y.slot, channels: start - width..start }
            })
        });
        let point = Window::square(1, 1, 0);
        fn product<'a>(layer: &Inception, name: &'a str) -> Product<'a> {
            Product { name, normalization: layer.normalization, activation: layer.activation }
        }
        let name = |branch: &str| format!("{}.{branch}", layer.name);
        if let Some(channels) = layer.branch_1x1 {
            self.convolution(product(layer, &name("branch_1x1.conv")), x.clone(), channels, point, slices[0].take())?;
        }
        let windowed = [("branch_3x3", layer.branch_3x3, 3), ("branch_5x5", layer.branch_5x5, 5)];
        for ((branch, widths, kernel), slice) in windowed.into_iter().zip(&mut slices[1..3]) {
            if let Some([reduced, channels]) = widths {
                let reduce = name(&format!("{branch}.reduce"));
                let reduced = self.convolution(product(layer, &reduce), x.clone(), reduced, point, None)?;
                let window = Window::square(kernel, stride, kernel / 2);
                let conv = name(&format!("{branch}.conv"));
                self.convolution(product(layer, &conv), reduced, channels, window, slice.take())?;
            }
        }
        if let Some(branch) = layer.branch_pool {
            let pool = Pool { kind: branch.kind, kernel: 3, stride, padding: 1 };
            let pool_name = name("branch_pool");
            match branch.projection {
                None => {
                    self.pool(&pool_name, &pool, x, slices[3].take())?;
                }
                Some(channels) => {
                    let pooled = self.pool(&pool_name, &pool, x, None)?;
                    let conv = name("branch_pool.conv");
                    self.convolution(product(layer, &conv), pooled, channels, point, slices[3].take())?;
                }
            }
        }
        Ok(y)
    }

    /// The product, then its normalisation and activation; the last of them writes to `out`, or to a slot of its own.
    fn followed(
        &mut self,
        product: Product<'_>,
        shape: [usize; 3],
        out: Option<Place>,
        operation: impl FnOnce(Place) -> Operation,
    ) -> Result<Place, Error> {
        let channels = shape[2];
        let name = |field: &str| format!("{}.{field}", product.name);
        let y = match out {
            Some(out) => out,
            None => self.slot(shape)?,
        };
        // Batch norm and PReLU read what they replace in their backward pass, so it has a slot of its own.
        let normalized = if product.activation == Activation::Prelu { self.slot(shape)? } else { y.clone() };
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
                self.operations.push(Operation::BatchNorm { x: multiplied, y, scale, shift, mean, variance });
            }
        }
        match product.activation {
            Activation::None => {}
            Activation::Relu => self.operations.push(Operation::Relu { y: y.clone() }),
            Activation::Sigmoid => self.operations.push(Operation::Sigmoid { y: y.clone() }),
            Activation::Prelu => {
                let slope = self.parameter(name("slope"), &[channels], Role::Slope)?;
                self.operations.push(Operation::PRelu { x: normalized, y: y.clone(), slope });
            }
        }
        Ok(y)
    }
}

fn window(layer: &str, kernel: usize, stride: usize, padding: usize) -> Result<Window, Error> {
    in_range(layer, "kernel", kernel, 1, limit::WINDOW)?;
    in_range(layer, "stride", stride, 1, limit::WINDOW)?;
    in_range(layer, "padding", padding, 0, kernel - 1)?;
    Ok(Window::square(kernel, stride, padding))
}

/// Points may lie outside the face, but no farther than its size; and they are not one point.
fn check_template(template: &[[f32; 2]; 5], [height, width]: [usize; 2]) -> Result<(), Error> {
    for &[x, y] in template {
        for (field, value, side) in [("x of template", x, width), ("y of template", y, height)] {
            real_in_range("preprocessing", field, value.into(), -(side as f64), 2.0 * side as f64)?;
        }
    }
    let spread = |axis: usize| {
        let values = template.iter().map(|point| point[axis]);
        values.clone().fold(f32::MIN, f32::max) - values.fold(f32::MAX, f32::min)
    };
    if spread(0).max(spread(1)) < limit::TEMPLATE { Err(Error::TemplateCoincides) } else { Ok(()) }
}

fn in_range(layer: &str, field: &'static str, value: usize, least: usize, most: usize) -> Result<(), Error> {
    real_in_range(&format!("layer {layer}"), field, value as f64, least as f64, most as f64)
}

pub(crate) fn real_in_range(place: &str, field: &'static str, value: f64, least: f64, most: f64) -> Result<(), Error> {
    if (least..=most).contains(&value) {
        Ok(())
    } else {
        Err(Error::OutOfRange { place: place.to_owned(), field, value, least, most })
    }
}

pub(crate) fn at_most(what: &'static str, found: usize, limit: usize) -> Result<(), Error> {
    if found <= limit { Ok(()) } else { Err(Error::TooLarge { what, found, limit }) }
}
