//! A network as data: a table that reads like the paper's.

use serde::{Deserialize, Serialize};

use crate::{Error, Preprocessing};

/// A network: what goes in, the layers in order, what comes out.
///
/// After the last layer a fully connected one without bias or activation, named `embedding`, and L2 normalisation
/// follow (paper, section 3: embeddings live on the unit sphere).
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
    /// The numbers of every batch normalisation.
    #[serde(default)]
    pub batch_norm: BatchNorm,
    /// Numbers per embedding.
    pub embedding: usize,
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
#[serde(tag = "layer", rename_all = "snake_case")]
pub enum Layer {
    /// Convolution, normalisation, activation.
    Convolution(Convolution),
    /// The same with one kernel per channel.
    Depthwise(Depthwise),
    /// A window that slides and takes one number per channel.
    Pool(Pool),
    /// Normalisation over neighbouring channels.
    LocalResponseNorm(LocalResponseNorm),
    /// Parallel branches, concatenated.
    Inception(Inception),
    /// The mean over all pixels.
    GlobalAveragePool(GlobalAveragePool),
    /// A product with all numbers of a face, normalisation, activation.
    FullyConnected(FullyConnected),
    /// The largest of each group of `pieces` channels.
    Maxout(Maxout),
    /// In training, sets numbers to 0 at random.
    Dropout(Dropout),
}

/// A convolution with what follows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Convolution {
    /// Its name in checkpoints.
    pub name: String,
    /// Side of the kernel.
    pub kernel: usize,
    /// Step of the kernel.
    #[serde(default = "one")]
    pub stride: usize,
    /// Rows and columns of padding on each side.
    #[serde(default)]
    pub padding: usize,
    /// Output channels.
    pub channels: usize,
    /// What follows the product.
    #[serde(default)]
    pub normalization: Normalization,
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
    /// Side of the kernel.
    pub kernel: usize,
    /// Step of the kernel.
    #[serde(default = "one")]
    pub stride: usize,
    /// Rows and columns of padding on each side.
    #[serde(default)]
    pub padding: usize,
    /// What follows the product.
    #[serde(default)]
    pub normalization: Normalization,
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
    /// Side of the window.
    pub kernel: usize,
    /// Step of the window.
    #[serde(default = "one")]
    pub stride: usize,
    /// Rows and columns of padding on each side.
    #[serde(default)]
    pub padding: usize,
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

/// The numbers of [`facenet_tensor::LocalResponse`].
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
    /// What follows each product.
    #[serde(default)]
    pub normalization: Normalization,
    /// What follows each normalisation.
    #[serde(default)]
    pub activation: Activation,
}

/// The pooling branch of an inception row: a 3x3 window, then a 1x1 projection where one is given.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolBranch {
    /// What is taken from the window.
    pub kind: PoolKind,
    /// Output channels of the projection.
    #[serde(default)]
    pub projection: Option<usize>,
}

/// A fully connected layer with what follows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FullyConnected {
    /// Its name in checkpoints.
    pub name: String,
    /// Output channels.
    pub channels: usize,
    /// What follows the product.
    #[serde(default)]
    pub normalization: Normalization,
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
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// Nothing.
    None,
}

fn one() -> usize {
    1
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
}
