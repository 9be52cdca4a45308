//! A network as data: a table that reads like the paper's.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Error, Preprocessing};

/// A network: what goes in, the layers in order, what comes out.
///
/// After the last layer a fully connected one without activation, named `embedding`, and L2 normalisation follow (paper,
/// section 3: embeddings live on the unit sphere). A network without `embedding` ends with its last layer: it finds
/// something else in a face than who it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// The name of the network.
    pub name: String,
    /// Height and width of the faces.
    pub input: [usize; 2],
    /// What happens to pixels before the first layer.
    #[serde(default)]
    pub preprocessing: Preprocessing,
    /// What follows the product of every layer that does not say.
    #[serde(default)]
    pub normalization: Normalization,
    /// The numbers of every batch normalisation.
    #[serde(default)]
    pub batch_norm: BatchNorm,
    /// Numbers per embedding, if the network makes any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedding: Option<usize>,
    /// What follows the product that makes the embedding.
    #[serde(default = "no_normalization")]
    pub embedding_normalization: Normalization,
    /// The layers in order.
    pub layers: Vec<Layer>,
}

/// The numbers of batch normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchNorm {
    /// Added to variances.
    pub epsilon: f64,
    /// How much of the running statistics one training step keeps.
    pub momentum: f64,
}

impl Default for BatchNorm {
    fn default() -> Self {
        Self { epsilon: 1e-3, momentum: 0.95 }
    }
}

/// One row of the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", tag = "layer", rename_all = "snake_case")]
pub enum Layer {
    /// Convolution, normalisation, activation.
    Convolution(Convolution),
    /// The same with one kernel per channel.
    Depthwise(Depthwise),
    /// A window that slides and takes one number per channel.
    Pool(Pool),
    /// Normalisation over neighbouring channels.
    LocalResponseNorm(LocalResponseNorm),
    /// A row of the paper's table: parallel convolutions and a pooling, concatenated.
    Inception(Inception),
    /// Any parallel branches, concatenated.
    Branches(Branches),
    /// Layers whose output is added to their input.
    Residual(Residual),
    /// A factor per channel, made from the means of all channels.
    SqueezeExcitation(SqueezeExcitation),
    /// Zeros around the picture.
    ZeroPad(ZeroPad),
    /// The mean over all pixels.
    GlobalAveragePool(GlobalAveragePool),
    /// A product with all numbers of a face, normalisation, activation.
    FullyConnected(FullyConnected),
    /// The largest of each group of `pieces` channels.
    Maxout(Maxout),
    /// In training, sets numbers to 0 at random.
    Dropout(Dropout),
}

impl Layer {
    /// Its name, if it is of a kind that has one.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Convolution(Convolution { name, .. })
            | Self::Depthwise(Depthwise { name, .. })
            | Self::Inception(Inception { name, .. })
            | Self::Residual(Residual { name, .. })
            | Self::SqueezeExcitation(SqueezeExcitation { name, .. })
            | Self::FullyConnected(FullyConnected { name, .. }) => Some(name),
            Self::Branches(Branches { name, .. }) => name.as_deref(),
            Self::Pool(_)
            | Self::LocalResponseNorm(_)
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

/// As derived, but for errors: they name the row.
impl<'de> Deserialize<'de> for Layer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = toml::Table::deserialize(deserializer)?;
        let text = |field: &str| fields.get(field).and_then(toml::Value::as_str);
        let row: String = text("name").or(text("layer")).unwrap_or("without a name").chars().take(100).collect();
        Self::deserialize(fields).map_err(|error: toml::de::Error| {
            let reason = error.message();
            D::Error::custom(format!("layer {row}: {reason}"))
        })
    }
}

/// A convolution with what follows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Convolution {
    /// Its name in checkpoints.
    pub name: String,
    /// Height and width of the kernel.
    #[serde(with = "sides")]
    pub kernel: [usize; 2],
    /// Steps of the kernel, down and right.
    #[serde(with = "sides", default = "ones")]
    pub stride: [usize; 2],
    /// Rows and columns of padding on each side.
    #[serde(with = "sides", default)]
    pub padding: [usize; 2],
    /// Output channels.
    pub channels: usize,
    /// What follows the product, if it is not what the description says for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalization: Option<Normalization>,
    /// What follows the normalisation.
    #[serde(default)]
    pub activation: Activation,
}

