#![doc = include_str!("../README.md")]

mod accumulation;
mod activation;
mod branches;
mod convolution;
mod dropout;
mod elementwise;
mod gradient_check;
mod image;
mod memory;
mod normalization;
mod pooling;
mod reduction;
mod scalar;
mod simd;
mod window;

pub use accumulation::Accumulation;
pub use activation::maxout::{maxout_backward, maxout_forward};
pub use activation::prelu::{prelu_backward, prelu_forward};
pub use activation::relu::{relu_backward, relu_forward};
pub use activation::sigmoid::{sigmoid_backward, sigmoid_forward};
pub use branches::channel_scale::{
    channel_scale_backward_gate, channel_scale_backward_input, channel_scale_forward, gated_sum,
};
pub use branches::concatenate::{channels, channels_mut};
pub use branches::flatten::{flatten_backward, flatten_forward};
pub use branches::scaled_sum::{scaled_sum_backward, scaled_sum_forward};
pub use branches::upsample::{upsample_backward, upsample_forward};
pub use branches::zero_pad::{zero_pad_backward, zero_pad_forward};
pub use convolution::bias::{bias_backward, bias_forward};
pub use convolution::depthwise::{depthwise_backward_input, depthwise_backward_weight, depthwise_forward};
pub use convolution::fused_activation::FusedActivation;
pub use convolution::linear::{linear_backward_input, linear_backward_weight, linear_forward};
pub use convolution::packed::{PackedConvolution, PackedDepthwise};
pub use convolution::packed_rows::PackedRows;
pub use convolution::packed_separable::PackedSeparable;
pub use convolution::standard::{convolution_backward_input, convolution_backward_weight, convolution_forward};
pub use dropout::{DropoutKey, dropout_backward, dropout_forward};
pub use gradient_check::central_difference::{central_difference, relative_error};
pub use gradient_check::check::{GRADIENT_BOUND, GradientCheck};
pub use gradient_check::suite::gradient_checks;
pub use memory::aligned_vec::AlignedVec;
pub use memory::scratch::Scratch;
pub use normalization::batch_norm::{
    BatchNormActivation, BatchNormGradients, BatchNormParameters, BatchNormStatistics, batch_norm_backward,
    batch_norm_eval_backward, batch_norm_eval_forward, batch_norm_forward,
};
pub use normalization::l2_normalize::{l2_normalize_backward, l2_normalize_forward};
pub use normalization::local_response_norm::{
    LocalResponseNormParameters, local_response_norm_backward, local_response_norm_forward,
};
pub use pooling::average_pool::{average_pool_backward, average_pool_forward};
pub use pooling::global_average_pool::{global_average_pool_backward, global_average_pool_forward};
pub use pooling::l2_pool::{l2_pool_backward, l2_pool_forward};
pub use pooling::max_pool::{max_pool_backward, max_pool_forward};
pub use scalar::Scalar;
pub use simd::level::{SimdLevel, simd_level};
pub use simd::peak::peak_multiply_adds_per_second;
pub use simd::vectorize::vectorize;
pub use window::Window;
