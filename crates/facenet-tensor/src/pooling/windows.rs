//! Iteration over outputs and the input pixels in their windows, shared by all poolings.

use std::ops::Range;

use ndarray::{ArrayView4, ArrayViewMut4, Axis};
use rayon::prelude::*;

use crate::image::view::{ImageView, ImageViewMut};
use crate::scalar::Scalar;
use crate::simd::vectorize::vectorize;
use crate::window::Window;

/// The input pixels in the window of one output pixel, without padding.
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

    /// The (row, column) of each pixel, in row-major order.
    #[inline(always)]
    pub(crate) fn positions(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let columns = self.columns.clone();
        self.rows.clone().flat_map(move |row| columns.clone().map(move |column| (row, column)))
    }
}

/// Calls `visit(input image, taps, output pixel)` for each output pixel, in parallel.
#[track_caller]
pub(crate) fn for_each_output<T: Scalar>(
    x: ArrayView4<'_, T>,
    window: Window,
    mut y: ArrayViewMut4<'_, T>,
    visit: impl Fn(&ImageView<'_, T>, Taps, &mut [T]) + Sync,
) {
    assert_shapes(x.dim(), window, y.dim());
    let (_, height, width, _) = x.dim();
    y.outer_iter_mut().into_par_iter().zip(x.outer_iter()).for_each(|(mut y, x)| {
        y.outer_iter_mut().into_par_iter().enumerate().for_each(|(row, y)| {
            let x = ImageView::new(x);
            let columns = y.len_of(Axis(0));
            let mut y = ImageViewMut::new(y.insert_axis(Axis(0)));
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

/// Calls `visit(state of the image, gradient at the input image, taps, output row, output column)`
/// for each output pixel: images in parallel, the pixels of an image in order. `state` makes the
/// state of an image from its index.
#[track_caller]
pub(crate) fn for_each_output_gradient<T: Scalar, S>(
    dy: (usize, usize, usize, usize),
    window: Window,
    mut dx: ArrayViewMut4<'_, T>,
    state: impl Fn(usize) -> S + Sync,
    visit: impl Fn(&mut S, &mut ImageViewMut<'_, T>, Taps, usize, usize) + Sync,
) {
    assert_shapes(dx.dim(), window, dy);
    let (_, height, width, _) = dx.dim();
    let (_, rows, columns, _) = dy;
    dx.outer_iter_mut().into_par_iter().enumerate().for_each(|(image, dx)| {
        let mut dx = ImageViewMut::new(dx);
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
fn assert_shapes(x: (usize, usize, usize, usize), window: Window, y: (usize, usize, usize, usize)) {
    let expected = window.output([x.1, x.2]).map(|[height, width]| (x.0, height, width, x.3));
    assert_eq!(expected, Some(y), "output of a pooling of {x:?} under {window:?}, and {y:?}");
}
