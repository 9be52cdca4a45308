#![doc = include_str!("../README.md")]

mod accumulation;
mod aligned;
mod average_pool;
mod batch_norm;
mod bias;
mod channel_scale;
mod concatenate;
mod convolution;
mod depthwise;
mod dropout;
mod global_pool;
mod gradient_check;
mod l2_normalize;
mod l2_pool;
mod linear;
mod local_response_norm;
mod max_pool;
mod maxout;
mod packed;
mod pixels;
mod pool;
mod prelu;
mod relu;
mod scalar;
mod scaled_sum;
mod scratch;
mod sigmoid;
mod simd;
mod sums;
mod window;
mod zero_pad;

pub use accumulation::Accumulation;
pub use aligned::AlignedVec;
pub use average_pool::{average_pool_backward, average_pool_forward};
pub use batch_norm::{
    BatchNormParameters, batch_norm_backward, batch_norm_eval_backward, batch_norm_eval_forward, batch_norm_forward,
};
pub use bias::{bias_backward, bias_forward};
pub use channel_scale::{channel_scale_backward_gate, channel_scale_backward_input, channel_scale_forward, gated_sum};
pub use concatenate::{channels, channels_mut};
pub use convolution::{
    convolution_backward_input, convolution_backward_weight, convolution_forward, peak_multiply_adds_per_second,
};
pub use depthwise::{depthwise_backward_input, depthwise_backward_weight, depthwise_forward};
pub use dropout::{DropoutKey, dropout_backward, dropout_forward};
pub use global_pool::{global_average_pool_backward, global_average_pool_forward};
pub use gradient_check::{GRADIENT_BOUND, GradientCheck, central_difference, gradient_checks, relative_error};
pub use l2_normalize::{l2_normalize_backward, l2_normalize_forward};
pub use l2_pool::{l2_pool_backward, l2_pool_forward};
pub use linear::{linear_backward_input, linear_backward_weight, linear_forward};
pub use local_response_norm::{LocalResponse, local_response_norm_backward, local_response_norm_forward};
pub use max_pool::{max_pool_backward, max_pool_forward};
pub use maxout::{maxout_backward, maxout_forward};
pub use packed::{FusedActivation, PackedConvolution, PackedDepthwise};
pub use prelu::{prelu_backward, prelu_forward};
pub use relu::{relu_backward, relu_forward};
pub use scalar::Scalar;
pub use scaled_sum::{scaled_sum_backward, scaled_sum_forward};
pub use scratch::Scratch;
pub use sigmoid::{sigmoid_backward, sigmoid_forward};
pub use simd::{Level, level};
pub use window::Window;
pub use zero_pad::{zero_pad_backward, zero_pad_forward};
