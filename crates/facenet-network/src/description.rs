//! Network descriptions: networks as data, in Rust or as TOML tables that read like the paper's.

pub(crate) mod layer;
pub(crate) mod normalization;
pub(crate) mod preprocessing;

use serde::{Deserialize, Serialize};

use self::layer::{Block, Layer, Residual};
use self::normalization::{BatchNorm, Normalization, NormalizationScheme};
use self::preprocessing::Preprocessing;
use crate::error::Error;

/// A network architecture: input size, layers in order, output.
///
/// With `embedding` set, the last layer is followed by a fully connected layer named `embedding`
/// without activation and by L2 normalization (paper, section 3: embeddings live on the unit
/// sphere). Without it the network outputs the activations of its last layer, for instance facial
/// landmarks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// Name of the network.
    pub name: String,
    /// Height and width of the input images, in pixels.
    pub input: [usize; 2],
    /// Conversion of 8-bit pixels to network inputs.
    #[serde(default)]
    pub preprocessing: Preprocessing,
    /// Normalization of convolutions and fully connected layers that do not set their own.
    #[serde(default)]
    pub normalization: Normalization,
    /// Hyperparameters of all batch normalizations.
    #[serde(default)]
    pub batch_norm: BatchNorm,
    /// Embedding dimension; `None` for networks without embeddings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedding: Option<usize>,
    /// Normalization of the fully connected layer that computes the embedding.
    #[serde(default = "no_normalization")]
    pub embedding_normalization: Normalization,
    /// Layers in order.
    pub layers: Vec<Layer>,
    /// Outputs of a network without embedding, for instance of a detector at several strides; empty
    /// for a network whose output is that of its last layer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<Output>,
}

/// A named output: layers that read the output of an earlier layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Name of the output, and prefix of the names of its layers in checkpoints.
    pub name: String,
    /// The name of a layer of the description itself, not of one within a block.
    pub from: String,
    /// The layers.
    pub layers: Vec<Layer>,
}

fn no_normalization() -> Normalization {
    Normalization::None
}

impl Description {
    /// Parses a description from TOML.
    ///
    /// # Errors
    ///
    /// [`Error::DescriptionSyntax`].
    pub fn from_toml(text: &str) -> Result<Self, Error> {
        toml::from_str(text).map_err(|error| Error::DescriptionSyntax { reason: error.to_string() })
    }

    /// Serializes the description to TOML.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("every description is representable in TOML")
    }

    /// Returns the same layers for another input size. The alignment template is scaled along.
    /// Sizes that layers give in pixels, such as the size to pad to or a kernel as large as its
    /// input, stay.
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

    /// Returns the network up to and including `layer`, without embedding, so that its output is
    /// the activations of that layer. `None` if there is no top-level layer of that name.
    #[must_use]
    pub fn truncated_after(mut self, layer: &str) -> Option<Self> {
        let last = self.layers.iter().position(|other| other.name() == Some(layer))?;
        self.layers.truncate(last + 1);
        self.outputs.clear();
        self.embedding = None;
        Some(self)
    }

    /// Returns the same network with another normalization scheme. Layers that set their own
    /// normalization keep it. Residual blocks that contain nothing but local response
    /// normalization are removed with it.
    ///
    /// # Errors
    ///
    /// [`Error::NoLocalResponse`] if local response normalization is asked for and the network has
    /// no such layers.
    pub fn with_normalization(mut self, scheme: NormalizationScheme) -> Result<Self, Error> {
        let batch = scheme == NormalizationScheme::Batch;
        if scheme == NormalizationScheme::LocalResponse {
            if !self.layer_lists().any(contains_local_response) {
                return Err(Error::NoLocalResponse { network: self.name });
            }
        } else {
            remove_local_response(&mut self.layers);
            self.outputs.iter_mut().for_each(|output| remove_local_response(&mut output.layers));
        }
        self.normalization = if batch { Normalization::BatchNorm } else { Normalization::Bias };
        if !batch && self.embedding_normalization == Normalization::BatchNorm {
            self.embedding_normalization = Normalization::Bias;
        }
        Ok(self)
    }
}

impl Description {
    /// The layers, and those of each output.
    fn layer_lists(&self) -> impl Iterator<Item = &[Layer]> {
        std::iter::once(&*self.layers).chain(self.outputs.iter().map(|output| &*output.layers))
    }
}

/// The layer lists nested in a layer.
fn nested_layers(layer: &Layer) -> &[Vec<Layer>] {
    match layer {
        Layer::Branches(layer) => &layer.branches,
        Layer::Block(Block { layers, .. }) | Layer::Residual(Residual { layers, .. }) => std::slice::from_ref(layers),
        _ => &[],
    }
}

fn contains_local_response(layers: &[Layer]) -> bool {
    layers.iter().any(|layer| {
        matches!(layer, Layer::LocalResponseNorm(_))
            || nested_layers(layer).iter().any(|layers| contains_local_response(layers))
    })
}

fn remove_local_response(layers: &mut Vec<Layer>) {
    layers.retain_mut(|layer| match layer {
        Layer::LocalResponseNorm(_) => false,
        Layer::Block(Block { layers, .. }) | Layer::Residual(Residual { layers, .. }) => {
            remove_local_response(layers);
            !layers.is_empty()
        }
        Layer::Branches(layer) => {
            layer.branches.iter_mut().for_each(remove_local_response);
            true
        }
        _ => true,
    });
}
