//! Checks of every gradient of the crate against central differences, as a function to call.

mod activations;
mod central_difference;
mod convolutions;
mod frame;
mod normalizations;
mod poolings;

use ndarray::{Array, ArrayD, Dimension, ShapeBuilder};
use ndarray_rand::RandomExt;
use ndarray_rand::rand_distr::Uniform;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

pub use central_difference::{central_difference, relative_error};

/// The bound of every check of [`gradient_checks`].
pub const GRADIENT_BOUND: f64 = 1e-6;

/// How far a gradient lies from central differences.
#[derive(Clone, Debug, PartialEq)]
pub struct GradientCheck {
    /// The operation, for example `convolution`.
    pub operation: &'static str,
    /// The gradient, for example `dweight`.
    pub gradient: &'static str,
    /// Shapes and parameters.
    pub case: String,
    /// The [`relative_error`] of the gradient.
    pub relative_error: f64,
    /// What the error must stay below.
    pub bound: f64,
}

impl GradientCheck {
    /// Whether the error stays below the bound.
    pub fn passed(&self) -> bool {
        self.relative_error < self.bound
    }
}

/// Checks every gradient of every operation of this crate in `f64`.
///
/// Sizes, strides and paddings are odd; images are channel slices surrounded by numbers that must be neither read nor
/// written; gradients start from numbers that they must add to. Points where an operation has no derivative are left
/// to tests of their own.
pub fn gradient_checks() -> Vec<GradientCheck> {
    [convolutions::checks(), activations::checks(), normalizations::checks(), poolings::checks()].concat()
}

/// Compares the gradients of one operation, seen as a function of `inputs`, with central differences.
///
/// Each input goes by the name of its gradient. `backward` gets the inputs and the gradient at the output, and adds to
/// the gradients at the inputs.
fn check(
    operation: &'static str,
    case: String,
    inputs: &[(&'static str, ArrayD<f64>)],
    forward: impl Fn(&[ArrayD<f64>]) -> ArrayD<f64>,
    backward: impl Fn(&[ArrayD<f64>], &ArrayD<f64>, &mut [ArrayD<f64>]),
) -> Vec<GradientCheck> {
    let values: Vec<ArrayD<f64>> = inputs.iter().map(|(_, value)| value.clone()).collect();
    let dy = random(forward(&values).raw_dim(), 100);
    let start: Vec<ArrayD<f64>> = (101..).zip(&values).map(|(seed, value)| random(value.raw_dim(), seed)).collect();
    let mut gradients = start.clone();
    backward(&values, &dy, &mut gradients);
    let mut checks = Vec::new();
    for (index, (gradient, start)) in gradients.into_iter().zip(start).enumerate() {
        let mut moved = values.clone();
        let expected = central_difference(values[index].view(), |value| {
            moved[index].assign(&value);
            (forward(&moved) * &dy).sum()
        });
        checks.push(GradientCheck {
            operation,
            gradient: inputs[index].0,
            case: case.clone(),
            relative_error: relative_error((gradient - start).view(), expected.view()),
            bound: GRADIENT_BOUND,
        });
    }
    checks
}

/// Numbers in [-1, 1).
fn random<D: Dimension>(shape: impl ShapeBuilder<Dim = D>, seed: u64) -> Array<f64, D> {
    Array::random_using(shape, Uniform::new(-1.0, 1.0), &mut ChaCha8Rng::seed_from_u64(seed))
}

/// Numbers in [-1, 1) of any number of dimensions.
fn random_dynamic(shape: &[usize], seed: u64) -> ArrayD<f64> {
    random(shape, seed)
}
