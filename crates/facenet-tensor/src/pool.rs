//! What the poolings share: outputs and the input pixels below them.

use std::ops::Range;

use ndarray::{ArrayView4, ArrayViewMut4, Axis};
use rayon::prelude::*;

use crate::pixels::{Image, ImageMut};
use crate::simd::vectorize;
use crate::{Scalar, Window};

/// The input pixels below one output pixel, padding left out.
#[derive(Clone)]
pub(crate) struct Taps {
    rows: Range<usize>,
    columns: Range<usize>,
}

impl Taps {
    #[inline(always)]
    fn new(window: Window, output: [usize; 2], input: [usize; 2]) -> Self {
        let side = |axis: usize| {
            let (taps, first) = window.taps(axis, output[axis], input[axis]);
            first..first + taps.len()
        };
        Self { rows: side(0), columns: side(1) }
    }

    /// Rows and columns of the pixels, in row-major order.
    #[inline(always)]
    pub(crate) fn positions(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let columns = self.columns.clone();
        self.rows.clone().flat_map(move |row| columns.clone().map(move |column| (row, column)))
    }
}

/// Calls `visit(input image, taps, output pixel)` for each output pixel, in parallel.
#[track_caller]
pub(crate) fn each_output<T: Scalar>(
    x: ArrayView4<'_, T>,
    window: Window,
    mut y: ArrayViewMut4<'_, T>,
    visit: impl Fn(&Image<'_, T>, Taps, &mut [T]) + Sync,
) {
    check(x.dim(), window, y.dim());
    let (_, height, width, _) = x.dim();
    y.outer_iter_mut().into_par_iter().zip(x.outer_iter()).for_each(|(mut y, x)| {
        y.outer_iter_mut().into_par_iter().enumerate().for_each(|(row, y)| {
            let x = Image::new(x);
            let columns = y.len_of(Axis(0));
            let mut y = ImageMut::new(y.insert_axis(Axis(0)));
            vectorize(
                #[inline(always)]
                || {
                    for column in 0..columns {
                        visit(&x, Taps::new(window, [row, column], [height, width]), y.at_mut(0, column));
                    }
                },
            );
        });
    });
}

/// Calls `visit(image number, gradient of the input image, taps, output row, output column)` for each output pixel,
/// images in parallel, the pixels of an image in order.
#[track_caller]
pub(crate) fn each_gradient<T: Scalar, S>(
    dy: (usize, usize, usize, usize),
    window: Window,
    mut dx: ArrayViewMut4<'_, T>,
    state: impl Fn(usize) -> S + Sync,
    visit: impl Fn(&mut S, &mut ImageMut<'_, T>, Taps, usize, usize) + Sync,
) {
    check(dx.dim(), window, dy);
    let (_, height, width, _) = dx.dim();
    let (_, rows, columns, _) = dy;
    dx.outer_iter_mut().into_par_iter().enumerate().for_each(|(image, dx)| {
        let mut dx = ImageMut::new(dx);
        let mut state = state(image);
        vectorize(
            #[inline(always)]
            || {
                for row in 0..rows {
                    for column in 0..columns {
                        let taps = Taps::new(window, [row, column], [height, width]);
                        visit(&mut state, &mut dx, taps, row, column);
                    }
                }
            },
        );
    });
}

#[track_caller]
fn check(x: (usize, usize, usize, usize), window: Window, y: (usize, usize, usize, usize)) {
    let expected = window.output([x.1, x.2]).map(|[height, width]| (x.0, height, width, x.3));
    assert_eq!(expected, Some(y), "output of a pooling of {x:?} under {window:?}, and {y:?}");
}
