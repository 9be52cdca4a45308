#![doc = include_str!("../README.md")]

mod checkpoint;
mod description;
mod error;
mod frozen;
mod gradient_check;
mod import;
mod initializer;
mod network;
mod networks;
mod optimizer;
mod paper;
mod parameters;
mod pass;
mod plan;
mod preprocessing;
mod sharing;
mod workspace;

pub use checkpoint::{Checkpoint, TrainingState};
pub use description::{
    Activation, BatchNorm, Branches, Convolution, Depthwise, Description, Dropout, FullyConnected, GlobalAveragePool,
    Inception, Layer, LocalResponseNorm, Maxout, Normalization, NormalizationScheme, Pool, PoolBranch, PoolKind,
    Residual, SqueezeExcitation, ZeroPad,
};
pub use error::Error;
pub use frozen::{FrozenNetwork, FrozenWorkspace};
pub use gradient_check::network_gradient_checks;
pub use import::{ForeignTensor, ForeignTensors, NameMap, Source, import, import_until};
pub use initializer::Initializer;
pub use network::{Mode, Network};
pub use networks::{LANDMARK_NETWORK, NETWORKS, built_in, built_in_toml, compact_inception};
pub use optimizer::{AdaGrad, Adam, Optimizer, OptimizerKind, Sgd};
pub use paper::{PaperNetwork, PaperRow, paper_network, printed_figure};
pub use parameters::{Entry, ParameterTable, Parameters, Role};
pub use plan::{Plan, Row};
pub use preprocessing::{ColorOrder, Preprocessing, Scaling};
pub use workspace::Workspace;
