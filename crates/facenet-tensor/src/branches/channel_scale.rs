//! One factor per image and channel: the gate of squeeze-and-excitation (Hu et al. 2018).

use ndarray::{ArrayView2, ArrayView4, ArrayViewMut2, ArrayViewMut4};
use rayon::prelude::*;

use crate::image::check::assert_same_shape;
use crate::image::pixels::{Pixels, PixelsMut};
use crate::reduction::sum_over_pixels;
use crate::scalar::Scalar;
use crate::simd::vectorize::vectorize;

/// Multiplies each channel of an image by its gate.
///
/// ```text
/// y[n, h, w, c] = x[n, h, w, c] * gate[n, c]
/// ```
///
/// # Shapes
/// `x` and `y` are `[n, h, w, channels]`; `gate` is `[n, channels]`.
///
/// # Panics
/// If the shapes disagree or channels are not contiguous.
#[track_caller]
pub fn channel_scale_forward<T: Scalar>(x: ArrayView4<'_, T>, gate: ArrayView2<'_, T>, y: ArrayViewMut4<'_, T>) {
    assert_same_shape(["x", "y"], &x.raw_dim(), &y.raw_dim());
    let gates = Gates::new(gate, x.dim());
    let x = Pixels::new(x);
    PixelsMut::new(y).blocks().for_each(|block| {
        vectorize(
            #[inline(always)]
            || {
                let range = block.range();
                for ((pixel, x), y) in range.clone().zip(x.range(range)).zip(block.pixels()) {
                    for ((y, x), gate) in y.iter_mut().zip(x).zip(gates.at(pixel)) {
                        *y = *x * *gate;
                    }
                }
            },
        );
    });
}

/// Adds the gradient at the input to `dx`.
///
/// ```text
/// dx[n, h, w, c] += dy[n, h, w, c] * gate[n, c]
/// ```
///
/// # Shapes
/// `gate` is `[n, channels]`; `dy` and `dx` are `[n, h, w, channels]`.
///
/// # Panics
/// Same as [`channel_scale_forward`].
#[track_caller]
pub fn channel_scale_backward_input<T: Scalar>(
    gate: ArrayView2<'_, T>,
    dy: ArrayView4<'_, T>,
    dx: ArrayViewMut4<'_, T>,
) {
    assert_same_shape(["dy", "dx"], &dy.raw_dim(), &dx.raw_dim());
    let gates = Gates::new(gate, dy.dim());
    let dy = Pixels::new(dy);
    PixelsMut::new(dx).blocks().for_each(|block| {
        vectorize(
            #[inline(always)]
            || {
                let range = block.range();
                for ((pixel, dy), dx) in range.clone().zip(dy.range(range)).zip(block.pixels()) {
                    for ((dx, dy), gate) in dx.iter_mut().zip(dy).zip(gates.at(pixel)) {
                        *dx += *dy * *gate;
                    }
                }
            },
        );
    });
}

/// Adds the gradient at the gate to `dgate`.
///
/// ```text
/// dgate[n, c] += sum over h, w of x[n, h, w, c] * dy[n, h, w, c]
/// ```
///
/// # Shapes
/// `x` and `dy` are `[n, h, w, channels]`; `dgate` is `[n, channels]`.
///
/// # Panics
/// Same as [`channel_scale_forward`].
#[track_caller]
pub fn channel_scale_backward_gate<T: Scalar>(
    x: ArrayView4<'_, T>,
    dy: ArrayView4<'_, T>,
    mut dgate: ArrayViewMut2<'_, T>,
) {
    assert_same_shape(["x", "dy"], &x.raw_dim(), &dy.raw_dim());
    let (_, height, width, channels) = x.dim();
    assert_gate_shape("dgate", dgate.dim(), x.dim());
    let pixels = height * width;
    let (x, dy) = (Pixels::new(x), Pixels::new(dy));
    dgate.outer_iter_mut().into_par_iter().enumerate().for_each(|(image, mut dgate)| {
        let first = image * pixels;
        let sums = sum_over_pixels(
            pixels,
            channels,
            #[inline(always)]
            |range, sums| {
                let range = first + range.start..first + range.end;
                for (x, dy) in x.range(range.clone()).zip(dy.range(range)) {
                    for ((sum, x), dy) in sums.iter_mut().zip(x).zip(dy) {
                        *sum += *x * *dy;
                    }
                }
            },
        );
        dgate.iter_mut().zip(&sums).for_each(|(dgate, sum)| *dgate += *sum);
    });
}

/// Adds a gated branch to the input of its residual block, for inference: [`channel_scale_forward`]
/// followed by [`scaled_sum_forward`](crate::scaled_sum_forward), up to rounding, in one pass over
/// memory.
///
/// ```text
/// y[n, h, w, c] = residual[n, h, w, c] + x[n, h, w, c] * (scale * gate[n, c])
/// ```
///
/// # Shapes
/// `x`, `residual` and `y` are `[n, h, w, channels]`; `gate` is `[n, channels]`.
///
/// # Panics
/// If the shapes disagree or channels are not contiguous.
#[track_caller]
pub fn gated_sum<T: Scalar>(
    x: ArrayView4<'_, T>,
    gate: ArrayView2<'_, T>,
    scale: T,
    residual: ArrayView4<'_, T>,
    y: ArrayViewMut4<'_, T>,
) {
    assert_same_shape(["x", "residual"], &x.raw_dim(), &residual.raw_dim());
    assert_same_shape(["x", "y"], &x.raw_dim(), &y.raw_dim());
    let mut gates = Gates::new(gate, x.dim());
    gates.gates.iter_mut().for_each(|gate| *gate *= scale);
    let (x, residual) = (Pixels::new(x), Pixels::new(residual));
    PixelsMut::new(y).blocks().for_each(|block| {
        vectorize(
            #[inline(always)]
            || {
                let range = block.range();
                let pixels = range.clone().zip(x.range(range.clone()).zip(residual.range(range)));
                for ((pixel, (x, residual)), y) in pixels.zip(block.pixels()) {
                    for (((y, x), residual), gate) in y.iter_mut().zip(x).zip(residual).zip(gates.at(pixel)) {
                        *y = *residual + *x * *gate;
                    }
                }
            },
        );
    });
}

/// The gates of a batch, looked up by pixel index.
struct Gates<T> {
    gates: Vec<T>,
    channels: usize,
    pixels_per_image: usize,
}

impl<T: Scalar> Gates<T> {
    /// The gates of images of shape `x`.
    #[track_caller]
    fn new(gate: ArrayView2<'_, T>, x: (usize, usize, usize, usize)) -> Self {
        assert_gate_shape("gate", gate.dim(), x);
        Self { gates: gate.iter().copied().collect(), channels: x.3, pixels_per_image: x.1 * x.2 }
    }

    /// The gates of the image that contains the pixel.
    #[inline(always)]
    fn at(&self, pixel: usize) -> &[T] {
        let first = pixel / self.pixels_per_image * self.channels;
        &self.gates[first..first + self.channels]
    }
}

/// Asserts that there is one gate per image and channel.
#[track_caller]
fn assert_gate_shape(name: &str, gate: (usize, usize), x: (usize, usize, usize, usize)) {
    assert_eq!((x.0, x.3), gate, "{name} {gate:?} of images {x:?}");
}
