#![doc = include_str!("../README.md")]

mod bounds;
mod checkpoint;
mod description;
mod error;
mod execution;
mod frozen;
mod gradient_check;
mod import;
mod initializer;
mod network;
mod networks;
mod optimizer;
mod parameters;
mod plan;
mod safetensors_header;

pub use checkpoint::{Checkpoint, TrainingState};
pub use description::layer::{
    Activation, Block, Branches, Convolution, Depthwise, Dropout, FullyConnected, GlobalAveragePool, Inception, Layer,
    LocalResponseNorm, Maxout, Pool, PoolBranch, PoolKind, Residual, Separable, SqueezeExcitation, Sum, Upsample,
    ZeroPad,
};
pub use description::normalization::{BatchNorm, Normalization, NormalizationScheme};
pub use description::preprocessing::{ColorOrder, Preprocessing, Scaling};
pub use description::{Description, Output};
pub use error::Error;
pub use execution::mode::Mode;
pub use execution::workspace::Workspace;
pub use frozen::frozen_network::{FrozenNetwork, FrozenWorkspace};
pub use gradient_check::network_gradient_checks;
pub use import::foreign_file::ForeignFile;
pub use import::foreign_tensors::{ForeignTensor, ForeignTensors};
pub use import::name_map::{NameMap, TensorSource};
pub use import::tensor_place::TensorPlace;
pub use import::unsupported_format::UnsupportedFormat;
pub use import::{import, import_truncated};
pub use initializer::Initializer;
pub use network::Network;
pub use networks::paper::{PaperNetwork, PaperRow, paper_network, parse_printed_figure};
pub use networks::{DETECTOR, LANDMARK_NETWORK, NETWORKS, built_in, built_in_toml};
pub use optimizer::OptimizerConfig;
pub use optimizer::ada_grad::AdaGrad;
pub use optimizer::adam::Adam;
pub use optimizer::sgd::Sgd;
pub use optimizer::update::Optimizer;
pub use parameters::{ParameterEntry, ParameterTable, Parameters, Role};
pub use plan::layer_cost::LayerCost;
pub use plan::{Plan, PlannedOutput};
