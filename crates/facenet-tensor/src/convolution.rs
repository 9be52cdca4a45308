//! Convolution: sums of products over a window and over input channels.

mod depthwise;
mod division;
mod image;
mod indirect;
mod lanes;
mod naive;
mod outer_products;
mod peak;
mod tile;
mod weight_gradient;
mod winograd;
mod write;

use image::Image;
pub(crate) use lanes::LANES;
use ndarray::{ArrayView3, ArrayView4, ArrayViewMut4};
pub use peak::peak_multiply_adds_per_second;
use rayon::prelude::*;
use winograd::Tiling;
use write::{Output, Write};

use crate::AlignedVec;
use crate::packed::Epilogue;
use crate::pixels::{Pixels, PixelsMut};
use crate::scalar::sealed::Kernels;
use crate::simd::{Level, vectorize};
use crate::sums::add_assign;
use crate::{Accumulation, Scalar, Scratch, Window, level};

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

/// Writes the gradient at the input of a convolution to `dx`, or adds it.
///
/// ```text
/// dx[n, h, w, c] (+)= sum over i, j, o of dy[n, (h + p - i) / s, (w + p - j) / s, o] * weight[i, j, c, o]   where s divides
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
    accumulation: Accumulation,
    dx: ArrayViewMut4<'_, T>,
    scratch: &mut Scratch<T>,
) {
    check_weight(&weight);
    check(&dx.view(), weight.dim().into(), window, &dy);
    T::convolution_backward_input(level(), dy, weight, window, accumulation, dx, scratch);
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

/// Weights as a forward kernel reads them.
#[derive(Clone, Debug)]
pub struct PackedWeights<T> {
    numbers: AlignedVec<T>,
    /// How many zeros there are at the end.
    zeros: usize,
    /// The tiles in which 3x3 convolutions are computed, unless directly.
    tiling: Option<Tiling>,
}

impl<T: Scalar> PackedWeights<T> {
    pub(crate) fn can_join(&self, other: &Self) -> bool {
        self.tiling.is_none() && other.tiling.is_none()
    }

    /// Weights of convolutions that read the same images, none of them computed in tiles.
    pub(crate) fn join(all: &[&Self]) -> Self {
        let zeros = all[0].zeros;
        let without_zeros = |weights: &&Self| weights.numbers.len() - weights.zeros;
        let mut numbers = AlignedVec::zeros(all.iter().map(without_zeros).sum::<usize>() + zeros);
        let mut rest = &mut numbers[..];
        for weights in all {
            let place;
            (place, rest) = rest.split_at_mut(without_zeros(weights));
            place.copy_from_slice(&weights.numbers[..place.len()]);
        }
        Self { numbers, zeros, tiling: None }
    }
}

/// Where outputs of packed weights go.
pub struct PackedOutput<'a, T> {
    pub(crate) epilogue: &'a Epilogue<T>,
    /// What is added before the activation.
    pub(crate) residual: Option<ArrayView4<'a, T>>,
    pub(crate) y: ArrayViewMut4<'a, T>,
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
    check_channels("x", x);
    check_channels("y", y);
}

/// Asserts that channels lie side by side.
#[track_caller]
pub(crate) fn check_channels<T>(name: &str, images: &ArrayView4<'_, T>) {
    let stride = images.strides()[3];
    let contiguous = images.is_empty() || images.dim().3 == 1 || stride == 1;
    assert!(contiguous, "channels of {name} {:?} are not contiguous: their stride is {stride}", images.shape());
}

impl Kernels for f32 {
    fn convolution_forward(
        level: Level,
        x: ArrayView4<'_, f32>,
        weight: ArrayView4<'_, f32>,
        window: Window,
        mut y: ArrayViewMut4<'_, f32>,
        scratch: &mut Scratch<f32>,
    ) {
        let output = Output { image: Image::new_mut(&mut y), write: Write::Set };
        let (_, height, width, outputs) = y.dim();
        let channels = [x.dim().3, outputs];
        if Tiling::wins(window, channels, [height, width]) {
            let packed = scratch.take(Tiling::TwoByTwo.packed_length(channels));
            Tiling::TwoByTwo.pack(&weight, packed);
            return Tiling::TwoByTwo.forward(level, x, packed, window.padding, output);
        }
        let packed = scratch.take(indirect::packed_length(&weight));
        indirect::pack(&weight, packed);
        indirect::forward(level, x, packed, window, &[output]);
    }

    fn pack(weight: ArrayView4<'_, f32>, window: Window, images: [usize; 2]) -> PackedWeights<f32> {
        let channels = [weight.dim().2, weight.dim().3];
        let output = window.output(images).unwrap_or_default();
        let tiling = Tiling::of_inference(window, channels, output);
        let (length, zeros) = match tiling {
            Some(tiling) => (tiling.packed_length(channels), channels[0]),
            None => (indirect::packed_length(&weight), window.kernel[1] * channels[0]),
        };
        let mut numbers = AlignedVec::zeros(length);
        match tiling {
            Some(tiling) => tiling.pack(&weight, &mut numbers),
            None => indirect::pack(&weight, &mut numbers),
        }
        PackedWeights { numbers, zeros, tiling }
    }

