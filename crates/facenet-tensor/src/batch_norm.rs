//! Batch normalisation (Ioffe and Szegedy 2015).

use std::ops::Range;

use ndarray::{ArrayView1, ArrayView4, ArrayViewMut1, ArrayViewMut4};
use rayon::prelude::*;

use crate::pixels::{Pixels, PixelsMut, per_channel, per_channel_mut, same_shape};
use crate::simd::vectorize;
use crate::sums::{add_assign, blocks, each_part, sum_over_pixels};
use crate::{Accumulation, Scalar};

/// Normalises each channel with the mean and variance of this batch, which it writes.
///
/// ```text
/// mean[c]       = 1 / N * sum over n, h, w of x[n, h, w, c]                  N = n * h * w
/// variance[c]   = 1 / N * sum over n, h, w of (x[n, h, w, c] - mean[c])^2    (biased)
/// y[n, h, w, c] = (x[n, h, w, c] - mean[c]) / sqrt(variance[c] + epsilon) * scale[c] + shift[c]
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
    scale: ArrayView1<'_, T>,
    shift: ArrayView1<'_, T>,
    epsilon: T,
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
    batch_norm_eval_forward(x, scale, shift, epsilon, mean, variance, y);
}

/// The gradients of [`batch_norm_forward`], whose mean and variance depend on `x`: those of scale and shift are added.
///
/// ```text
/// normal     = (x - mean) / sqrt(variance + epsilon)
/// dshift[c] += sum over n, h, w of dy
/// dscale[c] += sum over n, h, w of dy * normal
/// dx       (+)= scale / sqrt(variance + epsilon) * (dy - mean over n, h, w of dy - normal * mean over n, h, w of (dy * normal))
/// ```
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
    scale: ArrayView1<'_, T>,
    epsilon: T,
    mean: ArrayView1<'_, T>,
    variance: ArrayView1<'_, T>,
    accumulation: Accumulation,
    dx: ArrayViewMut4<'_, T>,
    dscale: ArrayViewMut1<'_, T>,
    dshift: ArrayViewMut1<'_, T>,
) {
    backward(Statistics::Batch, x, dy, scale, epsilon, mean, variance, accumulation, dx, dscale, dshift);
}

/// Normalises each channel with a given mean and variance.
///
/// ```text
/// y[n, h, w, c] = (x[n, h, w, c] - mean[c]) / sqrt(variance[c] + epsilon) * scale[c] + shift[c]
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
    scale: ArrayView1<'_, T>,
    shift: ArrayView1<'_, T>,
    epsilon: T,
    mean: ArrayView1<'_, T>,
    variance: ArrayView1<'_, T>,
    y: ArrayViewMut4<'_, T>,
) {
    same_shape(["x", "y"], &x.raw_dim(), &y.raw_dim());
    let channels = x.dim().3;
    let scale = per_channel("scale", scale, channels);
    let shift = per_channel("shift", shift, channels);
    let mean = per_channel("mean", mean, channels);
    let factor: Vec<T> = inverse_deviation(per_channel("variance", variance, channels), epsilon)
        .zip(scale)
        .map(|(inverse, scale)| inverse * *scale)
        .collect();
    let x = Pixels::new(x);
    PixelsMut::new(y).blocks().for_each(|block| {
        vectorize(
            #[inline(always)]
            || {
                for (x, y) in x.range(block.range()).zip(block.pixels()) {
                    for ((((y, x), mean), factor), shift) in y.iter_mut().zip(x).zip(mean).zip(&factor).zip(shift) {
                        *y = (*x - *mean) * *factor + *shift;
                    }
                }
            },
        );
    });
}

/// The gradients of [`batch_norm_eval_forward`], whose mean and variance are constants: those of scale and shift are added.
///
/// ```text
/// dshift[c] += sum over n, h, w of dy
/// dscale[c] += sum over n, h, w of dy * (x - mean) / sqrt(variance + epsilon)
/// dx       (+)= dy * scale / sqrt(variance + epsilon)
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
    scale: ArrayView1<'_, T>,
    epsilon: T,
    mean: ArrayView1<'_, T>,
    variance: ArrayView1<'_, T>,
    accumulation: Accumulation,
    dx: ArrayViewMut4<'_, T>,
    dscale: ArrayViewMut1<'_, T>,
    dshift: ArrayViewMut1<'_, T>,
) {
    backward(Statistics::Given, x, dy, scale, epsilon, mean, variance, accumulation, dx, dscale, dshift);
}

/// Where mean and variance come from.
#[derive(Clone, Copy, PartialEq)]
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
    scale: ArrayView1<'_, T>,
    epsilon: T,
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
    let scale = per_channel("scale", scale, channels);
    let mean = per_channel("mean", mean, channels);
    let inverse: Vec<T> = inverse_deviation(per_channel("variance", variance, channels), epsilon).collect();
    let (x, dy) = (Pixels::new(x), Pixels::new(dy));
    let sums = sum_over_pixels(
        x.len(),
        2 * channels,
        #[inline(always)]
        |range, sums| {
            let (shifts, scales) = sums.split_at_mut(channels);
            for (x, dy) in x.range(range.clone()).zip(dy.range(range)) {
                for ((((shift, scale), x), dy), mean) in
                    shifts.iter_mut().zip(scales.iter_mut()).zip(x).zip(dy).zip(mean)
                {
                    *shift += *dy;
                    *scale += *dy * (*x - *mean);
                }
            }
        },
    );
    let (shifts, scales) = sums.split_at(channels);
    let scales: Vec<T> = scales.iter().zip(&inverse).map(|(sum, inverse)| *sum * *inverse).collect();
    add_assign(per_channel_mut("dshift", dshift, channels), shifts);
    add_assign(per_channel_mut("dscale", dscale, channels), &scales);

    // dx += factor * (dy - offset - (x - mean) * slope)
    let factor: Vec<T> = scale.iter().zip(&inverse).map(|(scale, inverse)| *scale * *inverse).collect();
    let share = match statistics {
        Statistics::Batch => T::from_f64(x.len().max(1) as f64).recip(),
        Statistics::Given => T::zero(),
    };
    let offset: Vec<T> = shifts.iter().map(|sum| *sum * share).collect();
    let slope: Vec<T> = scales.iter().zip(&inverse).map(|(sum, inverse)| *sum * share * *inverse).collect();
    PixelsMut::new(dx).blocks().for_each(|block| {
        vectorize(
            #[inline(always)]
            || {
                let range = block.range();
                for ((x, dy), dx) in x.range(range.clone()).zip(dy.range(range)).zip(block.pixels()) {
                    if accumulation == Accumulation::Set {
                        dx.fill(T::zero());
                    }
                    if statistics == Statistics::Given {
                        for ((dx, dy), factor) in dx.iter_mut().zip(dy).zip(&factor) {
                            *dx += *factor * *dy;
                        }
                        continue;
                    }
                    let operands = x.iter().zip(dy).zip(mean).zip(&factor).zip(&offset).zip(&slope);
                    for (dx, (((((x, dy), mean), factor), offset), slope)) in dx.iter_mut().zip(operands) {
                        *dx += *factor * ((*dy - *offset) - (*x - *mean) * *slope);
                    }
                }
            },
        );
    });
}

fn inverse_deviation<T: Scalar>(variance: &[T], epsilon: T) -> impl Iterator<Item = T> {
    variance.iter().map(move |variance| (*variance + epsilon).sqrt().recip())
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
