//! The formulas as loops: what `f64` runs and what the fast kernels are compared with.
//!
//! The innermost loop of each runs over neighbouring channels, tasks own rows of the result: each number is one sum, its
//! terms added in the order of the loops.

use ndarray::{ArrayView3, ArrayView4, ArrayViewMut4, Axis, Zip};
use rayon::prelude::*;

use crate::pixels::Image;
use crate::simd::vectorize;
use crate::{Scalar, Window};

/// Input channels per task of a weight gradient: their rows of weights stay in the first-level cache.
const GROUP: usize = 16;

pub(crate) fn forward<T: Scalar>(
    x: ArrayView4<'_, T>,
    weight: ArrayView4<'_, T>,
    window: Window,
    mut y: ArrayViewMut4<'_, T>,
) {
    let (_, height, width, _) = x.dim();
    let (kernel_height, kernel_width, _, outputs) = weight.dim();
    y.fill(T::zero());
    Zip::from(y.outer_iter_mut()).and(x.outer_iter()).par_for_each(|mut y, x| {
        let x = Image::new(x);
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

pub(crate) fn depthwise_forward<T: Scalar>(
    x: ArrayView4<'_, T>,
    weight: ArrayView3<'_, T>,
    window: Window,
    mut y: ArrayViewMut4<'_, T>,
) {
    let (_, height, width, _) = x.dim();
    let weight = Image::new(weight);
    y.fill(T::zero());
    Zip::from(y.outer_iter_mut()).and(x.outer_iter()).par_for_each(|mut y, x| {
        let x = Image::new(x);
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

pub(crate) fn backward_input<T: Scalar>(
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
        let dy = Image::new(dy);
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

pub(crate) fn backward_weight<T: Scalar>(
    x: ArrayView4<'_, T>,
    dy: ArrayView4<'_, T>,
    window: Window,
    mut dweight: ArrayViewMut4<'_, T>,
) {
    let (_, height, width, _) = x.dim();
    let (_, rows, columns, _) = dy.dim();
    let (_, kernel_width, inputs, outputs) = dweight.dim();
    let images: Vec<(Image<'_, T>, Image<'_, T>)> =
        x.outer_iter().zip(dy.outer_iter()).map(|(x, dy)| (Image::new(x), Image::new(dy))).collect();
    let dweight = dweight.as_slice_mut().expect("asserted: weights lie in standard layout");
    dweight.par_chunks_mut((inputs * outputs).max(1)).enumerate().for_each(|(tap, dweight)| {
        let (i, j) = (tap / kernel_width, tap % kernel_width);
        dweight.par_chunks_mut(GROUP * outputs).enumerate().for_each(|(group, dweight)| {
            vectorize(
                #[inline(always)]
                || {
                    for (x, dy) in &images {
                        for row in 0..rows {
                            let Some(x_row) = input_position(window, 0, row, i, height) else { continue };
                            for column in 0..columns {
                                let Some(x_column) = input_position(window, 1, column, j, width) else { continue };
                                let x = &x.at(x_row, x_column)[group * GROUP..];
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

/// The input position that output `position` reads through kernel position `tap` along `axis`, `None` in the padding.
#[inline(always)]
fn input_position(window: Window, axis: usize, position: usize, tap: usize, input: usize) -> Option<usize> {
    let read = (position * window.stride[axis] + tap).checked_sub(window.padding[axis])?;
    (read < input).then_some(read)
}

/// The output position that reads input `position` through kernel position `tap` along `axis`, if there is one.
#[inline(always)]
fn output_position(window: Window, axis: usize, position: usize, tap: usize, output: usize) -> Option<usize> {
    let distance = (position + window.padding[axis]).checked_sub(tap)?;
    let reader = distance / window.stride[axis];
    (distance % window.stride[axis] == 0 && reader < output).then_some(reader)
}

/// The weights of one kernel position.
#[inline(always)]
fn tap<T>(weight: ArrayView4<'_, T>, i: usize, j: usize) -> &[T] {
    let tap = weight.index_axis_move(Axis(0), i).index_axis_move(Axis(0), j);
    tap.to_slice().expect("asserted: weights lie in standard layout")
}

/// `sums += factor * values`
#[inline(always)]
fn add_product<T: Scalar>(sums: &mut [T], factor: T, values: &[T]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += factor * *value;
    }
}
