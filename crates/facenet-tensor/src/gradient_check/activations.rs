//! Operations that treat numbers one by one, or choose among them; concatenation, sums, gates and padding
//! of branches.

use ndarray::{ArrayD, ArrayViewMut4};

use super::convolutions::{fixed, fixed_mut};
use super::frame::Frame;
use super::{GradientCheck, check, random_dynamic};
use crate::{
    Accumulation, DropoutKey, channel_scale_backward_gate, channel_scale_backward_input, channel_scale_forward,
    channels, channels_mut, dropout_backward, dropout_forward, maxout_backward, maxout_forward, prelu_backward,
    prelu_forward, relu_backward, relu_forward, scaled_sum_backward, scaled_sum_forward, sigmoid_backward,
    sigmoid_forward, zero_pad_backward, zero_pad_forward,
};

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
        concatenate([2, 3, 5], [3, 2]),
        scaled_sum(&[2, 3, 5, 3], 0.17),
        scaled_sum(&[1, 1, 7, 5], -1.5),
        channel_scale(&[2, 3, 5, 3]),
        channel_scale(&[3, 37, 31, 1]),
        zero_pad(&[2, 3, 5, 3], [1, 2], [7, 8]),
        zero_pad(&[1, 5, 3, 1], [0, 3], [5, 6]),
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

/// An operation that overwrites its operand, whose backward pass turns one gradient into the other given the output.
fn in_place(
    operation: &'static str,
    case: String,
    x: ArrayD<f64>,
    forward: impl Fn(ArrayViewMut4<'_, f64>),
    backward: impl Fn(&Frame, &mut Frame),
) -> Vec<GradientCheck> {
    let output = |x: &ArrayD<f64>| {
        let mut y = Frame::new(x);
        forward(y.view_mut());
        y
    };
    check(
        operation,
        case,
        &[("dx", x)],
        |inputs| output(&inputs[0]).image(),
        |inputs, dy, gradients| {
            let mut dy = Frame::new(dy);
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
            let (x, mut y) = (Frame::new(&inputs[0]), Frame::empty(inputs[0].shape()));
            prelu_forward(x.view(), fixed(&inputs[1]), y.view_mut());
            y.image()
        },
        |inputs, dy, gradients| {
            let (x, dy, mut dx) = (Frame::new(&inputs[0]), Frame::new(dy), Frame::new(&gradients[0]));
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
            let mut y = Frame::empty(&[n, height, width, outputs]);
            maxout_forward(Frame::new(&inputs[0]).view(), pieces, y.view_mut());
            y.image()
        },
        |inputs, dy, gradients| {
            let (x, dy, mut dx) = (Frame::new(&inputs[0]), Frame::new(dy), Frame::new(&gradients[0]));
            maxout_backward(x.view(), pieces, dy.view(), dx.view_mut());
            gradients[0] = dx.image();
        },
    )
}

fn concatenate([n, height, width]: [usize; 3], [first, second]: [usize; 2]) -> Vec<GradientCheck> {
    let shape = |channels| [n, height, width, channels];
    check(
        "concatenate",
        format!("{first} and {second} channels of {:?}", [n, height, width]),
        &[("dfirst", random_dynamic(&shape(first), 1)), ("dsecond", random_dynamic(&shape(second), 2))],
        |inputs| {
            let mut y = ArrayD::from_elem(shape(first + second).to_vec(), f64::NAN);
            channels_mut(fixed_mut(&mut y), 0..first).assign(&inputs[0]);
            channels_mut(fixed_mut(&mut y), first..first + second).assign(&inputs[1]);
            y
        },
        |_, dy, gradients| {
            gradients[0] += &channels(fixed(dy), 0..first);
            gradients[1] += &channels(fixed(dy), first..first + second);
        },
    )
}

fn scaled_sum(shape: &[usize], scale: f64) -> Vec<GradientCheck> {
    check(
        "scaled_sum",
        format!("x {shape:?}, scale {scale}"),
        &[("dx", random_dynamic(shape, 1)), ("dbranch", random_dynamic(shape, 2))],
        |inputs| {
            let (x, branch, mut y) = (Frame::new(&inputs[0]), Frame::new(&inputs[1]), Frame::empty(shape));
            scaled_sum_forward(x.view(), branch.view(), scale, y.view_mut());
            y.image()
        },
        |_, dy, gradients| {
            let dy = Frame::new(dy);
            for (gradient, scale) in gradients.iter_mut().zip([1.0, scale]) {
                let mut d = Frame::new(gradient);
                scaled_sum_backward(dy.view(), scale, Accumulation::Add, d.view_mut());
                *gradient = d.image();
            }
        },
    )
}

fn channel_scale(shape: &[usize; 4]) -> Vec<GradientCheck> {
    check(
        "channel_scale",
        format!("x {shape:?}"),
        &[("dx", random_dynamic(shape, 1)), ("dgate", random_dynamic(&[shape[0], shape[3]], 2))],
        |inputs| {
            let (x, mut y) = (Frame::new(&inputs[0]), Frame::empty(shape));
            channel_scale_forward(x.view(), fixed(&inputs[1]), y.view_mut());
            y.image()
        },
        |inputs, dy, gradients| {
            let (x, dy, mut dx) = (Frame::new(&inputs[0]), Frame::new(dy), Frame::new(&gradients[0]));
            channel_scale_backward_input(fixed(&inputs[1]), dy.view(), dx.view_mut());
            gradients[0] = dx.image();
            channel_scale_backward_gate(x.view(), dy.view(), fixed_mut(&mut gradients[1]));
        },
    )
}

fn zero_pad(shape: &[usize; 4], before: [usize; 2], [rows, columns]: [usize; 2]) -> Vec<GradientCheck> {
    check(
        "zero_pad",
        format!("x {shape:?} after {before:?} of {:?}", [rows, columns]),
        &[("dx", random_dynamic(shape, 1))],
        |inputs| {
            let mut y = Frame::empty(&[shape[0], rows, columns, shape[3]]);
            zero_pad_forward(Frame::new(&inputs[0]).view(), before, y.view_mut());
            y.image()
        },
        |_, dy, gradients| {
            let mut dx = Frame::new(&gradients[0]);
            zero_pad_backward(Frame::new(dy).view(), before, dx.view_mut());
            gradients[0] = dx.image();
        },
    )
}
