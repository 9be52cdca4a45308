//! Activation functions and dropout.

use ndarray::{ArrayD, ArrayViewMut4};

use crate::activation::maxout::{maxout_backward, maxout_forward};
use crate::activation::prelu::{prelu_backward, prelu_forward};
use crate::activation::relu::{relu_backward, relu_forward};
use crate::activation::sigmoid::{sigmoid_backward, sigmoid_forward};
use crate::dropout::{DropoutKey, dropout_backward, dropout_forward};
use crate::gradient_check::check::{GradientCheck, check, fixed, fixed_mut, random_dynamic};
use crate::gradient_check::guarded_image::GuardedImage;

pub(super) fn checks() -> Vec<GradientCheck> {
    [
        relu(&[2, 3, 5, 3]),
        relu(&[3, 1, 1, 17]),
        prelu(&[2, 3, 5, 3], 3),
        prelu(&[2, 3, 5, 3], 1),
        prelu(&[3, 19, 21, 1], 1),
        sigmoid(&[2, 3, 5, 3]),
        maxout(&[2, 3, 5, 3], 2),
        maxout(&[1, 3, 1, 5], 3),
        dropout(&[2, 3, 5, 3], 0.4),
        dropout(&[3, 1, 1, 17], 0.0),
    ]
    .concat()
}

fn relu(shape: &[usize]) -> Vec<GradientCheck> {
    in_place("relu", format!("y {shape:?}"), random_dynamic(shape, 1), relu_forward, |y, dy| {
        relu_backward(y.view(), dy.view_mut());
    })
}

fn sigmoid(shape: &[usize]) -> Vec<GradientCheck> {
    let x = random_dynamic(shape, 1) * 4.0;
    in_place("sigmoid", format!("y {shape:?}"), x, sigmoid_forward, |y, dy| {
        sigmoid_backward(y.view(), dy.view_mut());
    })
}

fn dropout(shape: &[usize], rate: f64) -> Vec<GradientCheck> {
    let key = DropoutKey { seed: 1, step: 2, layer: 3 };
    in_place(
        "dropout",
        format!("y {shape:?}, rate {rate}"),
        random_dynamic(shape, 1),
        |y| dropout_forward(y, rate, key),
        |_, dy| dropout_backward(dy.view_mut(), rate, key),
    )
}

/// An in-place operation, whose backward pass turns the gradient at the output into that at the
/// input, given the output.
fn in_place(
    operation: &'static str,
    case: String,
    x: ArrayD<f64>,
    forward: impl Fn(ArrayViewMut4<'_, f64>),
    backward: impl Fn(&GuardedImage, &mut GuardedImage),
) -> Vec<GradientCheck> {
    let output = |x: &ArrayD<f64>| {
        let mut y = GuardedImage::new(x);
        forward(y.view_mut());
        y
    };
    check(
        operation,
        case,
        &[("dx", x)],
        |inputs| output(&inputs[0]).image(),
        |inputs, dy, gradients| {
            let mut dy = GuardedImage::new(dy);
            backward(&output(&inputs[0]), &mut dy);
            gradients[0] += &dy.image();
        },
    )
}

fn prelu(shape: &[usize], slopes: usize) -> Vec<GradientCheck> {
    check(
        "prelu",
        format!("x {shape:?}, slope [{slopes}]"),
        &[("dx", random_dynamic(shape, 1)), ("dslope", random_dynamic(&[slopes], 2))],
        |inputs| {
            let (x, mut y) = (GuardedImage::new(&inputs[0]), GuardedImage::empty(inputs[0].shape()));
            prelu_forward(x.view(), fixed(&inputs[1]), y.view_mut());
            y.image()
        },
        |inputs, dy, gradients| {
            let (x, dy, mut dx) =
                (GuardedImage::new(&inputs[0]), GuardedImage::new(dy), GuardedImage::new(&gradients[0]));
            prelu_backward(x.view(), fixed(&inputs[1]), dy.view(), dx.view_mut(), fixed_mut(&mut gradients[1]));
            gradients[0] = dx.image();
        },
    )
}

fn maxout(shape: &[usize; 4], pieces: usize) -> Vec<GradientCheck> {
    let [n, height, width, outputs] = *shape;
    check(
        "maxout",
        format!("y {shape:?}, {pieces} pieces"),
        &[("dx", random_dynamic(&[n, height, width, outputs * pieces], 1))],
        |inputs| {
            let mut y = GuardedImage::empty(&[n, height, width, outputs]);
            maxout_forward(GuardedImage::new(&inputs[0]).view(), pieces, y.view_mut());
            y.image()
        },
        |inputs, dy, gradients| {
            let (x, dy, mut dx) =
                (GuardedImage::new(&inputs[0]), GuardedImage::new(dy), GuardedImage::new(&gradients[0]));
            maxout_backward(x.view(), pieces, dy.view(), dx.view_mut());
            gradients[0] = dx.image();
        },
    )
}
