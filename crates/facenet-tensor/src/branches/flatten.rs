//! Several outputs of a network as ranges of one row per image.

use ndarray::{ArrayView2, ArrayView3, ArrayView4, ArrayViewMut2, ArrayViewMut3, ArrayViewMut4};

use crate::scalar::Scalar;

/// Copies images to rows, in `[height, width, channels]` order.
///
/// ```text
/// y[n, (h * width + w) * channels + c] = x[n, h, w, c]
/// ```
///
/// # Shapes
/// `x [n, height, width, channels]`, `y [n, height * width * channels]` with contiguous rows.
///
/// # Panics
/// If the shapes disagree or rows of `y` are not contiguous.
#[track_caller]
pub fn flatten_forward<T: Scalar>(x: ArrayView4<'_, T>, mut y: ArrayViewMut2<'_, T>) {
    check_shapes(["x", "y"], x.dim(), y.dim());
    for (x, mut y) in x.outer_iter().zip(y.outer_iter_mut()) {
        let y = y.as_slice_mut().expect("contiguous rows");
        ArrayViewMut3::from_shape(x.dim(), y).expect("checked: as many elements").assign(&x);
    }
}

/// Adds the gradient at the input to `dx`.
///
/// ```text
/// dx[n, h, w, c] += dy[n, (h * width + w) * channels + c]
/// ```
///
/// # Shapes
/// `dy` like `y`, `dx` like `x` of [`flatten_forward`].
///
/// # Panics
/// Same as [`flatten_forward`].
#[track_caller]
pub fn flatten_backward<T: Scalar>(dy: ArrayView2<'_, T>, mut dx: ArrayViewMut4<'_, T>) {
    check_shapes(["dx", "dy"], dx.dim(), dy.dim());
    for (dy, mut dx) in dy.outer_iter().zip(dx.outer_iter_mut()) {
        let dy = dy.to_slice().expect("contiguous rows");
        dx += &ArrayView3::from_shape(dx.dim(), dy).expect("checked: as many elements");
    }
}

#[track_caller]
fn check_shapes(names: [&str; 2], x: (usize, usize, usize, usize), y: (usize, usize)) {
    assert!((x.0, x.1 * x.2 * x.3) == y, "{} {x:?} flattened to {} {y:?}", names[0], names[1]);
}
