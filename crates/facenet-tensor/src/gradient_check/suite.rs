//! The checks of all operations.

use crate::gradient_check::check::GradientCheck;
use crate::gradient_check::{activations, branches, convolutions, normalizations, poolings};

/// Checks every gradient of every operation of this crate in `f64`.
///
/// Sizes, strides and paddings are odd. Images are channel slices surrounded by elements that must
/// be neither read nor written, and gradients start from values that must be added to. Points where
/// an operation has no derivative are left to separate tests.
pub fn gradient_checks() -> Vec<GradientCheck> {
    [convolutions::checks(), activations::checks(), branches::checks(), normalizations::checks(), poolings::checks()]
        .concat()
}
