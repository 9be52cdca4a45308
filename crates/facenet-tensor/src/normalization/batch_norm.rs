//! Batch normalization (Ioffe and Szegedy 2015), optionally followed by ReLU in the same pass.

use std::ops::Range;

use ndarray::{ArrayView1, ArrayView4, ArrayViewMut1, ArrayViewMut4};
use rayon::prelude::*;

use crate::accumulation::Accumulation;
use crate::elementwise::{add_assign, relu};
use crate::image::check::{assert_same_shape, per_channel, per_channel_mut};
use crate::image::pixels::{Pixels, PixelsMut};
use crate::reduction::{blocks, map_parts, sum_over_pixels};
use crate::scalar::Scalar;
use crate::simd::vectorize::vectorize;

/// The parameters of a batch normalization.
#[derive(Clone, Copy, Debug)]
pub struct BatchNormParameters<'a, T> {
    /// The factor of the normalized values, `[channels]`.
    pub scale: ArrayView1<'a, T>,
    /// The offset added afterwards, `[channels]`.
    pub shift: ArrayView1<'a, T>,
    /// Added to the variance, which may be 0.
    pub epsilon: T,
    /// The activation applied in the same pass.
    pub activation: BatchNormActivation,
}

/// What follows a batch normalization in the same pass over memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchNormActivation {
    /// Nothing.
    None,
    /// ReLU, like [`relu_forward`](crate::relu_forward).
    Relu,
}

/// The mean and variance that images are normalized with.
#[derive(Clone, Copy, Debug)]
pub struct BatchNormStatistics<'a, T> {
    /// The mean, `[channels]`.
    pub mean: ArrayView1<'a, T>,
    /// The biased variance, `[channels]`.
    pub variance: ArrayView1<'a, T>,
}

/// Where the gradients of a batch normalization go.
#[derive(Debug)]
pub struct BatchNormGradients<'a, T> {
    /// Whether `dx` is overwritten or added to. (`dscale` and `dshift` are always added to.)
    pub accumulation: Accumulation,
    /// The gradient at the input, `[n, h, w, channels]`.
    pub dx: ArrayViewMut4<'a, T>,
    /// The gradient at the scale, `[channels]`.
    pub dscale: ArrayViewMut1<'a, T>,
    /// The gradient at the shift, `[channels]`.
    pub dshift: ArrayViewMut1<'a, T>,
}

/// Normalizes each channel with the mean and variance of this batch, and returns both in `mean` and
/// `variance`.
///
/// ```text
/// mean[c]       = 1 / N * sum over n, h, w of x[n, h, w, c]                  N = n * h * w
/// variance[c]   = 1 / N * sum over n, h, w of (x[n, h, w, c] - mean[c])^2    (biased)
/// z[n, h, w, c] = (x[n, h, w, c] - mean[c]) / sqrt(variance[c] + epsilon) * scale[c] + shift[c]
/// y             = activation(z)
/// ```
///
/// # Shapes
/// `x` and `y` are `[n, h, w, channels]`, all others `[channels]`.
///
/// # Panics
/// If the shapes disagree or channels are not contiguous.
#[track_caller]
pub fn batch_norm_forward<T: Scalar>(
    x: ArrayView4<'_, T>,
    parameters: BatchNormParameters<'_, T>,
    mean: ArrayViewMut1<'_, T>,
    variance: ArrayViewMut1<'_, T>,
    y: ArrayViewMut4<'_, T>,
) {
    let channels = x.dim().3;
    let mean = per_channel_mut("mean", mean, channels);
    let variance = per_channel_mut("variance", variance, channels);
    let moments = Moments::of(&Pixels::new(x), channels);
    mean.copy_from_slice(&moments.mean);
    let count = T::from_f64(moments.count.max(1) as f64);
    variance.iter_mut().zip(&moments.squares).for_each(|(variance, squares)| *variance = *squares / count);
    let statistics = BatchNormStatistics { mean: ArrayView1::from(&*mean), variance: ArrayView1::from(&*variance) };
    batch_norm_eval_forward(x, parameters, statistics, y);
}

