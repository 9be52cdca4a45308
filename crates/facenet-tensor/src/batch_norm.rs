//! Batch normalisation (Ioffe and Szegedy 2015), with a rectifier in the same pass where one follows.

use std::ops::Range;

use ndarray::{ArrayView1, ArrayView4, ArrayViewMut1, ArrayViewMut4};
use rayon::prelude::*;

use crate::pixels::{Pixels, PixelsMut, per_channel, per_channel_mut, same_shape};
use crate::relu::relu;
use crate::simd::vectorize;
use crate::sums::{add_assign, blocks, each_part, sum_over_pixels};
use crate::{Accumulation, Scalar};

/// What a batch normalisation does besides taking statistics.
#[derive(Clone, Copy, Debug)]
pub struct BatchNormParameters<'a, T> {
    /// What normalised numbers are multiplied by, `[channels]`.
    pub scale: ArrayView1<'a, T>,
    /// What is added then, `[channels]`.
    pub shift: ArrayView1<'a, T>,
    /// What is added to variances, so that none is 0.
    pub epsilon: T,
    /// Whether negative results become 0: [`relu_forward`](crate::relu_forward) without a pass of its own.
    pub rectify: bool,
}

/// Normalises each channel with the mean and variance of this batch, which it writes.
///
/// ```text
/// mean[c]       = 1 / N * sum over n, h, w of x[n, h, w, c]                  N = n * h * w
/// variance[c]   = 1 / N * sum over n, h, w of (x[n, h, w, c] - mean[c])^2    (biased)
/// z[n, h, w, c] = (x[n, h, w, c] - mean[c]) / sqrt(variance[c] + epsilon) * scale[c] + shift[c]
/// y             = max(z, 0) to rectify, else z
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
    let (mean, variance) = (ArrayView1::from(&*mean), ArrayView1::from(&*variance));
    batch_norm_eval_forward(x, parameters, mean, variance, y);
}

/// The gradients of [`batch_norm_forward`], whose mean and variance depend on `x`: those of scale and shift are added.
///
/// ```text
/// normal     = (x - mean) / sqrt(variance + epsilon)
/// dz         = dy, to rectify 0 where normal * scale + shift is not above 0
/// dshift[c] += sum over n, h, w of dz
/// dscale[c] += sum over n, h, w of dz * normal
/// dx       (+)= scale / sqrt(variance + epsilon) * (dz - mean over n, h, w of dz - normal * mean over n, h, w of (dz * normal))
/// ```
///
/// Where the rectifier lets nothing through is computed again from `x`, in the same bits as on the way forward.
///
/// # Shapes
/// `x`, `dy` and `dx` are `[n, h, w, channels]`, all others `[channels]`; `mean` and `variance` as the forward pass
/// wrote them.
///
/// # Panics
/// If the shapes disagree or channels are not contiguous.
#[track_caller]
#[expect(clippy::too_many_arguments, reason = "operands of the formula")]
pub fn batch_norm_backward<T: Scalar>(
    x: ArrayView4<'_, T>,
    dy: ArrayView4<'_, T>,
    parameters: BatchNormParameters<'_, T>,
    mean: ArrayView1<'_, T>,
    variance: ArrayView1<'_, T>,
    accumulation: Accumulation,
    dx: ArrayViewMut4<'_, T>,
    dscale: ArrayViewMut1<'_, T>,
    dshift: ArrayViewMut1<'_, T>,
) {
    backward(Statistics::Batch, x, dy, parameters, mean, variance, accumulation, dx, dscale, dshift);
}

/// Normalises each channel with a given mean and variance.
///
/// ```text
/// z[n, h, w, c] = (x[n, h, w, c] - mean[c]) / sqrt(variance[c] + epsilon) * scale[c] + shift[c]
/// y             = max(z, 0) to rectify, else z
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
    mean: ArrayView1<'_, T>,
    variance: ArrayView1<'_, T>,
    y: ArrayViewMut4<'_, T>,
) {
    same_shape(["x", "y"], &x.raw_dim(), &y.raw_dim());
    let affine = Affine::new(parameters, mean, variance, x.dim().3);
    let (x, y) = (&Pixels::new(x), PixelsMut::new(y));
    if parameters.rectify {
        affine.forward::<true>(x, y);
    } else {
        affine.forward::<false>(x, y);
    }
}

