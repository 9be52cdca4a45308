//! Normalizations that a description can ask for.

use serde::{Deserialize, Serialize};

/// Hyperparameters of batch normalization.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchNorm {
    /// Added to variances.
    pub epsilon: f64,
    /// Weight of the old running statistics in each update; the batch statistics get
    /// `1 - momentum`.
    pub momentum: f64,
}

impl Default for BatchNorm {
    fn default() -> Self {
        Self { epsilon: 1e-3, momentum: 0.95 }
    }
}

/// What follows the linear map of a convolution or fully connected layer, before the activation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalization {
    /// Batch normalization.
    #[default]
    BatchNorm,
    /// A bias per channel.
    Bias,
    /// Nothing.
    None,
}

/// Normalization of a whole network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NormalizationScheme {
    /// No normalization; convolutions and fully connected layers have biases.
    None,
    /// Local response normalization where the network has it, as in the paper; convolutions and
    /// fully connected layers have biases.
    LocalResponse,
    /// Batch normalization after every convolution and fully connected layer that does not set its
    /// own normalization; no local response normalization.
    Batch,
}
