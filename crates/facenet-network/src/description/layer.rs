//! The layers that a description is made of.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::description::normalization::Normalization;

/// A layer: one row of the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", tag = "layer", rename_all = "snake_case")]
pub enum Layer {
    /// Convolution, normalization, activation.
    Convolution(Convolution),
    /// Depthwise convolution, normalization, activation.
    Depthwise(Depthwise),
    /// Depthwise separable convolution: a 1x1 convolution, then a depthwise one.
    Separable(Separable),
    /// Max, average or L2 pooling.
    Pool(Pool),
    /// Normalization across neighboring channels.
    LocalResponseNorm(LocalResponseNorm),
    /// Inception block of the paper: parallel convolutions and pooling, concatenated.
    Inception(Inception),
    /// Arbitrary parallel branches, concatenated.
    Branches(Branches),
    /// Consecutive layers under one name.
    Block(Block),
    /// Residual block.
    Residual(Residual),
    /// Sum with the output of an earlier layer.
    Sum(Sum),
    /// Nearest-neighbor upsampling.
    Upsample(Upsample),
    /// Squeeze-and-excitation block.
    SqueezeExcitation(SqueezeExcitation),
    /// Zero padding to a fixed size.
    ZeroPad(ZeroPad),
    /// Mean over all pixels.
    GlobalAveragePool(GlobalAveragePool),
    /// Fully connected layer, normalization, activation.
    FullyConnected(FullyConnected),
    /// Maximum over groups of `pieces` channels.
    Maxout(Maxout),
    /// Dropout, in training only.
    Dropout(Dropout),
}

impl Layer {
    /// The layer's name, for kinds of layers that have one.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Convolution(Convolution { name, .. })
            | Self::Depthwise(Depthwise { name, .. })
            | Self::Separable(Separable { name, .. })
            | Self::Inception(Inception { name, .. })
            | Self::Block(Block { name, .. })
            | Self::Residual(Residual { name, .. })
            | Self::SqueezeExcitation(SqueezeExcitation { name, .. })
            | Self::FullyConnected(FullyConnected { name, .. }) => Some(name),
            Self::Branches(Branches { name, .. }) => name.as_deref(),
            Self::Pool(_)
            | Self::LocalResponseNorm(_)
            | Self::Sum(_)
            | Self::Upsample(_)
            | Self::ZeroPad(_)
            | Self::GlobalAveragePool(_)
            | Self::Maxout(_)
            | Self::Dropout(_) => None,
        }
    }
}

impl Serialize for Layer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

/// As derived, except that errors name the layer.
impl<'de> Deserialize<'de> for Layer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = toml::Table::deserialize(deserializer)?;
        let text = |field: &str| fields.get(field).and_then(toml::Value::as_str);
        let name: String = text("name").or(text("layer")).unwrap_or("without a name").chars().take(100).collect();
        Self::deserialize(fields).map_err(|error: toml::de::Error| {
            let reason = error.message();
            D::Error::custom(format!("layer {name}: {reason}"))
        })
    }
}

/// A convolution with its normalization and activation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Convolution {
    /// Name in checkpoints.
    pub name: String,
    /// Kernel height and width.
    #[serde(with = "sides")]
    pub kernel: [usize; 2],
    /// Vertical and horizontal stride.
    #[serde(with = "sides", default = "ones")]
    pub stride: [usize; 2],
    /// Rows and columns of zero padding on each side.
    #[serde(with = "sides", default)]
    pub padding: [usize; 2],
    /// Output channels.
    pub channels: usize,
    /// Normalization; `None` for that of the description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalization: Option<Normalization>,
    /// Activation after the normalization.
    #[serde(default)]
    pub activation: Activation,
}

