//! Convolutions and everything computed as one.

pub(crate) mod bias;
mod check;
pub(crate) mod depthwise;
mod fast;
pub(crate) mod fused_activation;
pub(crate) mod kernels;
pub(crate) mod linear;
mod naive;
pub(crate) mod packed;
pub(crate) mod packed_rows;
pub(crate) mod packed_separable;
mod packed_weights;
pub(crate) mod standard;
