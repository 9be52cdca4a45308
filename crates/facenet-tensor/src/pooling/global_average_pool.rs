//! Global average pooling: the mean of each channel over the image.

use ndarray::{ArrayView2, ArrayView4, ArrayViewMut2, ArrayViewMut4, Axis};
use rayon::prelude::*;

use crate::elementwise::add_assign;
use crate::image::pixels::{Pixels, PixelsMut};
use crate::reduction::blocks;
use crate::scalar::Scalar;
use crate::simd::vectorize::vectorize;

/// Averages each channel over the image.
///
/// ```text
/// y[n, c] = 1 / (height * width) * sum over h, w of x[n, h, w, c]
/// ```
///
/// # Shapes
/// `x [n, height, width, channels]`, `y [n, channels]`.
///
/// # Panics
/// If the shapes disagree, channels are not contiguous or images have no pixels.
#[track_caller]
pub fn global_average_pool_forward<T: Scalar>(x: ArrayView4<'_, T>, mut y: ArrayViewMut2<'_, T>) {
    let factor = reciprocal_area::<T>(x.dim(), y.dim());
    let channels = x.dim().3;
    let images: Vec<ArrayView4<'_, T>> = x.axis_chunks_iter(Axis(0), 1).collect();
    y.outer_iter_mut().into_par_iter().zip(images).for_each(|(mut y, x)| {
        let x = Pixels::new(x);
        let mut total = vec![T::zero(); channels];
        let mut sum = vec![T::zero(); channels];
        vectorize(
            #[inline(always)]
            || {
                for range in blocks(0..x.len()) {
                    sum.fill(T::zero());
                    x.range(range).for_each(|x| add_assign(&mut sum, x));
                    add_assign(&mut total, &sum);
                }
            },
        );
        y.iter_mut().zip(&total).for_each(|(y, total)| *y = *total * factor);
    });
}

/// Adds the gradient at the input to `dx`.
///
/// ```text
/// dx[n, h, w, c] += dy[n, c] / (height * width)
/// ```
///
/// # Shapes
/// `dy [n, channels]`, `dx [n, height, width, channels]`.
///
/// # Panics
/// Same as [`global_average_pool_forward`].
#[track_caller]
pub fn global_average_pool_backward<T: Scalar>(dy: ArrayView2<'_, T>, mut dx: ArrayViewMut4<'_, T>) {
    let factor = reciprocal_area::<T>(dx.dim(), dy.dim());
    let images: Vec<ArrayViewMut4<'_, T>> = dx.axis_chunks_iter_mut(Axis(0), 1).collect();
    images.into_par_iter().zip(dy.outer_iter()).for_each(|(dx, dy)| {
        let shares: Vec<T> = dy.iter().map(|dy| *dy * factor).collect();
        PixelsMut::new(dx).blocks().for_each(|block| {
            vectorize(
                #[inline(always)]
                || block.pixels().for_each(|dx| add_assign(dx, &shares)),
            )
        });
    });
}

/// One over the number of pixels per image.
#[track_caller]
fn reciprocal_area<T: Scalar>(x: (usize, usize, usize, usize), y: (usize, usize)) -> T {
    assert_eq!((x.0, x.3), y, "images {x:?} and their averages {y:?}");
    assert!(x.1 * x.2 > 0, "averages over images {x:?} without pixels");
    T::from_f64((x.1 * x.2) as f64).recip()
}