/// The gradients of [`batch_norm_forward`], through the dependence of mean and variance on `x`.
///
/// ```text
/// normalized = (x - mean) / sqrt(variance + epsilon)
/// dz         = dy, with ReLU 0 where not normalized * scale + shift > 0
/// dshift[c] += sum over n, h, w of dz
/// dscale[c] += sum over n, h, w of dz * normalized
/// dx       (+)= scale / sqrt(variance + epsilon)
///               * (dz - mean of dz - normalized * mean of (dz * normalized))
///               with means over n, h, w
/// ```
///
/// Where ReLU is active is recomputed from `x`, with the same bits as in the forward pass.
///
/// # Shapes
/// `x` and `dy` are `[n, h, w, channels]`; `statistics` are those written by the forward pass.
///
/// # Panics
/// If the shapes disagree or channels are not contiguous.
#[track_caller]
pub fn batch_norm_backward<T: Scalar>(
    x: ArrayView4<'_, T>,
    dy: ArrayView4<'_, T>,
    parameters: BatchNormParameters<'_, T>,
    statistics: BatchNormStatistics<'_, T>,
    gradients: BatchNormGradients<'_, T>,
) {
    backward(StatisticsSource::Batch, x, dy, parameters, statistics, gradients);
}

/// Normalizes each channel with a given mean and variance.
///
/// ```text
/// z[n, h, w, c] = (x[n, h, w, c] - mean[c]) / sqrt(variance[c] + epsilon) * scale[c] + shift[c]
/// y             = activation(z)
/// ```
///
/// # Shapes
/// `x` and `y` are `[n, h, w, channels]`, all others `[channels]`.
///
/// # Panics
/// If the shapes disagree or channels are not contiguous.
#[track_caller]
pub fn batch_norm_eval_forward<T: Scalar>(
    x: ArrayView4<'_, T>,
    parameters: BatchNormParameters<'_, T>,
    statistics: BatchNormStatistics<'_, T>,
    y: ArrayViewMut4<'_, T>,
) {
    assert_same_shape(["x", "y"], &x.raw_dim(), &y.raw_dim());
    let affine = Affine::new(parameters, statistics, x.dim().3);
    let (x, y) = (&Pixels::new(x), PixelsMut::new(y));
    match parameters.activation {
        BatchNormActivation::Relu => affine.forward::<true>(x, y),
        BatchNormActivation::None => affine.forward::<false>(x, y),
    }
}

/// The gradients of [`batch_norm_eval_forward`], whose mean and variance are constants.
///
/// ```text
/// normalized = (x - mean) / sqrt(variance + epsilon)
/// dz         = dy, with ReLU 0 where not normalized * scale + shift > 0
/// dshift[c] += sum over n, h, w of dz
/// dscale[c] += sum over n, h, w of dz * normalized
/// dx       (+)= dz * scale / sqrt(variance + epsilon)
/// ```
///
/// # Shapes
/// Same as [`batch_norm_backward`].
///
/// # Panics
/// If the shapes disagree or channels are not contiguous.
#[track_caller]
pub fn batch_norm_eval_backward<T: Scalar>(
    x: ArrayView4<'_, T>,
    dy: ArrayView4<'_, T>,
    parameters: BatchNormParameters<'_, T>,
    statistics: BatchNormStatistics<'_, T>,
    gradients: BatchNormGradients<'_, T>,
) {
    backward(StatisticsSource::Given, x, dy, parameters, statistics, gradients);
}

/// Where mean and variance come from.
#[derive(Clone, Copy)]
enum StatisticsSource {
    /// From the batch: gradients flow through them.
    Batch,
    /// Given: they are constants.
    Given,
}

#[track_caller]
fn backward<T: Scalar>(
    source: StatisticsSource,
    x: ArrayView4<'_, T>,
    dy: ArrayView4<'_, T>,
    parameters: BatchNormParameters<'_, T>,
    statistics: BatchNormStatistics<'_, T>,
    gradients: BatchNormGradients<'_, T>,
) {
    assert_same_shape(["x", "dy"], &x.raw_dim(), &dy.raw_dim());
    assert_same_shape(["x", "dx"], &x.raw_dim(), &gradients.dx.raw_dim());
    let affine = Affine::new(parameters, statistics, x.dim().3);
    let (x, dy) = (Pixels::new(x), Pixels::new(dy));
    match parameters.activation {
        BatchNormActivation::Relu => affine.backward::<true>(source, &x, &dy, gradients),
        BatchNormActivation::None => affine.backward::<false>(source, &x, &dy, gradients),
    }
}

