//! Assertions about the shapes and strides of operands.

use ndarray::{ArrayView1, ArrayViewMut1, Dimension};

/// Asserts that the last axis has stride 1, where it can be observed. (Empty arrays have strides of
/// 0.)
#[track_caller]
pub(super) fn assert_contiguous(shape: &[usize], strides: &[isize]) {
    let last = shape.len() - 1;
    assert!(
        shape.contains(&0) || shape[last] == 1 || strides[last] == 1,
        "channels of an image {shape:?} are not contiguous: strides {strides:?}"
    );
}

/// Asserts that two operands have the same shape.
#[track_caller]
pub(crate) fn assert_same_shape<D: Dimension>(names: [&str; 2], first: &D, second: &D) {
    assert_eq!(first, second, "{} {:?} and {} {:?}", names[0], first.slice(), names[1], second.slice());
}

/// A per-channel parameter as a slice, after checking its length.
#[track_caller]
pub(crate) fn per_channel<'a, T>(name: &str, parameter: ArrayView1<'a, T>, channels: usize) -> &'a [T] {
    assert_eq!(parameter.len(), channels, "{name} {:?} of images with {channels} channels", parameter.shape());
    parameter.to_slice().unwrap_or_else(|| panic!("{name} is not contiguous"))
}

/// Like [`per_channel`], but mutable.
#[track_caller]
pub(crate) fn per_channel_mut<'a, T>(name: &str, parameter: ArrayViewMut1<'a, T>, channels: usize) -> &'a mut [T] {
    assert_eq!(parameter.len(), channels, "{name} {:?} of images with {channels} channels", parameter.shape());
    parameter.into_slice().unwrap_or_else(|| panic!("{name} is not contiguous"))
}

/// One PReLU slope per channel, from `[channels]` or a shared slope `[1]`.
#[track_caller]
pub(crate) fn slope_per_channel<T: Copy>(slope: ArrayView1<'_, T>, channels: usize) -> Vec<T> {
    let length = slope.len();
    assert!(length == channels || length == 1, "slope [{length}] of images with {channels} channels");
    if length == channels { slope.to_vec() } else { vec![slope[0]; channels] }
}
