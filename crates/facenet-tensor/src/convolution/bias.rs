//! Bias: one coefficient per channel, added to every pixel.

use ndarray::{ArrayView1, ArrayView4, ArrayViewMut1, ArrayViewMut4};
use rayon::prelude::*;

use crate::elementwise::add_assign;
use crate::image::check::{per_channel, per_channel_mut};
use crate::image::pixels::{Pixels, PixelsMut};
use crate::reduction::sum_over_pixels;
use crate::scalar::Scalar;
use crate::simd::vectorize::vectorize;

/// Adds a bias per channel, in place.
///
/// ```text
/// y[n, h, w, c] += bias[c]
/// ```
///
/// # Shapes
/// `bias [channels]`, `y [n, h, w, channels]`.
///
/// # Panics
/// If the shapes disagree or channels are not contiguous.
#[track_caller]
pub fn bias_forward<T: Scalar>(bias: ArrayView1<'_, T>, y: ArrayViewMut4<'_, T>) {
    let bias = per_channel("bias", bias, y.dim().3);
    PixelsMut::new(y).blocks().for_each(|block| {
        vectorize(
            #[inline(always)]
            || block.pixels().for_each(|y| add_assign(y, bias)),
        )
    });
}

/// Adds the gradient at the bias to `dbias`. (The gradient at the input is `dy` itself.)
///
/// ```text
/// dbias[c] += sum over n, h, w of dy[n, h, w, c]
/// ```
///
/// # Shapes
/// `dy [n, h, w, channels]`, `dbias [channels]`.
///
/// # Panics
/// If the shapes disagree or channels are not contiguous.
#[track_caller]
pub fn bias_backward<T: Scalar>(dy: ArrayView4<'_, T>, dbias: ArrayViewMut1<'_, T>) {
    let channels = dy.dim().3;
    let dbias = per_channel_mut("dbias", dbias, channels);
    let dy = Pixels::new(dy);
    let sums = sum_over_pixels(
        dy.len(),
        channels,
        #[inline(always)]
        |range, sums| {
            dy.range(range).for_each(|dy| add_assign(sums, dy));
        },
    );
    add_assign(dbias, &sums);
}
