//! Derivatives by differences of function values.

use ndarray::{Array, ArrayView, Dimension};

/// The half width of a difference, for numbers of size 1: near the cube root of the precision, where the errors of
/// truncation and rounding balance.
const STEP: f64 = 1e-5;

/// Entries below this part of the largest are compared with that part: differences carry a rounding error that does
/// not shrink with the entry.
const FLOOR: f64 = 1e-2;

/// The gradient of a scalar function by central differences, one entry at a time.
///
/// ```text
/// gradient[i] = (function(at + step e_i) - function(at - step e_i)) / (2 step)      step = 1e-5 max(1, |at[i]|)
/// ```
///
/// Its error is about `1e-10` times the size of the function's values and third derivatives. The function is called
/// twice per entry.
pub fn central_difference<D: Dimension>(
    at: ArrayView<'_, f64, D>,
    mut function: impl FnMut(ArrayView<'_, f64, D>) -> f64,
) -> Array<f64, D> {
    let mut moved = at.as_standard_layout().into_owned();
    let mut gradient = Array::zeros(at.raw_dim());
    for (index, (gradient, value)) in gradient.iter_mut().zip(at).enumerate() {
        let step = STEP * value.abs().max(1.0);
        let [above, below] = [value + step, value - step];
        let mut function_with = |value: f64| {
            moved.as_slice_mut().expect("made in standard layout")[index] = value;
            function(moved.view())
        };
        *gradient = (function_with(above) - function_with(below)) / (above - below);
        moved.as_slice_mut().expect("made in standard layout")[index] = *value;
    }
    gradient
}

/// The largest relative difference between the entries of a gradient and what is expected of them.
///
/// ```text
/// max over i of |gradient[i] - expected[i]| / max(|gradient[i]|, |expected[i]|, largest / 100)
/// ```
///
/// where `largest` is the largest absolute value in both. Infinite where an entry is not finite.
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
