//! Concatenation along channels, by slicing.
//!
//! Branches write into slices of one output and read slices of its gradient, so concatenation
//! itself costs nothing.

use std::ops::Range;

use ndarray::{ArrayView4, ArrayViewMut4, s};

/// A range of channels of a batch of images.
///
/// ```text
/// result[n, h, w, c] = images[n, h, w, range.start + c]
/// ```
///
/// # Panics
/// If the images have fewer channels.
#[track_caller]
pub fn channels<T>(images: ArrayView4<'_, T>, range: Range<usize>) -> ArrayView4<'_, T> {
    assert_range(images.shape(), &range);
    images.slice_move(s![.., .., .., range])
}

/// Like [`channels`], but mutable.
///
/// # Panics
/// If the images have fewer channels.
#[track_caller]
pub fn channels_mut<T>(images: ArrayViewMut4<'_, T>, range: Range<usize>) -> ArrayViewMut4<'_, T> {
    assert_range(images.shape(), &range);
    images.slice_move(s![.., .., .., range])
}

#[track_caller]
fn assert_range(shape: &[usize], range: &Range<usize>) {
    assert!(range.start <= range.end && range.end <= shape[3], "channels {range:?} of images {shape:?}");
}
