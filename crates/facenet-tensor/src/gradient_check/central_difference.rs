//! Numerical gradients by central differences.

use ndarray::{Array, ArrayView, Dimension};

/// The half width of a difference for values of magnitude 1: near the cube root of the machine
/// epsilon, where truncation and rounding errors balance.
const STEP: f64 = 1e-5;

/// Elements below this fraction of the largest are compared relative to that fraction: the rounding
/// error of a difference does not shrink with the element.
const FLOOR: f64 = 1e-2;

/// The gradient of a scalar function by central differences, one element at a time.
///
/// ```text
/// gradient[i] = (function(at + step e_i) - function(at - step e_i)) / (2 step)
/// step        = 1e-5 max(1, |at[i]|)
/// ```
///
/// The error is about `1e-10` times the magnitude of the function's values and third derivatives.
/// The function is called twice per element.
pub fn central_difference<D: Dimension>(
    at: ArrayView<'_, f64, D>,
    mut function: impl FnMut(ArrayView<'_, f64, D>) -> f64,
) -> Array<f64, D> {
    let mut perturbed = at.as_standard_layout().into_owned();
    let mut gradient = Array::zeros(at.raw_dim());
    for (index, (gradient, value)) in gradient.iter_mut().zip(at).enumerate() {
        let step = STEP * value.abs().max(1.0);
        let [above, below] = [value + step, value - step];
        let mut function_with = |value: f64| {
            perturbed.as_slice_mut().expect("created in standard layout")[index] = value;
            function(perturbed.view())
        };
        *gradient = (function_with(above) - function_with(below)) / (above - below);
        perturbed.as_slice_mut().expect("created in standard layout")[index] = *value;
    }
    gradient
}

/// The largest relative difference between the elements of a gradient and of the expected gradient.
///
/// ```text
/// max over i of |gradient[i] - expected[i]| / max(|gradient[i]|, |expected[i]|, largest / 100)
/// ```
///
/// where `largest` is the largest absolute value in either. Infinite if an element is not finite.
///
/// # Panics
/// If the shapes differ.
#[track_caller]
pub fn relative_error<D: Dimension>(gradient: ArrayView<'_, f64, D>, expected: ArrayView<'_, f64, D>) -> f64 {
    assert_eq!(gradient.shape(), expected.shape(), "gradient {:?} and {:?}", gradient.shape(), expected.shape());
    if gradient.iter().chain(&expected).any(|value| !value.is_finite()) {
        return f64::INFINITY;
    }
    let largest = gradient.iter().chain(&expected).fold(0.0, |largest: f64, value| largest.max(value.abs()));
    if largest == 0.0 {
        return 0.0;
    }
    gradient
        .iter()
        .zip(&expected)
        .map(|(a, b)| (a - b).abs() / a.abs().max(b.abs()).max(FLOOR * largest))
        .fold(0.0, f64::max)
}
