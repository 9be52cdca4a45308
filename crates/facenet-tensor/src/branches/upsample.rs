//! Nearest-neighbor upsampling, which brings a coarse feature map to the size of a finer one.

use ndarray::{ArrayView4, ArrayViewMut4, s};

use crate::elementwise::add_assign;
use crate::image::slices::for_each_slice_pair;
use crate::scalar::Scalar;

/// Repeats each pixel `factor` times along both axes.
///
/// ```text
/// y[n, h, w, c] = x[n, h / factor, w / factor, c], rounded down
/// ```
///
/// # Shapes
/// `x [n, height, width, channels]`, `y [n, factor * height, factor * width, channels]`.
///
/// # Panics
/// If the factor is 0, the shapes disagree or channels are not contiguous.
#[track_caller]
pub fn upsample_forward<T: Scalar>(x: ArrayView4<'_, T>, factor: usize, mut y: ArrayViewMut4<'_, T>) {
    check_shapes(["x", "y"], x.dim(), factor, y.dim());
    for (row, column) in offsets(factor) {
        for_each_slice_pair(
            x,
            y.slice_mut(s![.., row..;factor, column..;factor, ..]),
            #[inline(always)]
            |x, y| y.copy_from_slice(x),
        );
    }
}

/// Adds the gradient at the input to `dx`.
///
/// ```text
/// dx[n, h, w, c] += sum over i, j < factor of dy[n, factor * h + i, factor * w + j, c]
/// ```
///
/// # Shapes
/// `dy` like `y`, `dx` like `x` of [`upsample_forward`].
///
/// # Panics
/// Same as [`upsample_forward`].
#[track_caller]
pub fn upsample_backward<T: Scalar>(dy: ArrayView4<'_, T>, factor: usize, mut dx: ArrayViewMut4<'_, T>) {
    check_shapes(["dx", "dy"], dx.dim(), factor, dy.dim());
    for (row, column) in offsets(factor) {
        for_each_slice_pair(
            dy.slice(s![.., row..;factor, column..;factor, ..]),
            dx.view_mut(),
            #[inline(always)]
            |dy, dx| add_assign(dx, dy),
        );
    }
}

/// The copies of a pixel.
fn offsets(factor: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..factor).flat_map(move |row| (0..factor).map(move |column| (row, column)))
}

#[track_caller]
fn check_shapes(names: [&str; 2], x: (usize, usize, usize, usize), factor: usize, y: (usize, usize, usize, usize)) {
    assert!(
        factor > 0 && (x.0, factor * x.1, factor * x.2, x.3) == y,
        "{} {x:?} upsampled by {factor} to {} {y:?}",
        names[0],
        names[1]
    );
}
