//! Concatenation of channels, by slices.
//!
//! Branches write into slices of one output and read slices of its gradient: concatenating costs nothing.

use std::ops::Range;

use ndarray::{ArrayView4, ArrayViewMut4, s};

/// Some channels of a batch of images.
///
/// ```text
/// result[n, h, w, c] = images[n, h, w, range.start + c]
/// ```
///
/// # Panics
/// If the images have fewer channels.
#[track_caller]
pub fn channels<T>(images: ArrayView4<'_, T>, range: Range<usize>) -> ArrayView4<'_, T> {
    check(images.shape(), &range);
    images.slice_move(s![.., .., .., range])
}

/// Some channels of a batch of images, to be written.
///
/// # Panics
/// If the images have fewer channels.
#[track_caller]
pub fn channels_mut<T>(images: ArrayViewMut4<'_, T>, range: Range<usize>) -> ArrayViewMut4<'_, T> {
    check(images.shape(), &range);
    images.slice_move(s![.., .., .., range])
}

#[track_caller]
fn check(shape: &[usize], range: &Range<usize>) {
    assert!(range.start <= range.end && range.end <= shape[3], "channels {range:?} of images {shape:?}");
}