/// `z = (x - mean) * factor + shift`, per channel.
struct Affine<'a, T> {
    /// `1 / sqrt(variance + epsilon)`
    inverse: Vec<T>,
    mean: &'a [T],
    /// `scale * inverse`
    factor: Vec<T>,
    shift: &'a [T],
}

impl<'a, T: Scalar> Affine<'a, T> {
    #[track_caller]
    fn new<'p: 'a, 's: 'a>(
        BatchNormParameters { scale, shift, epsilon, .. }: BatchNormParameters<'p, T>,
        BatchNormStatistics { mean, variance }: BatchNormStatistics<'s, T>,
        channels: usize,
    ) -> Self {
        let scale = per_channel("scale", scale, channels);
        let shift = per_channel("shift", shift, channels);
        let mean = per_channel("mean", mean, channels);
        let variance = per_channel("variance", variance, channels);
        let inverse: Vec<T> = variance.iter().map(|variance| (*variance + epsilon).sqrt().recip()).collect();
        let factor = scale.iter().zip(&inverse).map(|(scale, inverse)| *scale * *inverse).collect();
        Self { inverse, mean, factor, shift }
    }

    /// Writes `z`, or with `RELU` its rectification.
    fn forward<const RELU: bool>(&self, x: &Pixels<'_, T>, y: PixelsMut<'_, T>) {
        let Self { mean, factor, shift, .. } = self;
        y.blocks().for_each(|block| {
            vectorize(
                #[inline(always)]
                || {
                    for (x, y) in x.range(block.range()).zip(block.pixels()) {
                        for ((((y, x), mean), factor), shift) in y.iter_mut().zip(x).zip(*mean).zip(factor).zip(*shift)
                        {
                            let z = (*x - *mean) * *factor + *shift;
                            *y = if RELU { relu(z) } else { z };
                        }
                    }
                },
            );
        });
    }

    /// The gradients of [`Affine::forward`], including those through statistics of the batch.
    #[track_caller]
    fn backward<const RELU: bool>(
        &self,
        source: StatisticsSource,
        x: &Pixels<'_, T>,
        dy: &Pixels<'_, T>,
        gradients: BatchNormGradients<'_, T>,
    ) {
        let Self { inverse, mean, factor, shift } = self;
        let channels = mean.len();
        let BatchNormGradients { accumulation, dx, dscale, dshift } = gradients;
        let dshift = per_channel_mut("dshift", dshift, channels);
        let dscale = per_channel_mut("dscale", dscale, channels);
        let dx = PixelsMut::new(dx);
        let sums = sum_over_pixels(
            x.len(),
            2 * channels,
            #[inline(always)]
            |range, sums| {
                let (shifts, scales) = sums.split_at_mut(channels);
                for (x, dy) in x.range(range.clone()).zip(dy.range(range)) {
                    let operands = x.iter().zip(dy).zip(*mean).zip(factor).zip(*shift);
                    let sums = shifts.iter_mut().zip(scales.iter_mut());
                    for ((shift_sum, scale_sum), ((((x, dy), mean), factor), shift)) in sums.zip(operands) {
                        let deviation = *x - *mean;
                        let dz = activation_gradient::<RELU, _>(*dy, deviation * *factor + *shift);
                        *shift_sum += dz;
                        *scale_sum += dz * deviation;
                    }
                }
            },
        );
        let (shifts, scales) = sums.split_at(channels);
        let scales: Vec<T> = scales.iter().zip(inverse).map(|(sum, inverse)| *sum * *inverse).collect();
        add_assign(dshift, shifts);
        add_assign(dscale, &scales);

        // dx (+)= factor * (dz - offset - (x - mean) * slope)
        let reciprocal_count = T::from_f64(x.len().max(1) as f64).recip();
        let offset: Vec<T> = shifts.iter().map(|sum| *sum * reciprocal_count).collect();
        let slope: Vec<T> =
            scales.iter().zip(inverse).map(|(sum, inverse)| *sum * reciprocal_count * *inverse).collect();
        dx.blocks().for_each(|block| {
            vectorize(
                #[inline(always)]
                || {
                    let range = block.range();
                    for ((x, dy), dx) in x.range(range.clone()).zip(dy.range(range)).zip(block.pixels()) {
                        let operands = x.iter().zip(dy).zip(*mean).zip(factor).zip(*shift);
                        match source {
                            StatisticsSource::Batch => accumulate(
                                accumulation,
                                dx,
                                operands.zip(&offset).zip(&slope).map(
                                    #[inline(always)]
                                    |((((((x, dy), mean), factor), shift), offset), slope)| {
                                        let deviation = *x - *mean;
                                        let dz = activation_gradient::<RELU, _>(*dy, deviation * *factor + *shift);
                                        *factor * ((dz - *offset) - deviation * *slope)
                                    },
                                ),
                            ),
                            StatisticsSource::Given => accumulate(
                                accumulation,
                                dx,
                                operands.map(
                                    #[inline(always)]
                                    |((((x, dy), mean), factor), shift)| {
                                        *factor * activation_gradient::<RELU, _>(*dy, (*x - *mean) * *factor + *shift)
                                    },
                                ),
                            ),
                        }
                    }
                },
            );
        });
    }
}

