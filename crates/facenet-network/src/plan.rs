//! A description resolved: operations in order, with every shape, buffer and parameter fixed.

mod builder;

use std::ops::Range;
use std::sync::Arc;

use facenet_tensor::{LocalResponseNormParameters, Window};

use self::builder::Builder;
use crate::Error;
use crate::description::{Description, PoolKind};
use crate::parameters::ParameterTable;
use crate::preprocessing::Scaling;
use crate::sharing::Sharing;

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
    BatchNorm { x: Place, y: Place, scale: usize, shift: usize, mean: usize, variance: usize, rectified: bool },
    Relu { y: Place },
    Sigmoid { y: Place },
    PRelu { x: Place, y: Place, slope: usize },
    LocalResponseNorm { x: Place, y: Place, numbers: LocalResponseNormParameters },
    Maxout { x: Place, y: Place, pieces: usize },
    Pool { x: Place, y: Place, kind: PoolKind, window: Window },
    GlobalAveragePool { x: Place, y: Place },
    Dropout { x: Place, y: Place, rate: f64, layer: u64 },
    ScaledSum { x: Place, branch: Place, y: Place, scale: f64 },
    ChannelScale { x: Place, gate: Place, y: Place },
    ZeroPad { x: Place, y: Place, before: [usize; 2] },
    L2Normalize { x: Place, y: Place },
}

impl Operation {
    /// Copies `x`: padding by no zeros.
    pub(crate) fn copy(x: Place, y: Place) -> Self {
        Self::ZeroPad { x, y, before: [0; 2] }
    }

    /// The places whose gradients it can write over, where it is the first to write them, instead of adding to zeros.
    pub(crate) fn sets_gradients(&self) -> [Option<&Place>; 2] {
        match self {
            Self::Convolution { x, .. } | Self::Linear { x, .. } | Self::BatchNorm { x, .. } if x.slot != INPUT => {
                [Some(x), None]
            }
            Self::ScaledSum { x, branch, .. } if x.slot != branch.slot => [Some(x), Some(branch)],
            _ => [None, None],
        }
    }

    /// Where it reads and writes.
    pub(crate) fn places(&self) -> Vec<Place> {
        self.clone().places_mut().map(|place| place.clone()).collect()
    }

    /// As [`Operation::places`], to be moved.
    fn places_mut(&mut self) -> impl Iterator<Item = &mut Place> {
        let (x, other, y) = match self {
            Self::Bias { y, .. } | Self::Relu { y } | Self::Sigmoid { y } => (None, None, y),
            Self::ScaledSum { x, branch: other, y, .. } | Self::ChannelScale { x, gate: other, y } => {
                (Some(x), Some(other), y)
            }
            Self::Convolution { x, y, .. }
            | Self::Depthwise { x, y, .. }
            | Self::Linear { x, y, .. }
            | Self::BatchNorm { x, y, .. }
            | Self::PRelu { x, y, .. }
            | Self::LocalResponseNorm { x, y, .. }
            | Self::Maxout { x, y, .. }
            | Self::Pool { x, y, .. }
            | Self::GlobalAveragePool { x, y }
            | Self::Dropout { x, y, .. }
            | Self::ZeroPad { x, y, .. }
            | Self::L2Normalize { x, y } => (Some(x), None, y),
        };
        [x, other, Some(y)].into_iter().flatten()
    }
}

/// One row of a printed table: a layer with what it costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The layer's name.
    pub layer: String,
    /// Height, width and channels of its output.
    pub output: [usize; 3],
    /// Weights of its product.
    pub weights: usize,
    /// What is added to each channel: biases, or the shifts of batch normalisation.
    pub biases: usize,
    /// All learned numbers: weights, biases, scales of batch normalisation, slopes.
    pub parameters: usize,
    /// Multiplications of its product with an addition, per face.
    pub multiply_adds: usize,
    /// Additions of a bias to the outputs of its product, per face.
    pub bias_additions: usize,
}

