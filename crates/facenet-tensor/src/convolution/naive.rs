//! The formulas as loops: what `f64` runs and what the fast kernels are compared with.

use ndarray::{ArrayView4, ArrayViewMut4};

use crate::{Scalar, Window};

/// Calls `visit(kernel row, input row)` for each kernel position along `axis` that falls inside the input.
fn each_tap(window: Window, axis: usize, position: usize, input: usize, mut visit: impl FnMut(usize, usize)) {
    let (taps, first) = window.taps(axis, position, input);
    for (offset, tap) in taps.enumerate() {
        visit(tap, first + offset);
    }
}

/// Calls `visit(image, (output row, output column), (kernel row, kernel column), (input row, input column))` for each
/// pair of an output pixel and an input pixel that a weight joins.
pub(crate) fn each_pair(
    window: Window,
    input: (usize, usize, usize, usize),
    output: (usize, usize, usize, usize),
    mut visit: impl FnMut(usize, (usize, usize), (usize, usize), (usize, usize)),
) {
    for image in 0..output.0 {
        for row in 0..output.1 {
            for column in 0..output.2 {
                each_tap(window, 0, row, input.1, |kernel_row, input_row| {
                    each_tap(window, 1, column, input.2, |kernel_column, input_column| {
                        visit(image, (row, column), (kernel_row, kernel_column), (input_row, input_column));
                    });
                });
            }
        }
    }
}

pub(crate) fn forward<T: Scalar>(
    x: ArrayView4<'_, T>,
    weight: ArrayView4<'_, T>,
    window: Window,
    mut y: ArrayViewMut4<'_, T>,
) {
    y.fill(T::zero());
    let (_, _, inputs, outputs) = weight.dim();
    each_pair(window, x.dim(), y.dim(), |n, (row, column), (kh, kw), (ih, iw)| {
        for i in 0..inputs {
            for o in 0..outputs {
                y[[n, row, column, o]] += x[[n, ih, iw, i]] * weight[[kh, kw, i, o]];
            }
        }
    });
}

pub(crate) fn backward_input<T: Scalar>(
    dy: ArrayView4<'_, T>,
    weight: ArrayView4<'_, T>,
    window: Window,
    mut dx: ArrayViewMut4<'_, T>,
) {
    let (_, _, inputs, outputs) = weight.dim();
    each_pair(window, dx.dim(), dy.dim(), |n, (row, column), (kh, kw), (ih, iw)| {
        for i in 0..inputs {
            for o in 0..outputs {
                dx[[n, ih, iw, i]] += dy[[n, row, column, o]] * weight[[kh, kw, i, o]];
            }
        }
    });
}

pub(crate) fn backward_weight<T: Scalar>(
    x: ArrayView4<'_, T>,
    dy: ArrayView4<'_, T>,
    window: Window,
    mut dweight: ArrayViewMut4<'_, T>,
) {
    let (_, _, inputs, outputs) = dweight.dim();
    each_pair(window, x.dim(), dy.dim(), |n, (row, column), (kh, kw), (ih, iw)| {
        for i in 0..inputs {
            for o in 0..outputs {
                dweight[[kh, kw, i, o]] += x[[n, ih, iw, i]] * dy[[n, row, column, o]];
            }
        }
    });
}
