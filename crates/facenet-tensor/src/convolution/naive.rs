//! The formulas as plain loops: what `f64` runs, and what the fast kernels are compared with.
//!
//! The innermost loop runs over contiguous channels, and each task owns rows of the result, so
//! every element is a single sum whose terms are added in loop order.

use ndarray::{Array4, ArrayView3, ArrayView4, ArrayViewMut4, Axis, Zip};
use rayon::prelude::*;

use crate::accumulation::Accumulation;
use crate::convolution::fused_activation::Epilogue;
use crate::convolution::kernels::{
    ConvolutionBackwardInput, ConvolutionBackwardWeight, ConvolutionForward, DepthwiseForward, Kernels, PackedForward,
    PackedOutput, RowProducts, SeparableForward, SeparablePool,
};
use crate::convolution::packed_weights::PackedWeights;
use crate::elementwise::add_assign;
use crate::image::pixels::{Pixels, PixelsMut};
use crate::image::view::ImageView;
use crate::memory::aligned_vec::AlignedVec;
use crate::pooling::max_pool::max_pool_forward;
use crate::scalar::Scalar;
use crate::simd::lanes::LANES;
use crate::simd::level::SimdLevel;
use crate::simd::vectorize::vectorize;
use crate::window::Window;

/// Input channels per task of a weight gradient: their rows of weights stay in the L1 cache.
const INPUTS_PER_TASK: usize = 16;

impl Kernels for f64 {
    fn convolution_forward(_: SimdLevel, operands: ConvolutionForward<'_, f64>) {
        let ConvolutionForward { x, weight, window, y, .. } = operands;
        forward(x, weight, window, y);
    }

    fn convolution_backward_input(_: SimdLevel, operands: ConvolutionBackwardInput<'_, f64>) {
        let ConvolutionBackwardInput { dy, weight, window, accumulation, mut dx, .. } = operands;
        if accumulation == Accumulation::Set {
            dx.fill(0.0);
        }
        backward_input(dy, weight, window, dx);
    }

    fn convolution_backward_weight(_: SimdLevel, operands: ConvolutionBackwardWeight<'_, f64>) {
        let ConvolutionBackwardWeight { x, dy, window, dweight, .. } = operands;
        backward_weight(x, dy, window, dweight);
    }

    fn depthwise_forward(_: SimdLevel, operands: DepthwiseForward<'_, f64>) {
        let DepthwiseForward { x, weight, window, epilogue, mut y } = operands;
        depthwise_forward(x, weight, window, y.view_mut());
        if let Some(epilogue) = epilogue {
            apply_epilogue(epilogue, None, y);
        }
    }

    fn pack(weight: ArrayView4<'_, f64>, _: Window, _: [usize; 2]) -> PackedWeights<f64> {
        let mut elements = AlignedVec::zeros(weight.len());
        elements.iter_mut().zip(weight).for_each(|(element, weight)| *element = *weight);
        PackedWeights { elements, trailing_zeros: 0, tiling: None }
    }

    fn separable_forward(level: SimdLevel, operands: SeparableForward<'_, f64>) {
        let SeparableForward { x, pointwise, pointwise_epilogue, depthwise, window, epilogue, pool, y } = operands;
        let (n, height, width, _) = x.dim();
        let channels = depthwise.dim().2;
        let mut between = Array4::zeros((n, height, width, channels));
        let outputs = vec![PackedOutput { epilogue: pointwise_epilogue, residual: None, y: between.view_mut() }];
        let pointwise_window = Window::square(1, 1, 0);
        let pointwise = PackedForward { x: x.reborrow(), weights: pointwise, window: pointwise_window, outputs };
        Self::packed_forward(level, pointwise);
        let [rows, columns] = window.output([height, width]).expect("asserted: the kernel fits");
        let mut z = Array4::zeros((n, rows, columns, channels));
        let (x, weight, epilogue) = (between.view(), depthwise.reborrow(), Some(epilogue));
        Self::depthwise_forward(level, DepthwiseForward { x, weight, window, epilogue, y: z.view_mut() });
        match pool {
            SeparablePool::None => y.reborrow().assign(&z),
            SeparablePool::Max => max_pool_forward(z.view(), Window::square(2, 2, 0), y),
        }
    }