/// A depthwise convolution, one kernel per channel, with its normalization and activation: the
/// fields of [`Convolution`] without the number of output channels, which is that of its input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Depthwise {
    /// Name in checkpoints.
    pub name: String,
    /// Kernel height and width.
    #[serde(with = "sides")]
    pub kernel: [usize; 2],
    /// Vertical and horizontal stride.
    #[serde(with = "sides", default = "ones")]
    pub stride: [usize; 2],
    /// Rows and columns of zero padding on each side.
    #[serde(with = "sides", default)]
    pub padding: [usize; 2],
    /// Normalization; `None` for that of the description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalization: Option<Normalization>,
    /// Activation after the normalization.
    #[serde(default)]
    pub activation: Activation,
}

/// A depthwise separable convolution with the 1x1 convolution first (Wu et al. 2023): `pointwise`, a 1x1
/// convolution with bias, then `depthwise`, a depthwise convolution of stride 1 that keeps the size, with
/// its normalization and activation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Separable {
    /// Name in checkpoints, followed by `.pointwise` or `.depthwise`.
    pub name: String,
    /// Output channels.
    pub channels: usize,
    /// Height and width of the depthwise kernel, an odd number.
    #[serde(default = "three")]
    pub kernel: usize,
    /// Normalization of the depthwise convolution; `None` for that of the description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalization: Option<Normalization>,
    /// Activation after the normalization.
    #[serde(default)]
    pub activation: Activation,
}

/// A pooling layer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// How the elements of a window are reduced.
    pub kind: PoolKind,
    /// Window height and width.
    #[serde(with = "sides")]
    pub kernel: [usize; 2],
    /// Vertical and horizontal stride.
    #[serde(with = "sides", default = "ones")]
    pub stride: [usize; 2],
    /// Rows and columns of padding on each side.
    #[serde(with = "sides", default)]
    pub padding: [usize; 2],
}

/// How a pooling layer reduces a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolKind {
    /// Maximum.
    Max,
    /// Mean.
    Average,
    /// Square root of the sum of squares.
    L2,
}

/// Local response normalization; see [`facenet_tensor::LocalResponseNormParameters`] for the formula.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalResponseNorm {
    /// Channels per neighborhood.
    pub size: usize,
    /// Coefficient of the sum of squares.
    pub alpha: f64,
    /// Exponent.
    pub beta: f64,
    /// Constant added to the scaled sum of squares.
    pub k: f64,
}

/// An inception block (paper, table 2): parallel branches, each of them optional, concatenated. At
/// stride 1 the output has the size of the input; at stride 2 there can be no 1x1 branch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inception {
    /// Name in checkpoints.
    pub name: String,
    /// Stride of the 3x3 and 5x5 convolutions and of the pooling.
    #[serde(default = "one")]
    pub stride: usize,
    /// Output channels of the 1x1 branch.
    #[serde(default)]
    pub branch_1x1: Option<usize>,
    /// The 3x3 branch: output channels of its 1x1 reduction, output channels.
    #[serde(default)]
    pub branch_3x3: Option<[usize; 2]>,
    /// The 5x5 branch, likewise.
    #[serde(default)]
    pub branch_5x5: Option<[usize; 2]>,
    /// The pooling branch.
    #[serde(default)]
    pub branch_pool: Option<PoolBranch>,
    /// Normalization of all convolutions; `None` for that of the description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalization: Option<Normalization>,
    /// Activation of all convolutions.
    #[serde(default)]
    pub activation: Activation,
}

/// The pooling branch of an inception block: a 3x3 window and an optional 1x1 projection.
///
/// By default the window has the block's stride and a padding of 1. With other values the branch
/// may come out smaller than the block; it is then centered in zeros as by [`ZeroPad`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolBranch {
    /// How the elements of a window are reduced.
    pub kind: PoolKind,
    /// Output channels of the projection.
    #[serde(default)]
    pub projection: Option<usize>,
    /// Stride of the window; `None` for that of the block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stride: Option<usize>,
    /// Rows and columns of padding on each side; `None` for 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub padding: Option<usize>,
}

/// Lists of layers that all read the same input. Their outputs, which must have the same height and
/// width, are concatenated along the channels. An empty list passes its input through.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Branches {
    /// Prefix of the names of the layers in checkpoints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Branches in the order of their output channels.
    pub branches: Vec<Vec<Layer>>,
}

