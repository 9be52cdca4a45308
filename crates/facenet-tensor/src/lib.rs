#![doc = include_str!("../README.md")]

mod convolution;
mod depthwise;
mod linear;
mod scalar;
mod scratch;
mod simd;
mod window;

pub use convolution::{convolution_backward_input, convolution_backward_weight, convolution_forward};
pub use depthwise::{depthwise_backward_input, depthwise_backward_weight, depthwise_forward};
pub use linear::{linear_backward_input, linear_backward_weight, linear_forward};
pub use scalar::Scalar;
pub use scratch::Scratch;
pub use simd::{Level, level};
pub use window::Window;
