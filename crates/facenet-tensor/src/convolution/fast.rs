//! The `f32` kernels: direct, depthwise and Winograd convolutions in SIMD registers.

mod depthwise;
mod epilogue;
mod first_layer;
mod indirect;
mod kernels;
mod outer_products;
mod partition;
mod raw_image;
mod register_tile;
mod row_products;
mod separable;
mod weight_gradient;
pub(super) mod winograd;
