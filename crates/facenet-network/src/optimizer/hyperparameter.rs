//! Valid ranges of hyperparameters.

use crate::bounds::check_range;
use crate::error::Error;

pub(super) const DECAY_RATE: [f64; 2] = [0.0, 0.999_999];
/// The lower bound prevents 0 / 0, also in `f32`.
pub(super) const EPSILON: [f64; 2] = [1e-12, 1.0];
pub(super) const ACCUMULATOR: [f64; 2] = [0.0, 1e6];
pub(super) const WEIGHT_DECAY: [f64; 2] = [0.0, 1.0];

pub(super) fn check_hyperparameter(field: &'static str, value: f64, [min, max]: [f64; 2]) -> Result<(), Error> {
    check_range("optimizer", field, value, min, max)
}