/// A depthwise convolution with what follows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Depthwise {
    /// Its name in checkpoints.
    pub name: String,
    /// Height and width of the kernel.
    #[serde(with = "sides")]
    pub kernel: [usize; 2],
    /// Steps of the kernel, down and right.
    #[serde(with = "sides", default = "ones")]
    pub stride: [usize; 2],
    /// Rows and columns of padding on each side.
    #[serde(with = "sides", default)]
    pub padding: [usize; 2],
    /// What follows the product, if it is not what the description says for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalization: Option<Normalization>,
    /// What follows the normalisation.
    #[serde(default)]
    pub activation: Activation,
}

/// A pooling.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// What is taken from the window.
    pub kind: PoolKind,
    /// Height and width of the window.
    #[serde(with = "sides")]
    pub kernel: [usize; 2],
    /// Steps of the window, down and right.
    #[serde(with = "sides", default = "ones")]
    pub stride: [usize; 2],
    /// Rows and columns of padding on each side.
    #[serde(with = "sides", default)]
    pub padding: [usize; 2],
}

/// What a pooling takes from its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolKind {
    /// The largest number.
    Max,
    /// The mean.
    Average,
    /// The square root of the sum of squares.
    L2,
}

/// The numbers of [`facenet_tensor::LocalResponseNormParameters`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalResponseNorm {
    /// Channels per neighbourhood.
    pub size: usize,
    /// Weight of the squares.
    pub alpha: f64,
    /// The power.
    pub beta: f64,
    /// What stands beside the squares.
    pub k: f64,
}

/// One row of parallel branches (paper, table 2), each of them optional. Kernels keep the size at stride 1; at stride 2
/// the 1x1 branch must be absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inception {
    /// Its name in checkpoints.
    pub name: String,
    /// Step of the kernels that slide.
    #[serde(default = "one")]
    pub stride: usize,
    /// Output channels of the 1x1 branch.
    #[serde(default)]
    pub branch_1x1: Option<usize>,
    /// The 3x3 branch: channels of its 1x1 reduction and output channels.
    #[serde(default)]
    pub branch_3x3: Option<[usize; 2]>,
    /// The 5x5 branch, likewise.
    #[serde(default)]
    pub branch_5x5: Option<[usize; 2]>,
    /// The pooling branch.
    #[serde(default)]
    pub branch_pool: Option<PoolBranch>,
    /// What follows each product, if it is not what the description says for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalization: Option<Normalization>,
    /// What follows each normalisation.
    #[serde(default)]
    pub activation: Activation,
}

/// The pooling branch of an inception row: a 3x3 window, then a 1x1 projection where one is given.
///
/// By default the window has the row's stride and a padding of 1. With another one the branch may come out smaller than
/// the row: it is then centred in zeros, as [`ZeroPad`] does it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolBranch {
    /// What is taken from the window.
    pub kind: PoolKind,
    /// Output channels of the projection.
    #[serde(default)]
    pub projection: Option<usize>,
    /// Step of the window, if it is not the row's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stride: Option<usize>,
    /// Rows and columns of padding on each side, if they are not 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub padding: Option<usize>,
}

/// Lists of layers that read one input each and whose outputs, of one height and width, are concatenated. A list without
/// layers passes the input on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Branches {
    /// What the names of their layers start with in checkpoints, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The branches, in the order of their channels.
    pub branches: Vec<Vec<Layer>>,
}

/// A residual connection (He et al. 2015, "Deep Residual Learning"), scaled as in Szegedy et al. 2016, section 3.3.
///
/// ```text
/// y = activation(x + scale * layers(x))
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Residual {
    /// What the names of its layers start with in checkpoints.
    pub name: String,
    /// How many such blocks follow each other, each with its own parameters and its number, from 1, in its name.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub repeat: usize,
    /// The factor of what the layers put out.
    #[serde(default = "unscaled")]
    pub scale: f64,
    /// What follows the sum.
    #[serde(default = "no_activation")]
    pub activation: Activation,
    /// What is added to the input, of the same shape.
    pub layers: Vec<Layer>,
}

/// Squeeze and excitation (Hu et al. 2018): each channel is multiplied by a factor made from the means of all channels.
///
/// ```text
/// y = x * sigmoid(expand(activation(reduce(mean over pixels of x))))        reduce, expand: products with a bias
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SqueezeExcitation {
    /// Its name in checkpoints.
    pub name: String,
    /// Channels between the two products.
    pub channels: usize,
    /// What follows the first product.
    #[serde(default)]
    pub activation: Activation,
}

/// Zeros around a smaller picture: it is centred, and where an odd number is left over there is one row or column more
/// below or to the right (Torch's `DepthConcat`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZeroPad {
    /// Height and width of the output.
    pub size: [usize; 2],
}

/// A fully connected layer with what follows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FullyConnected {
    /// Its name in checkpoints.
    pub name: String,
    /// Output channels.
    pub channels: usize,
    /// What follows the product, if it is not what the description says for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalization: Option<Normalization>,
    /// What follows the normalisation.
    #[serde(default)]
    pub activation: Activation,
}

