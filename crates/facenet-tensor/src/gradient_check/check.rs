//! The comparison of one operation's gradients with central differences.

use ndarray::{Array, ArrayD, ArrayView, ArrayViewMut, Dimension, ShapeBuilder};
use ndarray_rand::RandomExt;
use ndarray_rand::rand_distr::Uniform;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::gradient_check::central_difference::{central_difference, relative_error};

/// The bound of every check of [`gradient_checks`](crate::gradient_checks).
pub const GRADIENT_BOUND: f64 = 1e-6;

/// The deviation of a gradient from central differences.
#[derive(Clone, Debug, PartialEq)]
pub struct GradientCheck {
    /// The operation, for example `convolution`.
    pub operation: &'static str,
    /// The gradient, for example `dweight`.
    pub gradient: &'static str,
    /// Shapes and hyperparameters.
    pub case: String,
    /// The [`relative_error`] of the gradient.
    pub relative_error: f64,
    /// The exclusive upper bound of the error.
    pub bound: f64,
}

impl GradientCheck {
    /// Whether the error is below the bound.
    pub fn passed(&self) -> bool {
        self.relative_error < self.bound
    }
}

/// Compares the gradients of one operation, as a function of `inputs`, with central differences.
///
/// Each input is named after its gradient. `backward` gets the inputs and the gradient at the
/// output, and adds to the gradients at the inputs.
pub(super) fn check(
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
        let mut perturbed = values.clone();
        let expected = central_difference(values[index].view(), |value| {
            perturbed[index].assign(&value);
            (forward(&perturbed) * &dy).sum()
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

/// Uniform values in [-1, 1).
pub(super) fn random<D: Dimension>(shape: impl ShapeBuilder<Dim = D>, seed: u64) -> Array<f64, D> {
    Array::random_using(shape, Uniform::new(-1.0, 1.0), &mut ChaCha8Rng::seed_from_u64(seed))
}

/// Uniform values in [-1, 1), with a dynamic number of dimensions.
pub(super) fn random_dynamic(shape: &[usize], seed: u64) -> ArrayD<f64> {
    random(shape, seed)
}

/// A view with a static number of dimensions.
pub(super) fn fixed<D: Dimension>(array: &ArrayD<f64>) -> ArrayView<'_, f64, D> {
    array.view().into_dimensionality().expect("as many axes as the operation takes")
}

/// Like [`fixed`], but mutable.
pub(super) fn fixed_mut<D: Dimension>(array: &mut ArrayD<f64>) -> ArrayViewMut<'_, f64, D> {
    array.view_mut().into_dimensionality().expect("as many axes as the operation takes")
}
