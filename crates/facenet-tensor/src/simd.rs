//! SIMD: run-time detection, functions compiled per instruction set, and vectors of 16 `f32` lanes.

#[cfg(target_arch = "x86_64")]
mod avx;
pub(crate) mod dispatch;
pub(crate) mod lanes;
pub(crate) mod level;
#[cfg(target_arch = "aarch64")]
mod neon;
pub(crate) mod peak;
mod portable;
pub(crate) mod vectorize;