/// The gradients of [`batch_norm_eval_forward`], whose mean and variance are constants: those of scale and shift are added.
///
/// ```text
/// normal     = (x - mean) / sqrt(variance + epsilon)
/// dz         = dy, to rectify 0 where normal * scale + shift is not above 0
/// dshift[c] += sum over n, h, w of dz
/// dscale[c] += sum over n, h, w of dz * normal
/// dx       (+)= dz * scale / sqrt(variance + epsilon)
/// ```
///
/// # Shapes
/// As [`batch_norm_backward`].
///
/// # Panics
/// If the shapes disagree or channels are not contiguous.
#[track_caller]
#[expect(clippy::too_many_arguments, reason = "operands of the formula")]
pub fn batch_norm_eval_backward<T: Scalar>(
    x: ArrayView4<'_, T>,
    dy: ArrayView4<'_, T>,
    parameters: BatchNormParameters<'_, T>,
    mean: ArrayView1<'_, T>,
    variance: ArrayView1<'_, T>,
    accumulation: Accumulation,
    dx: ArrayViewMut4<'_, T>,
    dscale: ArrayViewMut1<'_, T>,
    dshift: ArrayViewMut1<'_, T>,
) {
    backward(Statistics::Given, x, dy, parameters, mean, variance, accumulation, dx, dscale, dshift);
}

/// Where mean and variance come from.
#[derive(Clone, Copy)]
enum Statistics {
    Batch,
    Given,
}