/// The gradient at `z` given that at the output: with `RELU`, 0 where `z` is not positive.
#[inline(always)]
fn activation_gradient<const RELU: bool, T: Scalar>(dy: T, z: T) -> T {
    if !RELU || z > T::zero() { dy } else { T::zero() }
}

#[inline(always)]
fn accumulate<T: Scalar>(accumulation: Accumulation, dx: &mut [T], terms: impl Iterator<Item = T>) {
    match accumulation {
        Accumulation::Set => dx.iter_mut().zip(terms).for_each(|(dx, term)| *dx = term),
        Accumulation::Add => dx.iter_mut().zip(terms).for_each(|(dx, term)| *dx += term),
    }
}

/// Count, mean and sum of squared deviations from the mean, per channel.
///
/// Small blocks are computed by definition and merged with the formulas of Chan, Golub and LeVeque
/// (1979), which lose no digits when the mean is large compared to the standard deviation.
struct Moments<T> {
    count: usize,
    mean: Vec<T>,
    squares: Vec<T>,
}

impl<T: Scalar> Moments<T> {
    fn zero(channels: usize) -> Self {
        Self { count: 0, mean: vec![T::zero(); channels], squares: vec![T::zero(); channels] }
    }

    fn of(x: &Pixels<'_, T>, channels: usize) -> Self {
        let parts = map_parts(x.len(), |part| {
            let mut total = Self::zero(channels);
            let mut block = Self::zero(channels);
            vectorize(
                #[inline(always)]
                || {
                    for range in blocks(part) {
                        block.set(x, range);
                        total.merge(&block);
                    }
                },
            );
            total
        });
        let mut total = Self::zero(channels);
        parts.iter().for_each(|part| total.merge(part));
        total
    }

    #[inline(always)]
    fn set(&mut self, x: &Pixels<'_, T>, range: Range<usize>) {
        self.count = range.len();
        self.mean.fill(T::zero());
        x.range(range.clone()).for_each(|x| add_assign(&mut self.mean, x));
        let reciprocal_count = T::from_f64(self.count as f64).recip();
        self.mean.iter_mut().for_each(|mean| *mean *= reciprocal_count);
        self.squares.fill(T::zero());
        for x in x.range(range) {
            for ((square, x), mean) in self.squares.iter_mut().zip(x).zip(&self.mean) {
                let deviation = *x - *mean;
                *square += deviation * deviation;
            }
        }
    }

    #[inline(always)]
    fn merge(&mut self, other: &Self) {
        let count = self.count + other.count;
        let weight = other.count as f64 / count as f64;
        let [mean_weight, square_weight] = [weight, weight * self.count as f64].map(T::from_f64);
        for ((mean, squares), (other_mean, other_squares)) in
            self.mean.iter_mut().zip(&mut self.squares).zip(other.mean.iter().zip(&other.squares))
        {
            let difference = *other_mean - *mean;
            *mean += difference * mean_weight;
            *squares += *other_squares + difference * difference * square_weight;
        }
        self.count = count;
    }
}
