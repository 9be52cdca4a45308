//! The element type of all operations: `f32` or `f64`.

use ndarray::NdFloat;

use crate::convolution::kernels::Kernels;

/// `f32` or `f64`. `f32` runs the fast kernels; `f64` runs the reference loops used by gradient
/// checks.
///
/// Sealed: the kernels exist for these two types only.
pub trait Scalar: NdFloat + Default + std::iter::Sum + Kernels {
    /// Rounds to the nearest value of this type.
    fn from_f64(value: f64) -> Self;
    /// Converts exactly.
    fn to_f64(self) -> f64;
}

impl Scalar for f32 {
    fn from_f64(value: f64) -> Self {
        value as f32
    }
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
}

impl Scalar for f64 {
    fn from_f64(value: f64) -> Self {
        value
    }
    fn to_f64(self) -> f64 {
        self
    }
}
