//! Convolution: sums of products over a window and over input channels.

mod image;
mod indirect;
mod lanes;
mod naive;
mod peak;
mod tile;
mod weight_gradient;

use indirect::Write;
pub(crate) use lanes::LANES;
use ndarray::{ArrayView4, ArrayViewMut4};
pub use peak::peak_multiply_adds_per_second;
use rayon::prelude::*;

use crate::packed::Epilogue;
use crate::pixels::PixelsMut;
use crate::scalar::sealed::Kernels;
use crate::simd::{Level, vectorize};
use crate::{Scalar, Scratch, Window, level};

/// Convolves images with a bank of kernels. (A cross-correlation, as in every network library.)
///
/// ```text
/// y[n, h, w, o] = sum over i, j, c of x[n, h s + i - p, w s + j - p, c] * weight[i, j, c, o]
/// ```
///
/// # Shapes
/// `x [n, h, w, inputs]`, `weight [kernel height, kernel width, inputs, outputs]` in standard layout,
/// `y [n, output height, output width, outputs]`; `x` and `y` may be channel slices.
///
/// # Panics
/// If the shapes disagree or channels are not contiguous.
#[track_caller]
pub fn convolution_forward<T: Scalar>(
    x: ArrayView4<'_, T>,
    weight: ArrayView4<'_, T>,
    window: Window,
    y: ArrayViewMut4<'_, T>,
    scratch: &mut Scratch<T>,
) {
    check_weight(&weight);
    check(&x, weight.dim().into(), window, &y.view());
    T::convolution_forward(level(), x, weight, window, y, scratch);
}

/// Adds the gradient at the input of a convolution to `dx`.
///
/// ```text
/// dx[n, h, w, c] += sum over i, j, o of dy[n, (h + p - i) / s, (w + p - j) / s, o] * weight[i, j, c, o]   where s divides
/// ```
///
/// # Shapes
/// As [`convolution_forward`].
///
/// # Panics
/// If the shapes disagree or channels are not contiguous.
#[track_caller]
pub fn convolution_backward_input<T: Scalar>(
    dy: ArrayView4<'_, T>,
    weight: ArrayView4<'_, T>,
    window: Window,
    dx: ArrayViewMut4<'_, T>,
    scratch: &mut Scratch<T>,
) {
    check_weight(&weight);
    check(&dx.view(), weight.dim().into(), window, &dy);
    T::convolution_backward_input(level(), dy, weight, window, dx, scratch);
}

/// Adds the gradient at the weights of a convolution to `dweight`.
///
/// ```text
/// dweight[i, j, c, o] += sum over n, h, w of x[n, h s + i - p, w s + j - p, c] * dy[n, h, w, o]
/// ```
///
/// # Shapes
/// As [`convolution_forward`].
///
/// # Panics
/// If the shapes disagree or channels are not contiguous.
#[track_caller]
pub fn convolution_backward_weight<T: Scalar>(
    x: ArrayView4<'_, T>,
    dy: ArrayView4<'_, T>,
    window: Window,
    dweight: ArrayViewMut4<'_, T>,
    scratch: &mut Scratch<T>,
) {
    check_weight(&dweight.view());
    check(&x, dweight.dim().into(), window, &dy);
    T::convolution_backward_weight(level(), x, dy, window, dweight, scratch);
}

#[track_caller]
fn check_weight<T>(weight: &ArrayView4<'_, T>) {
    assert!(weight.is_standard_layout(), "weight {:?} is not in standard layout", weight.shape());
}

#[track_caller]
pub(crate) fn check<T>(x: &ArrayView4<'_, T>, weight: [usize; 4], window: Window, y: &ArrayView4<'_, T>) {
    let (n, h, w, inputs) = x.dim();
    let [kernel_height, kernel_width, weight_inputs, outputs] = weight;
    assert_eq!([kernel_height, kernel_width], window.kernel, "weight {weight:?} and kernel of {window:?}");
    assert_eq!(inputs, weight_inputs, "x {:?} and weight {weight:?}", x.shape());
    let output = window.output([h, w]);
    let expected = output.map(|[height, width]| [n, height, width, outputs]);
    assert_eq!(
        expected.as_ref().map(|s| &s[..]),
        Some(y.shape()),
        "output of x {:?} under {window:?}, and y",
        x.shape()
    );
    let strides = [x.strides()[3], y.strides()[3]];
    let contiguous = |image: &ArrayView4<'_, T>| image.is_empty() || image.dim().3 == 1 || image.strides()[3] == 1;
    let contiguous = contiguous(x) && contiguous(y);
    assert!(contiguous, "channels of x and y are not contiguous: strides {strides:?}");
}

