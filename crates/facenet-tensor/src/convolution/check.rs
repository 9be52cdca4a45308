//! Assertions about the operands of convolutions.

use ndarray::{ArrayView3, ArrayView4, Axis};

use crate::window::Window;

/// Asserts that weights are in standard layout.
#[track_caller]
pub(super) fn assert_standard_layout<T>(weight: &ArrayView4<'_, T>) {
    assert!(weight.is_standard_layout(), "weight {:?} is not in standard layout", weight.shape());
}

/// Asserts that the first two axes of weights are those of the kernel.
#[track_caller]
pub(super) fn assert_kernel(weight: &[usize], window: Window) {
    assert_eq!(weight[..2], window.kernel, "weight {weight:?} and kernel of {window:?}");
}

/// Asserts that the operands of a convolution fit together. `weight` is a shape.
#[track_caller]
pub(super) fn assert_convolution<T>(x: &ArrayView4<'_, T>, weight: [usize; 4], window: Window, y: &ArrayView4<'_, T>) {
    let [.., inputs, outputs] = weight;
    assert_kernel(&weight, window);
    assert_eq!(x.dim().3, inputs, "x {:?} and weight {weight:?}", x.shape());
    assert_output(x, window, outputs, y);
    assert_contiguous_channels("x", x);
    assert_contiguous_channels("y", y);
}

/// Asserts that the operands of a depthwise convolution fit together.
#[track_caller]
pub(super) fn assert_depthwise<T>(
    x: &ArrayView4<'_, T>,
    weight: &ArrayView3<'_, T>,
    window: Window,
    y: &ArrayView4<'_, T>,
) {
    let channels = x.dim().3;
    assert_eq!(
        [window.kernel[0], window.kernel[1], channels],
        weight.shape(),
        "x {:?} under {window:?}, and weight",
        x.shape()
    );
    assert_output(x, window, channels, y);
    assert_contiguous_channels("x", x);
    assert_contiguous_channels("y", y);
    assert_contiguous_channels("weight", &weight.view().insert_axis(Axis(0)));
}

#[track_caller]
fn assert_output<T>(x: &ArrayView4<'_, T>, window: Window, channels: usize, y: &ArrayView4<'_, T>) {
    let (n, h, w, _) = x.dim();
    let expected = window.output([h, w]).map(|[height, width]| [n, height, width, channels]);
    assert_eq!(
        expected.as_ref().map(|s| &s[..]),
        Some(y.shape()),
        "output of x {:?} under {window:?}, and y",
        x.shape()
    );
}

/// Asserts that the channels of a pixel are contiguous.
#[track_caller]
pub(super) fn assert_contiguous_channels<T>(name: &str, images: &ArrayView4<'_, T>) {
    let stride = images.strides()[3];
    let contiguous = images.is_empty() || images.dim().3 == 1 || stride == 1;
    assert!(contiguous, "channels of {name} {:?} are not contiguous: their stride is {stride}", images.shape());
}