#[track_caller]
#[expect(clippy::too_many_arguments, reason = "operands of the formula")]
fn backward<T: Scalar>(
    statistics: Statistics,
    x: ArrayView4<'_, T>,
    dy: ArrayView4<'_, T>,
    parameters: BatchNormParameters<'_, T>,
    mean: ArrayView1<'_, T>,
    variance: ArrayView1<'_, T>,
    accumulation: Accumulation,
    dx: ArrayViewMut4<'_, T>,
    dscale: ArrayViewMut1<'_, T>,
    dshift: ArrayViewMut1<'_, T>,
) {
    same_shape(["x", "dy"], &x.raw_dim(), &dy.raw_dim());
    same_shape(["x", "dx"], &x.raw_dim(), &dx.raw_dim());
    let channels = x.dim().3;
    let affine = Affine::new(parameters, mean, variance, channels);
    let dshift = per_channel_mut("dshift", dshift, channels);
    let dscale = per_channel_mut("dscale", dscale, channels);
    let (x, dy, dx) = (Pixels::new(x), Pixels::new(dy), PixelsMut::new(dx));
    if parameters.rectify {
        affine.backward::<true>(statistics, &x, &dy, accumulation, dx, dscale, dshift);
    } else {
        affine.backward::<false>(statistics, &x, &dy, accumulation, dx, dscale, dshift);
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
    fn new<'p: 'a, 'm: 'a>(
        parameters: BatchNormParameters<'p, T>,
        mean: ArrayView1<'m, T>,
        variance: ArrayView1<'_, T>,
        channels: usize,
    ) -> Self {
        let scale = per_channel("scale", parameters.scale, channels);
        let shift = per_channel("shift", parameters.shift, channels);
        let mean = per_channel("mean", mean, channels);
        let variance = per_channel("variance", variance, channels);
        let inverse: Vec<T> = variance.iter().map(|variance| (*variance + parameters.epsilon).sqrt().recip()).collect();
        let factor = scale.iter().zip(&inverse).map(|(scale, inverse)| *scale * *inverse).collect();
        Self { inverse, mean, factor, shift }
    }

    /// Writes `z`, or what a rectifier makes of it.
    fn forward<const RECTIFY: bool>(&self, x: &Pixels<'_, T>, y: PixelsMut<'_, T>) {
        let Self { mean, factor, shift, .. } = self;
        y.blocks().for_each(|block| {
            vectorize(
                #[inline(always)]
                || {
                    for (x, y) in x.range(block.range()).zip(block.pixels()) {
                        for ((((y, x), mean), factor), shift) in y.iter_mut().zip(x).zip(*mean).zip(factor).zip(*shift)
                        {
                            let z = (*x - *mean) * *factor + *shift;
                            *y = if RECTIFY { relu(z) } else { z };
                        }
                    }
                },
            );
        });
    }

    /// The gradients of [`Affine::forward`], and of the statistics if they are those of the batch.
    #[expect(clippy::too_many_arguments, reason = "operands of the formula")]
    fn backward<const RECTIFY: bool>(
        &self,
        statistics: Statistics,
        x: &Pixels<'_, T>,
        dy: &Pixels<'_, T>,
        accumulation: Accumulation,
        dx: PixelsMut<'_, T>,
        dscale: &mut [T],
        dshift: &mut [T],
    ) {
        let Self { inverse, mean, factor, shift } = self;
        let channels = mean.len();
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
                        let distance = *x - *mean;
                        let dz = passed::<RECTIFY, _>(*dy, distance * *factor + *shift);
                        *shift_sum += dz;
                        *scale_sum += dz * distance;
                    }
                }
            },
        );
        let (shifts, scales) = sums.split_at(channels);
        let scales: Vec<T> = scales.iter().zip(inverse).map(|(sum, inverse)| *sum * *inverse).collect();
        add_assign(dshift, shifts);
        add_assign(dscale, &scales);

        // dx (+)= factor * (dz - offset - (x - mean) * slope)
        let share = T::from_f64(x.len().max(1) as f64).recip();
        let offset: Vec<T> = shifts.iter().map(|sum| *sum * share).collect();
        let slope: Vec<T> = scales.iter().zip(inverse).map(|(sum, inverse)| *sum * share * *inverse).collect();
        dx.blocks().for_each(|block| {
            vectorize(
                #[inline(always)]
                || {
                    let range = block.range();
                    for ((x, dy), dx) in x.range(range.clone()).zip(dy.range(range)).zip(block.pixels()) {
                        let operands = x.iter().zip(dy).zip(*mean).zip(factor).zip(*shift);
                        match statistics {
                            Statistics::Batch => accumulate(
                                accumulation,
                                dx,
                                operands.zip(&offset).zip(&slope).map(
                                    #[inline(always)]
                                    |((((((x, dy), mean), factor), shift), offset), slope)| {
                                        let distance = *x - *mean;
                                        let dz = passed::<RECTIFY, _>(*dy, distance * *factor + *shift);
                                        *factor * ((dz - *offset) - distance * *slope)
                                    },
                                ),
                            ),
                            Statistics::Given => accumulate(
                                accumulation,
                                dx,
                                operands.map(
                                    #[inline(always)]
                                    |((((x, dy), mean), factor), shift)| {
                                        *factor * passed::<RECTIFY, _>(*dy, (*x - *mean) * *factor + *shift)
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

/// What a rectifier after `z`, where there is one, lets through of a gradient.
#[inline(always)]
fn passed<const RECTIFY: bool, T: Scalar>(dy: T, z: T) -> T {
    if !RECTIFY || z > T::zero() { dy } else { T::zero() }
}

#[inline(always)]
fn accumulate<T: Scalar>(accumulation: Accumulation, dx: &mut [T], terms: impl Iterator<Item = T>) {
    match accumulation {
        Accumulation::Set => dx.iter_mut().zip(terms).for_each(|(dx, term)| *dx = term),
        Accumulation::Add => dx.iter_mut().zip(terms).for_each(|(dx, term)| *dx += term),
    }
}

/// Number, mean and sum of squared differences from the mean, per channel.
///
/// Of a few pixels both are computed by their definition; more are put together by the formulas of Chan, Golub and
/// LeVeque (1979), which lose no digits to a mean that is large beside the deviation.
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
        let parts = each_part(x.len(), |part| {
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
        let share = T::from_f64(self.count as f64).recip();
        self.mean.iter_mut().for_each(|mean| *mean *= share);
        self.squares.fill(T::zero());
        for x in x.range(range) {
            for ((square, x), mean) in self.squares.iter_mut().zip(x).zip(&self.mean) {
                let difference = *x - *mean;
                *square += difference * difference;
            }
        }
    }

    #[inline(always)]
    fn merge(&mut self, other: &Self) {
        let count = self.count + other.count;
        let share = other.count as f64 / count as f64;
        let [toward, between] = [share, share * self.count as f64].map(T::from_f64);
        for ((mean, squares), (other_mean, other_squares)) in
            self.mean.iter_mut().zip(&mut self.squares).zip(other.mean.iter().zip(&other.squares))
        {
            let difference = *other_mean - *mean;
            *mean += difference * toward;
            *squares += *other_squares + difference * difference * between;
        }
        self.count = count;
    }
}
