//! Functions of single elements, shared by the operations and the convolution kernels.

use ndarray::NdFloat;

/// `max(x, 0)`. NaN propagates.
#[inline(always)]
pub(crate) fn relu<T: NdFloat>(x: T) -> T {
    if x < T::zero() { T::zero() } else { x }
}

/// `x` if positive, else `slope * x`.
#[inline(always)]
pub(crate) fn prelu<T: NdFloat>(x: T, slope: T) -> T {
    x * prelu_derivative(x, slope)
}

/// The derivative of [`prelu`] at `x`.
#[inline(always)]
pub(crate) fn prelu_derivative<T: NdFloat>(x: T, slope: T) -> T {
    if x > T::zero() { T::one() } else { slope }
}

/// `1 / (1 + exp(-x))`.
#[inline(always)]
pub(crate) fn sigmoid<T: NdFloat>(x: T) -> T {
    (T::one() + (-x).exp()).recip()
}

/// Whether `x` replaces the running maximum: if it is larger, or the first NaN.
#[inline(always)]
pub(crate) fn replaces_maximum<T: NdFloat>(x: T, maximum: T) -> bool {
    // Not `||`, which would compile to a branch.
    !((x <= maximum) | maximum.is_nan())
}

/// `sums += terms`.
#[inline(always)]
pub(crate) fn add_assign<T: NdFloat>(sums: &mut [T], terms: &[T]) {
    for (sum, term) in sums.iter_mut().zip(terms) {
        *sum += *term;
    }
}