impl Row {
    /// Adds what another layer costs, which takes the output on.
    fn add(&mut self, next: &Self) {
        self.output = next.output;
        self.weights += next.weights;
        self.biases += next.biases;
        self.parameters += next.parameters;
        self.multiply_adds += next.multiply_adds;
        self.bias_additions += next.bias_additions;
    }
}

/// A network resolved: operations in order, over slots of fixed shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub(crate) operations: Vec<Operation>,
    /// The row of each operation, by which its time is counted.
    pub(crate) operation_rows: Vec<usize>,
    /// Height, width and channels of each slot.
    pub(crate) slots: Vec<[usize; 3]>,
    /// Where the result is.
    pub(crate) output: Place,
    /// Where gradients lie on the way back, from the last operation to the first.
    pub(crate) gradients: Sharing,
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
    pub(super) const TAPS: usize = 1 << 14;
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
        if let Some(channels) = description.embedding {
            in_range("embedding", "channels", channels, 1, limit::CHANNELS)?;
        }
        real_in_range("batch_norm", "epsilon", description.batch_norm.epsilon, limit::EPSILON, 1.0)?;
        real_in_range("batch_norm", "momentum", description.batch_norm.momentum, 0.0, 1.0)?;
        if let Scaling::Fixed { subtract, divide } = description.preprocessing.scaling {
            for (subtract, divide) in subtract.into_iter().zip(divide) {
                real_in_range("preprocessing", "subtract", subtract.into(), -1e6, 1e6)?;
                real_in_range("preprocessing", "divide", divide.into(), 1e-6, 1e6)?;
            }
        }
        if let Some(template) = &description.preprocessing.template {
            check_template(template, description.input)?;
        }
        let (builder, output) = Builder::build(description)?;
        let slots_of = |operation: &Operation| operation.places().iter().map(|place| place.slot).collect();
        let touched: Vec<Vec<usize>> = builder.operations.iter().rev().map(slots_of).collect();
        let gradients = Sharing::new(&touched, &builder.slots, output.slot, None);
        Ok(Self {
            operations: builder.operations,
            operation_rows: builder.operation_rows,
            slots: builder.slots,
            output,
            gradients,
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

    /// Numbers per embedding, or of what else comes out, per face.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.shape(&self.output).iter().product()
    }

    /// What each layer puts out and costs.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The rows of [`Plan::rows`] by the blocks of the description: those whose names are the same before the first dot
    /// add up, and put out what the last of them does.
    #[must_use]
    pub fn table(&self) -> Vec<Row> {
        let mut table: Vec<Row> = Vec::new();
        for row in &self.rows {
            let block = row.layer.split('.').next().unwrap_or_default();
            match table.last_mut().filter(|last| last.layer == block) {
                Some(last) => last.add(row),
                None => table.push(Row { layer: block.to_owned(), ..row.clone() }),
            }
        }
        table
    }

    /// Multiplications with an addition that one face takes.
    #[must_use]
    pub fn multiply_adds(&self) -> usize {
        self.rows.iter().map(|row| row.multiply_adds).sum()
    }

    /// The weights of all products.
    #[must_use]
    pub fn weights(&self) -> usize {
        self.rows.iter().map(|row| row.weights).sum()
    }

    /// What is added to channels: biases, and the shifts of batch normalisation.
    #[must_use]
    pub fn biases(&self) -> usize {
        self.rows.iter().map(|row| row.biases).sum()
    }

    /// Numbers between the layers, per face.
    #[must_use]
    pub fn activations(&self) -> usize {
        self.slots.iter().map(|shape| shape.iter().product::<usize>()).sum()
    }

    /// Height, width and channels of a place.
    pub(crate) fn shape(&self, place: &Place) -> [usize; 3] {
        let [height, width, _] = self.slots[place.slot];
        [height, width, place.channels.len()]
    }
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
