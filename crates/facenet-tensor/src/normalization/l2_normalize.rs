//! L2 normalization: embeddings on the unit sphere (Schroff et al. 2015, section 3.1).

use ndarray::{ArrayView1, ArrayView2, ArrayViewMut2, Zip};

use crate::image::check::assert_same_shape;
use crate::scalar::Scalar;

/// Scales each row to unit length; a zero row stays zero.
///
/// ```text
/// y[n, :] = x[n, :] / |x[n, :]|
/// ```
///
/// # Shapes
/// `x` and `y` are `[n, d]`.
///
/// # Panics
/// If the shapes disagree.
#[track_caller]
pub fn l2_normalize_forward<T: Scalar>(x: ArrayView2<'_, T>, mut y: ArrayViewMut2<'_, T>) {
    assert_same_shape(["x", "y"], &x.raw_dim(), &y.raw_dim());
    Zip::from(y.outer_iter_mut()).and(x.outer_iter()).par_for_each(|mut y, x| {
        let scale = inverse_norm(x);
        Zip::from(&mut y).and(&x).for_each(|y, &x| *y = T::from_f64(x.to_f64() * scale));
    });
}

/// Adds the gradient at the input to `dx`. The gradient of a zero row is taken as 0.
///
/// ```text
/// dx[n, :] += (dy[n, :] - y[n, :] (y[n, :] . dy[n, :])) / |x[n, :]|
/// ```
///
/// # Shapes
/// `x`, `y` (the output), `dy` and `dx` are `[n, d]`.
///
/// # Panics
/// If the shapes disagree.
#[track_caller]
pub fn l2_normalize_backward<T: Scalar>(
    x: ArrayView2<'_, T>,
    y: ArrayView2<'_, T>,
    dy: ArrayView2<'_, T>,
    mut dx: ArrayViewMut2<'_, T>,
) {
    assert_same_shape(["x", "y"], &x.raw_dim(), &y.raw_dim());
    assert_same_shape(["x", "dy"], &x.raw_dim(), &dy.raw_dim());
    assert_same_shape(["x", "dx"], &x.raw_dim(), &dx.raw_dim());
    Zip::from(dx.outer_iter_mut()).and(x.outer_iter()).and(y.outer_iter()).and(dy.outer_iter()).par_for_each(
        |mut dx, x, y, dy| {
            let scale = inverse_norm(x);
            let projection = dot(y, dy);
            Zip::from(&mut dx).and(&y).and(&dy).for_each(|dx, &y, &dy| {
                *dx += T::from_f64((dy.to_f64() - y.to_f64() * projection) * scale);
            });
        },
    );
}

/// One over the norm of a row, 0 for a zero row. Computed in `f64`, where squares of `f32` values
/// neither overflow nor underflow.
fn inverse_norm<T: Scalar>(x: ArrayView1<'_, T>) -> f64 {
    let norm = dot(x, x).sqrt();
    if norm == 0.0 { 0.0 } else { norm.recip() }
}

fn dot<T: Scalar>(a: ArrayView1<'_, T>, b: ArrayView1<'_, T>) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| a.to_f64() * b.to_f64()).sum()
}