    fn row_products(_: SimdLevel, operands: RowProducts<'_, f64>) {
        let RowProducts { x, panels, products } = operands;
        let columns = products.len() / x.nrows();
        for (row, products) in x.outer_iter().zip(products.chunks_exact_mut(columns)) {
            for (column, product) in products.iter_mut().enumerate() {
                let packed = panels[column / LANES * x.ncols() * LANES..].iter().skip(column % LANES).step_by(LANES);
                *product = row.iter().zip(packed).map(|(&x, &y)| x * y).sum();
            }
        }
    }

    fn packed_forward(_: SimdLevel, operands: PackedForward<'_, f64>) {
        let PackedForward { x, weights, window, outputs } = operands;
        let mut rest = &weights.elements[..];
        for PackedOutput { epilogue, residual, mut y } in outputs {
            let shape = (window.kernel[0], window.kernel[1], x.dim().3, y.dim().3);
            let weight;
            (weight, rest) = rest.split_at(shape.0 * shape.1 * shape.2 * shape.3);
            let weight = ArrayView4::from_shape(shape, weight).expect("asserted: x and y fit the weights");
            forward(x, weight, window, y.view_mut());
            apply_epilogue(epilogue, residual, y);
        }
    }
}

/// Turns the sums of a convolution into outputs, pixel by pixel.
fn apply_epilogue(epilogue: &Epilogue<f64>, residual: Option<ArrayView4<'_, f64>>, y: ArrayViewMut4<'_, f64>) {
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

fn forward<T: Scalar>(x: ArrayView4<'_, T>, weight: ArrayView4<'_, T>, window: Window, mut y: ArrayViewMut4<'_, T>) {
    let (_, height, width, _) = x.dim();
    let (kernel_height, kernel_width, _, outputs) = weight.dim();
    y.fill(T::zero());
    Zip::from(y.outer_iter_mut()).and(x.outer_iter()).par_for_each(|mut y, x| {
        let x = ImageView::new(x);
        y.outer_iter_mut().into_par_iter().enumerate().for_each(|(row, mut y)| {
            vectorize(
                #[inline(always)]
                || {
                    for (column, y) in y.outer_iter_mut().enumerate() {
                        let y = y.into_slice().expect("asserted: channels are contiguous");
                        for i in 0..kernel_height {
                            let Some(x_row) = input_position(window, 0, row, i, height) else { continue };
                            for j in 0..kernel_width {
                                let Some(x_column) = input_position(window, 1, column, j, width) else { continue };
                                let weights = tap(weight, i, j).chunks_exact(outputs.max(1));
                                for (x, weights) in x.at(x_row, x_column).iter().zip(weights) {
                                    add_product(y, *x, weights);
                                }
                            }
                        }
                    }
                },
            );
        });
    });
}

fn depthwise_forward<T: Scalar>(
    x: ArrayView4<'_, T>,
    weight: ArrayView3<'_, T>,
    window: Window,
    mut y: ArrayViewMut4<'_, T>,
) {
    let (_, height, width, _) = x.dim();
    let weight = ImageView::new(weight);
    y.fill(T::zero());
    Zip::from(y.outer_iter_mut()).and(x.outer_iter()).par_for_each(|mut y, x| {
        let x = ImageView::new(x);
        y.outer_iter_mut().into_par_iter().enumerate().for_each(|(row, mut y)| {
            vectorize(
                #[inline(always)]
                || {
                    let (rows, first_row) = window.taps(0, row, height);
                    for (column, y) in y.outer_iter_mut().enumerate() {
                        let y = y.into_slice().expect("asserted: channels are contiguous");
                        let (columns, first_column) = window.taps(1, column, width);
                        for (i, x_row) in rows.clone().zip(first_row..) {
                            for (j, x_column) in columns.clone().zip(first_column..) {
                                for ((y, x), weight) in y.iter_mut().zip(x.at(x_row, x_column)).zip(weight.at(i, j)) {
                                    *y += *x * *weight;
                                }
                            }
                        }
                    }
                },
            );
        });
    });
}

fn backward_input<T: Scalar>(
    dy: ArrayView4<'_, T>,
    weight: ArrayView4<'_, T>,
    window: Window,
    mut dx: ArrayViewMut4<'_, T>,
) {
    let (_, height, width, _) = dy.dim();
    let (kernel_height, kernel_width, inputs, _) = weight.dim();
    // [kernel height, kernel width, outputs, inputs]
    let transposed = weight.permuted_axes([0, 1, 3, 2]);
    let transposed = transposed.as_standard_layout();
    let transposed = transposed.view();
    Zip::from(dx.outer_iter_mut()).and(dy.outer_iter()).par_for_each(|mut dx, dy| {
        let dy = ImageView::new(dy);
        dx.outer_iter_mut().into_par_iter().enumerate().for_each(|(row, mut dx)| {
            vectorize(
                #[inline(always)]
                || {
                    for (column, dx) in dx.outer_iter_mut().enumerate() {
                        let dx = dx.into_slice().expect("asserted: channels are contiguous");
                        for i in 0..kernel_height {
                            let Some(dy_row) = output_position(window, 0, row, i, height) else { continue };
                            for j in 0..kernel_width {
                                let Some(dy_column) = output_position(window, 1, column, j, width) else { continue };
                                let weights = tap(transposed, i, j).chunks_exact(inputs.max(1));
                                for (dy, weights) in dy.at(dy_row, dy_column).iter().zip(weights) {
                                    add_product(dx, *dy, weights);
                                }
                            }
                        }
                    }
                },
            );
        });
    });
}

fn backward_weight<T: Scalar>(
    x: ArrayView4<'_, T>,
    dy: ArrayView4<'_, T>,
    window: Window,
    mut dweight: ArrayViewMut4<'_, T>,
) {
    let (_, height, width, _) = x.dim();
    let (_, rows, columns, _) = dy.dim();
    let (_, kernel_width, inputs, outputs) = dweight.dim();
    let images: Vec<(ImageView<'_, T>, ImageView<'_, T>)> =
        x.outer_iter().zip(dy.outer_iter()).map(|(x, dy)| (ImageView::new(x), ImageView::new(dy))).collect();
    let dweight = dweight.as_slice_mut().expect("asserted: weights are in standard layout");
    dweight.par_chunks_mut((inputs * outputs).max(1)).enumerate().for_each(|(tap, dweight)| {
        let (i, j) = (tap / kernel_width, tap % kernel_width);
        dweight.par_chunks_mut(INPUTS_PER_TASK * outputs).enumerate().for_each(|(group, dweight)| {
            vectorize(
                #[inline(always)]
                || {
                    for (x, dy) in &images {
                        for row in 0..rows {
                            let Some(x_row) = input_position(window, 0, row, i, height) else { continue };
                            for column in 0..columns {
                                let Some(x_column) = input_position(window, 1, column, j, width) else { continue };
                                let x = &x.at(x_row, x_column)[group * INPUTS_PER_TASK..];
                                for (x, dweight) in x.iter().zip(dweight.chunks_exact_mut(outputs)) {
                                    add_product(dweight, *x, dy.at(row, column));
                                }
                            }
                        }
                    }
                },
            );
        });
    });
}

/// The input position that output `position` reads through `tap` along `axis`; `None` in the
/// padding.
#[inline(always)]
fn input_position(window: Window, axis: usize, position: usize, tap: usize, input: usize) -> Option<usize> {
    let read = (position * window.stride[axis] + tap).checked_sub(window.padding[axis])?;
    (read < input).then_some(read)
}

/// The output position that reads input `position` through `tap` along `axis`, if any.
#[inline(always)]
fn output_position(window: Window, axis: usize, position: usize, tap: usize, output: usize) -> Option<usize> {
    let distance = (position + window.padding[axis]).checked_sub(tap)?;
    let reader = distance / window.stride[axis];
    (distance % window.stride[axis] == 0 && reader < output).then_some(reader)
}

/// The weights of one tap.
#[inline(always)]
fn tap<T>(weight: ArrayView4<'_, T>, i: usize, j: usize) -> &[T] {
    let tap = weight.index_axis_move(Axis(0), i).index_axis_move(Axis(0), j);
    tap.to_slice().expect("asserted: weights are in standard layout")
}

/// `sums += factor * values`
#[inline(always)]
fn add_product<T: Scalar>(sums: &mut [T], factor: T, values: &[T]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += factor * *value;
    }
}
