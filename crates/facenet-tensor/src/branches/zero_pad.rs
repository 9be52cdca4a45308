//! Zero padding, as Torch's `DepthConcat` applies it to branches that are smaller than the others.

use std::ops::Range;

use ndarray::{ArrayView4, ArrayViewMut4, s};

use crate::elementwise::add_assign;
use crate::image::slices::{for_each_slice, for_each_slice_pair};
use crate::scalar::Scalar;

/// Copies images into larger ones that are 0 elsewhere.
///
/// ```text
/// y[n, before[0] + h, before[1] + w, c] = x[n, h, w, c], all other y = 0
/// ```
///
/// `before` is the number of rows above and of columns to the left.
///
/// # Shapes
/// `x [n, height, width, channels]`, `y [n, rows, columns, channels]` with
/// `rows >= before[0] + height` and `columns >= before[1] + width`.
///
/// # Panics
/// If the shapes disagree or channels are not contiguous.
#[track_caller]
pub fn zero_pad_forward<T: Scalar>(x: ArrayView4<'_, T>, before: [usize; 2], mut y: ArrayViewMut4<'_, T>) {
    let [rows, columns] = interior(["x", "y"], x.dim(), before, y.dim());
    for outside in [
        s![.., ..rows.start, .., ..],
        s![.., rows.end.., .., ..],
        s![.., rows.clone(), ..columns.start, ..],
        s![.., rows.clone(), columns.end.., ..],
    ] {
        for_each_slice(
            y.slice_mut(outside),
            #[inline(always)]
            |y| y.fill(T::zero()),
        );
    }
    for_each_slice_pair(
        x,
        y.slice_mut(s![.., rows, columns, ..]),
        #[inline(always)]
        |x, y| y.copy_from_slice(x),
    );
}

/// Adds the gradient at the input to `dx`.
///
/// ```text
/// dx[n, h, w, c] += dy[n, before[0] + h, before[1] + w, c]
/// ```
///
/// # Shapes
/// `dy` like `y`, `dx` like `x` of [`zero_pad_forward`].
///
/// # Panics
/// Same as [`zero_pad_forward`].
#[track_caller]
pub fn zero_pad_backward<T: Scalar>(dy: ArrayView4<'_, T>, before: [usize; 2], dx: ArrayViewMut4<'_, T>) {
    let [rows, columns] = interior(["dx", "dy"], dx.dim(), before, dy.dim());
    for_each_slice_pair(
        dy.slice(s![.., rows, columns, ..]),
        dx,
        #[inline(always)]
        |dy, dx| add_assign(dx, dy),
    );
}

/// The rows and columns of `y` that hold `x`.
#[track_caller]
fn interior(
    names: [&str; 2],
    x: (usize, usize, usize, usize),
    before: [usize; 2],
    y: (usize, usize, usize, usize),
) -> [Range<usize>; 2] {
    let [rows, columns] = [before[0]..before[0] + x.1, before[1]..before[1] + x.2];
    assert!(
        (x.0, x.3) == (y.0, y.3) && rows.end <= y.1 && columns.end <= y.2,
        "{} {x:?} after {before:?} rows and columns of {} {y:?}",
        names[0],
        names[1]
    );
    [rows, columns]
}
