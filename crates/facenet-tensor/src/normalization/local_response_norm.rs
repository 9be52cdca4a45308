//! Local response normalization across channels (Krizhevsky et al. 2012, section 3.3).

use ndarray::{ArrayView4, ArrayViewMut4};
use rayon::prelude::*;

use crate::image::check::assert_same_shape;
use crate::image::pixels::{Pixels, PixelsMut};
use crate::scalar::Scalar;
use crate::simd::vectorize::vectorize;

/// The hyperparameters of local response normalization.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LocalResponseNormParameters {
    /// Channels per neighborhood, `size / 2` of them below the channel itself.
    pub size: usize,
    /// The weight of the mean square over the neighborhood.
    pub alpha: f64,
    /// The exponent.
    pub beta: f64,
    /// The constant added to the weighted mean square.
    pub k: f64,
}

/// Divides each element by a power of the mean square over neighboring channels.
///
/// ```text
/// b[c] = k + alpha / size * sum over d in [c - size / 2, c - size / 2 + size) of x[d]^2
/// y[c] = x[c] * b[c]^-beta
/// ```
///
/// Channels outside the image count as 0.
///
/// # Shapes
/// `x` and `y` are `[n, h, w, channels]`.
///
/// # Panics
/// If the shapes disagree, channels are not contiguous or `size` is 0.
#[track_caller]
pub fn local_response_norm_forward<T: Scalar>(
    x: ArrayView4<'_, T>,
    parameters: LocalResponseNormParameters,
    y: ArrayViewMut4<'_, T>,
) {
    assert_same_shape(["x", "y"], &x.raw_dim(), &y.raw_dim());
    assert!(parameters.size > 0, "local response of no channels");
    if parameters.beta == 0.75 {
        forward(x, parameters, inverse_three_quarter_power, y);
    } else {
        let beta = T::from_f64(-parameters.beta);
        forward(x, parameters, |b: T| b.powf(beta), y);
    }
}

/// Adds the gradient at the input to `dx`.
///
/// ```text
/// dx[c] += dy[c] * b[c]^-beta
///          - 2 alpha beta / size * x[c] * sum over d of dy[d] * x[d] * b[d]^(-beta - 1)
///          where c is in the neighborhood of d
/// ```
///
/// # Shapes
/// `x`, `dy` and `dx` are `[n, h, w, channels]`.
///
/// # Panics
/// Same as [`local_response_norm_forward`].
#[track_caller]
pub fn local_response_norm_backward<T: Scalar>(
    x: ArrayView4<'_, T>,
    dy: ArrayView4<'_, T>,
    parameters: LocalResponseNormParameters,
    dx: ArrayViewMut4<'_, T>,
) {
    assert_same_shape(["x", "dy"], &x.raw_dim(), &dy.raw_dim());
    assert_same_shape(["x", "dx"], &x.raw_dim(), &dx.raw_dim());
    assert!(parameters.size > 0, "local response of no channels");
    if parameters.beta == 0.75 {
        backward(x, dy, parameters, inverse_three_quarter_power, dx);
    } else {
        let beta = T::from_f64(-parameters.beta);
        backward(x, dy, parameters, |b: T| b.powf(beta), dx);
    }
}

/// `b^-0.75` by square roots, which unlike `powf` have vector instructions.
#[inline(always)]
fn inverse_three_quarter_power<T: Scalar>(b: T) -> T {
    let root = b.sqrt();
    (root * root.sqrt()).recip()
}

fn forward<T: Scalar>(
    x: ArrayView4<'_, T>,
    parameters: LocalResponseNormParameters,
    power: impl Fn(T) -> T + Sync,
    y: ArrayViewMut4<'_, T>,
) {
    let channels = x.dim().3;
    let x = Pixels::new(x);
    PixelsMut::new(y).blocks().for_each(|block| {
        let mut denominator = Denominator::new(parameters, channels);
        vectorize(
            #[inline(always)]
            || {
                for (x, y) in x.range(block.range()).zip(block.pixels()) {
                    for ((y, x), b) in y.iter_mut().zip(x).zip(denominator.base(x)) {
                        *y = *x * power(*b);
                    }
                }
            },
        );
    });
}

fn backward<T: Scalar>(
    x: ArrayView4<'_, T>,
    dy: ArrayView4<'_, T>,
    parameters: LocalResponseNormParameters,
    power: impl Fn(T) -> T + Sync,
    dx: ArrayViewMut4<'_, T>,
) {
    let channels = x.dim().3;
    let LocalResponseNormParameters { size, alpha, beta, .. } = parameters;
    let factor = T::from_f64(2.0 * alpha * beta / size as f64);
    let (x, dy) = (Pixels::new(x), Pixels::new(dy));
    PixelsMut::new(dx).blocks().for_each(|block| {
        let mut denominator = Denominator::new(parameters, channels);
        // The neighborhoods that contain a channel are the mirror image of its own.
        let after = (size - 1) / 2;
        let mut terms = vec![T::zero(); channels + size - 1];
        let mut sums = vec![T::zero(); channels];
        vectorize(
            #[inline(always)]
            || {
                let range = block.range();
                for ((x, dy), dx) in x.range(range.clone()).zip(dy.range(range)).zip(block.pixels()) {
                    let base = denominator.base(x);
                    let terms_here = &mut terms[after..][..channels];
                    for ((((term, dx), x), dy), b) in terms_here.iter_mut().zip(dx.iter_mut()).zip(x).zip(dy).zip(base)
                    {
                        let scaled = *dy * power(*b);
                        *dx += scaled;
                        *term = scaled * *x / *b;
                    }
                    sliding_sums(&terms, size, &mut sums);
                    for ((dx, x), sum) in dx.iter_mut().zip(x).zip(&sums) {
                        *dx -= factor * *x * *sum;
                    }
                }
            },
        );
    });
}

/// Computes `b`, the base of the denominator, for the channels of a pixel.
struct Denominator<T> {
    size: usize,
    scale: T,
    k: T,
    squares: Vec<T>,
    base: Vec<T>,
}

impl<T: Scalar> Denominator<T> {
    fn new(LocalResponseNormParameters { size, alpha, k, .. }: LocalResponseNormParameters, channels: usize) -> Self {
        Self {
            size,
            scale: T::from_f64(alpha / size as f64),
            k: T::from_f64(k),
            squares: vec![T::zero(); channels + size - 1],
            base: vec![T::zero(); channels],
        }
    }

    #[inline(always)]
    fn base(&mut self, x: &[T]) -> &[T] {
        for (square, x) in self.squares[self.size / 2..].iter_mut().zip(x) {
            *square = *x * *x;
        }
        sliding_sums(&self.squares, self.size, &mut self.base);
        for b in &mut self.base {
            *b = self.k + self.scale * *b;
        }
        &self.base
    }
}

/// `sums[c] = sum over o < size of terms[c + o]`
#[inline(always)]
fn sliding_sums<T: Scalar>(terms: &[T], size: usize, sums: &mut [T]) {
    sums.copy_from_slice(&terms[..sums.len()]);
    for offset in 1..size {
        for (sum, term) in sums.iter_mut().zip(&terms[offset..]) {
            *sum += *term;
        }
    }
}