/// Consecutive layers under one name, by which a [`Sum`] or an output can refer to their result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// Prefix of the names of the layers in checkpoints.
    pub name: String,
    /// The layers.
    pub layers: Vec<Layer>,
}

/// Sum with the output of an earlier layer of the same shape, as in a feature pyramid (Lin et al.
/// 2017).
///
/// ```text
/// y = x + output of the earlier layer
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sum {
    /// The name of a layer of the description itself, not of one within a block.
    pub with: String,
}

/// Nearest-neighbor upsampling: each pixel is repeated along both axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upsample {
    /// Number of repetitions along each axis.
    pub factor: usize,
}

/// A residual connection (He et al. 2015, "Deep Residual Learning"), scaled as in Szegedy et al.
/// 2016, section 3.3.
///
/// ```text
/// y = activation(x + scale * layers(x))
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Residual {
    /// Prefix of the names of the layers in checkpoints.
    pub name: String,
    /// Number of consecutive blocks. Each has its own parameters; if there are several, their names
    /// end in `_1`, `_2`, and so on.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub repeat: usize,
    /// Factor of the residual branch.
    #[serde(default = "unscaled")]
    pub scale: f64,
    /// Activation after the sum.
    #[serde(default = "no_activation")]
    pub activation: Activation,
    /// The residual branch. Its output has the shape of its input.
    pub layers: Vec<Layer>,
}

/// Squeeze and excitation (Hu et al. 2018): each channel is multiplied by a gate computed from the
/// means of all channels.
///
/// ```text
/// y = x * sigmoid(expand(activation(reduce(mean over pixels of x))))
/// ```
///
/// `reduce` and `expand` are fully connected layers with biases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SqueezeExcitation {
    /// Name in checkpoints.
    pub name: String,
    /// Output channels of `reduce`.
    pub channels: usize,
    /// Activation of `reduce`.
    #[serde(default)]
    pub activation: Activation,
}

/// Zero padding to a fixed size. The input is centered; if the number of rows or columns to add is
/// odd, the extra one goes to the bottom or right (Torch's `DepthConcat`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZeroPad {
    /// Height and width of the output.
    pub size: [usize; 2],
}

/// A fully connected layer with its normalization and activation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FullyConnected {
    /// Name in checkpoints.
    pub name: String,
    /// Output channels.
    pub channels: usize,
    /// Normalization; `None` for that of the description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalization: Option<Normalization>,
    /// Activation after the normalization.
    #[serde(default)]
    pub activation: Activation,
}

/// Mean over all pixels. A struct without fields, so that unknown fields are errors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlobalAveragePool {}

/// Maximum over groups of adjacent channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Maxout {
    /// Channels per group.
    pub pieces: usize,
}

/// Dropout: sets elements to 0 at random in training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dropout {
    /// Probability of setting an element to 0.
    pub rate: f64,
}

/// Activation function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `max(x, 0)`.
    #[default]
    Relu,
    /// PReLU: a learned slope for `x < 0` per channel.
    Prelu,
    /// PReLU with one slope shared by all channels.
    PreluShared,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// Identity.
    None,
}

fn one() -> usize {
    1
}

fn three() -> usize {
    3
}

fn is_one(count: &usize) -> bool {
    *count == 1
}

fn ones() -> [usize; 2] {
    [1; 2]
}

fn unscaled() -> f64 {
    1.0
}

fn no_activation() -> Activation {
    Activation::None
}

/// Serde format of height and width: a single number where they are equal.
mod sides {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged, expecting = "expected a number, or [height, width]")]
    enum Sides {
        Same(usize),
        Each([usize; 2]),
    }

    pub(super) fn serialize<S: Serializer>(&[height, width]: &[usize; 2], serializer: S) -> Result<S::Ok, S::Error> {
        let sides = if height == width { Sides::Same(height) } else { Sides::Each([height, width]) };
        sides.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[usize; 2], D::Error> {
        Ok(match Sides::deserialize(deserializer)? {
            Sides::Same(side) => [side; 2],
            Sides::Each(sides) => sides,
        })
    }
}
