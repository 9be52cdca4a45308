#![doc = include_str!("../README.md")]

mod checkpoint;
mod description;
mod error;
mod initializer;
mod optimizer;
mod parameters;
mod plan;
mod preprocessing;

pub use checkpoint::{Checkpoint, TrainingState};
pub use description::{
    Activation, BatchNorm, Convolution, Depthwise, Description, Dropout, FullyConnected, Inception, Layer,
    LocalResponseNorm, Maxout, Normalization, Pool, PoolBranch, PoolKind,
};
pub use error::Error;
pub use initializer::Initializer;
pub use optimizer::{AdaGrad, Adam, Optimizer, OptimizerKind, Sgd};
pub use parameters::{Entry, ParameterTable, Parameters, Role};
pub use plan::{Plan, Row};
pub use preprocessing::{ColorOrder, Preprocessing, Scaling};