impl Kernels for f32 {
    fn convolution_forward(
        level: Level,
        x: ArrayView4<'_, f32>,
        weight: ArrayView4<'_, f32>,
        window: Window,
        y: ArrayViewMut4<'_, f32>,
        scratch: &mut Scratch<f32>,
    ) {
        let packed = scratch.take(indirect::packed_length(&weight));
        indirect::pack(&weight, packed);
        indirect::forward(level, x, packed, window, y, Write::Set);
    }

    fn pack(weight: ArrayView4<'_, f32>) -> Vec<f32> {
        let mut packed = vec![0.0; indirect::packed_length(&weight)];
        indirect::pack(&weight, &mut packed);
        packed
    }

    fn packed_forward(
        level: Level,
        x: ArrayView4<'_, f32>,
        packed: &[f32],
        window: Window,
        epilogue: &Epilogue<f32>,
        y: ArrayViewMut4<'_, f32>,
    ) {
        indirect::forward(level, x, packed, window, y, Write::Finished(epilogue));
    }

    fn convolution_backward_input(
        level: Level,
        dy: ArrayView4<'_, f32>,
        weight: ArrayView4<'_, f32>,
        window: Window,
        dx: ArrayViewMut4<'_, f32>,
        scratch: &mut Scratch<f32>,
    ) {
        indirect::backward_input(level, dy, weight, window, dx, scratch);
    }

    fn convolution_backward_weight(
        level: Level,
        x: ArrayView4<'_, f32>,
        dy: ArrayView4<'_, f32>,
        window: Window,
        dweight: ArrayViewMut4<'_, f32>,
        scratch: &mut Scratch<f32>,
    ) {
        weight_gradient::backward_weight(level, x, dy, window, dweight, scratch);
    }
}

impl Kernels for f64 {
    fn convolution_forward(
        _: Level,
        x: ArrayView4<'_, f64>,
        weight: ArrayView4<'_, f64>,
        window: Window,
        y: ArrayViewMut4<'_, f64>,
        _: &mut Scratch<f64>,
    ) {
        naive::forward(x, weight, window, y);
    }

    fn pack(weight: ArrayView4<'_, f64>) -> Vec<f64> {
        weight.iter().copied().collect()
    }

    fn packed_forward(
        _: Level,
        x: ArrayView4<'_, f64>,
        packed: &[f64],
        window: Window,
        epilogue: &Epilogue<f64>,
        mut y: ArrayViewMut4<'_, f64>,
    ) {
        let shape = (window.kernel[0], window.kernel[1], x.dim().3, y.dim().3);
        let weight = ArrayView4::from_shape(shape, packed).expect("asserted: x and y fit the weights");
        naive::forward(x, weight, window, y.view_mut());
        PixelsMut::new(y).blocks().for_each(|block| {
            vectorize(
                #[inline(always)]
                || block.pixels().for_each(|y| epilogue.apply(y)),
            )
        });
    }

    fn convolution_backward_input(
        _: Level,
        dy: ArrayView4<'_, f64>,
        weight: ArrayView4<'_, f64>,
        window: Window,
        dx: ArrayViewMut4<'_, f64>,
        _: &mut Scratch<f64>,
    ) {
        naive::backward_input(dy, weight, window, dx);
    }

    fn convolution_backward_weight(
        _: Level,
        x: ArrayView4<'_, f64>,
        dy: ArrayView4<'_, f64>,
        window: Window,
        dweight: ArrayViewMut4<'_, f64>,
        _: &mut Scratch<f64>,
    ) {
        naive::backward_weight(x, dy, window, dweight);
    }
}
