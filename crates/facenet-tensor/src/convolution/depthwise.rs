//! Depthwise convolution: one kernel per channel.

use ndarray::{Array3, ArrayView1, ArrayView3, ArrayView4, ArrayViewMut3, ArrayViewMut4, Axis, Zip};
use rayon::prelude::*;

use crate::convolution::check::assert_depthwise;
use crate::convolution::kernels::DepthwiseForward;
use crate::scalar::Scalar;
use crate::simd::level::simd_level;
use crate::simd::vectorize::vectorize;
use crate::window::Window;

/// Convolves each channel with its own kernel.
///
/// ```text
/// y[n, h, w, c] = sum over i, j of x[n, h s + i - p, w s + j - p, c] * weight[i, j, c]
/// ```
///
/// # Shapes
/// `x [n, h, w, channels]`, `weight [kernel height, kernel width, channels]`,
/// `y [n, output height, output width, channels]`.
///
/// # Panics
/// If the shapes disagree or channels are not contiguous.
#[track_caller]
pub fn depthwise_forward<T: Scalar>(
    x: ArrayView4<'_, T>,
    weight: ArrayView3<'_, T>,
    window: Window,
    y: ArrayViewMut4<'_, T>,
) {
    assert_depthwise(&x, &weight, window, &y.view());
    let (x, weight, y) = (x.reborrow(), weight.reborrow(), y.reborrow());
    T::depthwise_forward(simd_level(), DepthwiseForward { x, weight, window, epilogue: None, y });
}

/// Adds the gradient at the input of a depthwise convolution to `dx`.
///
/// ```text
/// dx[n, h s + i - p, w s + j - p, c] += dy[n, h, w, c] * weight[i, j, c]
/// ```
///
/// # Shapes
/// Same as [`depthwise_forward`].
///
/// # Panics
/// If the shapes disagree or channels are not contiguous.
#[track_caller]
pub fn depthwise_backward_input<T: Scalar>(
    dy: ArrayView4<'_, T>,
    weight: ArrayView3<'_, T>,
    window: Window,
    mut dx: ArrayViewMut4<'_, T>,
) {
    assert_depthwise(&dx.view(), &weight, window, &dy);
    let (_, height, width, _) = dx.dim();
    Zip::from(dx.outer_iter_mut()).and(dy.outer_iter()).par_for_each(|mut dx, dy| {
        vectorize(
            #[inline(always)]
            || {
                for_each_tap(window, [height, width], &dy, |i, j, x_row, x_column, dy| {
                    let weight = channels(weight.index_axis(Axis(0), i).index_axis_move(Axis(0), j));
                    let dx = dx.index_axis_mut(Axis(0), x_row).index_axis_move(Axis(0), x_column);
                    let dx = dx.into_slice().expect("asserted: channels are contiguous");
                    for ((dx, dy), weight) in dx.iter_mut().zip(dy).zip(weight) {
                        *dx += *dy * *weight;
                    }
                });
            },
        );
    });
}

/// Adds the gradient at the kernels of a depthwise convolution to `dweight`.
///
/// ```text
/// dweight[i, j, c] += sum over n, h, w of x[n, h s + i - p, w s + j - p, c] * dy[n, h, w, c]
/// ```
///
/// # Shapes
/// Same as [`depthwise_forward`].
///
/// # Panics
/// If the shapes disagree or channels are not contiguous.
#[track_caller]
pub fn depthwise_backward_weight<T: Scalar>(
    x: ArrayView4<'_, T>,
    dy: ArrayView4<'_, T>,
    window: Window,
    mut dweight: ArrayViewMut3<'_, T>,
) {
    assert_depthwise(&x, &dweight.view(), window, &dy);
    let (_, height, width, _) = x.dim();
    let images: Vec<(ArrayView3<'_, T>, ArrayView3<'_, T>)> = x.outer_iter().zip(dy.outer_iter()).collect();
    let partial: Vec<Array3<T>> = images
        .into_par_iter()
        .map(|(x, dy)| {
            let mut sum = Array3::zeros(dweight.raw_dim());
            vectorize(
                #[inline(always)]
                || {
                    for_each_tap(window, [height, width], &dy, |i, j, x_row, x_column, dy| {
                        let x = channels(x.index_axis(Axis(0), x_row).index_axis_move(Axis(0), x_column));
                        let sum = sum.index_axis_mut(Axis(0), i).index_axis_move(Axis(0), j);
                        let sum = sum.into_slice().expect("created in standard layout");
                        for ((sum, x), dy) in sum.iter_mut().zip(x).zip(dy) {
                            *sum += *x * *dy;
                        }
                    });
                },
            );
            sum
        })
        .collect();
    for partial in &partial {
        dweight += partial;
    }
}

/// Calls `visit(i, j, input row, input column, gradient at the output pixel)` for each tap of each
/// output pixel.
#[inline(always)]
fn for_each_tap<T: Scalar>(
    window: Window,
    [height, width]: [usize; 2],
    dy: &ArrayView3<'_, T>,
    mut visit: impl FnMut(usize, usize, usize, usize, &[T]),
) {
    for (row, dy) in dy.outer_iter().enumerate() {
        let (rows, first_row) = window.taps(0, row, height);
        for (column, dy) in dy.outer_iter().enumerate() {
            let dy = channels(dy);
            let (columns, first_column) = window.taps(1, column, width);
            for (i, x_row) in rows.clone().zip(first_row..) {
                for (j, x_column) in columns.clone().zip(first_column..) {
                    visit(i, j, x_row, x_column, dy);
                }
            }
        }
    }
}

fn channels<T>(pixel: ArrayView1<'_, T>) -> &[T] {
    pixel.to_slice().expect("asserted: channels are contiguous")
}