/// The mean over all pixels: nothing to choose, and nothing else is taken for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlobalAveragePool {}

/// The largest of each group of channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Maxout {
    /// Channels per group.
    pub pieces: usize,
}

/// Sets numbers to 0 in training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dropout {
    /// The share that is set to 0.
    pub rate: f64,
}

/// What follows a product.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalization {
    /// Batch normalisation.
    #[default]
    BatchNorm,
    /// A bias per channel.
    Bias,
    /// Nothing.
    None,
}

/// The non-linearity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `max(x, 0)`.
    #[default]
    Relu,
    /// A learned slope per channel below 0.
    Prelu,
    /// One learned slope for all channels below 0.
    PreluShared,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// Nothing.
    None,
}

fn one() -> usize {
    1
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

fn no_normalization() -> Normalization {
    Normalization::None
}

fn no_activation() -> Activation {
    Activation::None
}

/// Height and width, written as one number where they are the same.
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

impl Description {
    /// Reads a description in TOML.
    ///
    /// # Errors
    /// [`Error::DescriptionSyntax`].
    pub fn from_toml(text: &str) -> Result<Self, Error> {
        toml::from_str(text).map_err(|error| Error::DescriptionSyntax { reason: error.to_string() })
    }

    /// Writes the description in TOML.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a description holds nothing that TOML can't express")
    }

    /// The same layers for faces of another height and width; the template is stretched with them. What a layer says in
    /// pixels, a size to pad to or a kernel as large as its picture, stays.
    #[must_use]
    pub fn with_input(mut self, input: [usize; 2]) -> Self {
        let [height, width] = [0, 1].map(|axis| input[axis] as f32 / self.input[axis] as f32);
        for [x, y] in self.preprocessing.template.iter_mut().flatten() {
            *x = (*x + 0.5) * width - 0.5;
            *y = (*y + 0.5) * height - 0.5;
        }
        self.input = input;
        self
    }

    /// The network up to one of its layers, of which it puts out the activations: a look inside. `None` if no layer of that
    /// name stands in its list.
    #[must_use]
    pub fn until(mut self, layer: &str) -> Option<Self> {
        let last = self.layers.iter().position(|other| other.name() == Some(layer))?;
        self.layers.truncate(last + 1);
        self.embedding = None;
        Some(self)
    }

    /// The same network with another normalisation after its products. What a layer says for itself stays; a residual
    /// connection around local response alone goes with that.
    ///
    /// # Errors
    ///
    /// [`Error::NoLocalResponse`] if local response is asked for and the network has no place for it.
    pub fn with_normalization(mut self, scheme: NormalizationScheme) -> Result<Self, Error> {
        let batch = scheme == NormalizationScheme::Batch;
        if scheme == NormalizationScheme::LocalResponse {
            if !contains_local_response(&self.layers) {
                return Err(Error::NoLocalResponse { network: self.name });
            }
        } else {
            remove_local_response(&mut self.layers);
        }
        self.normalization = if batch { Normalization::BatchNorm } else { Normalization::Bias };
        if !batch && self.embedding_normalization == Normalization::BatchNorm {
            self.embedding_normalization = Normalization::Bias;
        }
        Ok(self)
    }
}

/// What keeps the numbers between the layers in range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NormalizationScheme {
    /// Nothing: products have biases.
    None,
    /// Local response normalisation where the network has it, as in the paper; products have biases.
    LocalResponse,
    /// Batch normalisation after every product that says nothing else, and none over neighbouring channels.
    Batch,
}

/// The lists of layers inside a layer.
fn inner_layers(layer: &Layer) -> &[Vec<Layer>] {
    match layer {
        Layer::Branches(layer) => &layer.branches,
        Layer::Residual(layer) => std::slice::from_ref(&layer.layers),
        _ => &[],
    }
}

fn contains_local_response(layers: &[Layer]) -> bool {
    layers.iter().any(|layer| {
        matches!(layer, Layer::LocalResponseNorm(_))
            || inner_layers(layer).iter().any(|layers| contains_local_response(layers))
    })
}

fn remove_local_response(layers: &mut Vec<Layer>) {
    layers.retain_mut(|layer| match layer {
        Layer::LocalResponseNorm(_) => false,
        Layer::Residual(layer) => {
            remove_local_response(&mut layer.layers);
            !layer.layers.is_empty()
        }
        Layer::Branches(layer) => {
            layer.branches.iter_mut().for_each(remove_local_response);
            true
        }
        _ => true,
    });
}