    fn packed_forward(
        level: Level,
        x: ArrayView4<'_, f32>,
        packed: &PackedWeights<f32>,
        window: Window,
        outputs: &mut [PackedOutput<'_, f32>],
    ) {
        let outputs: Vec<Output<'_>> = outputs
            .iter_mut()
            .map(|PackedOutput { epilogue, residual, y }| Output {
                image: Image::new_mut(y),
                write: Write::Finished { epilogue, residual: residual.as_ref().map(Image::new) },
            })
            .collect();
        match packed.tiling {
            Some(tiling) => tiling.forward(level, x, &packed.numbers, window.padding, outputs[0]),
            None => indirect::forward(level, x, &packed.numbers, window, &outputs),
        }
    }

    fn depthwise_forward(
        level: Level,
        x: ArrayView4<'_, f32>,
        weight: ArrayView3<'_, f32>,
        window: Window,
        epilogue: Option<&Epilogue<f32>>,
        mut y: ArrayViewMut4<'_, f32>,
    ) {
        let write = epilogue.map_or(Write::Set, |epilogue| Write::Finished { epilogue, residual: None });
        let output = Output { image: Image::new_mut(&mut y), write };
        depthwise::forward(level, x, weight, window, output);
    }

    fn convolution_backward_input(
        level: Level,
        dy: ArrayView4<'_, f32>,
        weight: ArrayView4<'_, f32>,
        window: Window,
        accumulation: Accumulation,
        dx: ArrayViewMut4<'_, f32>,
        scratch: &mut Scratch<f32>,
    ) {
        let (_, height, width, outputs) = dy.dim();
        if Tiling::wins(window, [dx.dim().3, outputs], [height, width]) {
            return winograd::backward_input(level, dy, &weight, window, accumulation, dx, scratch);
        }
        indirect::backward_input(level, dy, weight, window, accumulation, dx, scratch);
    }

    fn convolution_backward_weight(
        level: Level,
        x: ArrayView4<'_, f32>,
        dy: ArrayView4<'_, f32>,
        window: Window,
        dweight: ArrayViewMut4<'_, f32>,
        scratch: &mut Scratch<f32>,
    ) {
        let (_, height, width, outputs) = dy.dim();
        if Tiling::wins(window, [x.dim().3, outputs], [height, width]) {
            return winograd::backward_weight(level, x, dy, window, dweight, scratch);
        }
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

    fn pack(weight: ArrayView4<'_, f64>, _: Window, _: [usize; 2]) -> PackedWeights<f64> {
        let mut numbers = AlignedVec::zeros(weight.len());
        numbers.iter_mut().zip(weight).for_each(|(number, weight)| *number = *weight);
        PackedWeights { numbers, zeros: 0, tiling: None }
    }

    fn packed_forward(
        _: Level,
        x: ArrayView4<'_, f64>,
        packed: &PackedWeights<f64>,
        window: Window,
        outputs: &mut [PackedOutput<'_, f64>],
    ) {
        let mut rest = &packed.numbers[..];
        for PackedOutput { epilogue, residual, y } in outputs {
            let shape = (window.kernel[0], window.kernel[1], x.dim().3, y.dim().3);
            let weight;
            (weight, rest) = rest.split_at(shape.0 * shape.1 * shape.2 * shape.3);
            let weight = ArrayView4::from_shape(shape, weight).expect("asserted: x and y fit the weights");
            naive::forward(x, weight, window, y.view_mut());
            finish(epilogue, *residual, y.view_mut());
        }
    }

    fn depthwise_forward(
        _: Level,
        x: ArrayView4<'_, f64>,
        weight: ArrayView3<'_, f64>,
        window: Window,
        epilogue: Option<&Epilogue<f64>>,
        mut y: ArrayViewMut4<'_, f64>,
    ) {
        naive::depthwise_forward(x, weight, window, y.view_mut());
        if let Some(epilogue) = epilogue {
            finish(epilogue, None, y);
        }
    }

    fn convolution_backward_input(
        _: Level,
        dy: ArrayView4<'_, f64>,
        weight: ArrayView4<'_, f64>,
        window: Window,
        accumulation: Accumulation,
        mut dx: ArrayViewMut4<'_, f64>,
        _: &mut Scratch<f64>,
    ) {
        if accumulation == Accumulation::Set {
            dx.fill(0.0);
        }
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

/// What becomes of the sums of a product, pixel by pixel.
fn finish(epilogue: &Epilogue<f64>, residual: Option<ArrayView4<'_, f64>>, y: ArrayViewMut4<'_, f64>) {
    let residual = residual.map(Pixels::new);
    PixelsMut::new(y).blocks().for_each(|block| {
        vectorize(
            #[inline(always)]
            || {
                let Some(residual) = &residual else {
                    return block.pixels().for_each(|y| epilogue.apply(y));
                };
                for (residual, y) in residual.range(block.range()).zip(block.pixels()) {
                    add_assign(y, &epilogue.bias);
                    add_assign(y, residual);
                    epilogue.activate(y);
                }
            },
        )
    });
}
