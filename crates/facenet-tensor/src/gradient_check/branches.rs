//! Concatenation, flattening, residual sums, gates, zero padding and upsampling.

use ndarray::{Array2, ArrayD, ArrayView2, s};

use crate::accumulation::Accumulation;
use crate::branches::channel_scale::{
    channel_scale_backward_gate, channel_scale_backward_input, channel_scale_forward,
};
use crate::branches::concatenate::{channels, channels_mut};
use crate::branches::flatten::{flatten_backward, flatten_forward};
use crate::branches::scaled_sum::{scaled_sum_backward, scaled_sum_forward};
use crate::branches::upsample::{upsample_backward, upsample_forward};
use crate::branches::zero_pad::{zero_pad_backward, zero_pad_forward};
use crate::gradient_check::check::{GradientCheck, check, fixed, fixed_mut, random_dynamic};
use crate::gradient_check::guarded_image::GuardedImage;

pub(super) fn checks() -> Vec<GradientCheck> {
    [
        concatenate([2, 3, 5], [3, 2]),
        scaled_sum(&[2, 3, 5, 3], 0.17),
        scaled_sum(&[1, 1, 7, 5], -1.5),
        channel_scale(&[2, 3, 5, 3]),
        channel_scale(&[3, 37, 31, 1]),
        zero_pad(&[2, 3, 5, 3], [1, 2], [7, 8]),
        zero_pad(&[1, 5, 3, 1], [0, 3], [5, 6]),
        upsample(&[2, 3, 5, 3], 2),
        upsample(&[1, 4, 1, 1], 3),
        flatten([2, 3, 5], [3, 2]),
    ]
    .concat()
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
            let (x, branch, mut y) =
                (GuardedImage::new(&inputs[0]), GuardedImage::new(&inputs[1]), GuardedImage::empty(shape));
            scaled_sum_forward(x.view(), branch.view(), scale, y.view_mut());
            y.image()
        },
        |_, dy, gradients| {
            let dy = GuardedImage::new(dy);
            for (gradient, scale) in gradients.iter_mut().zip([1.0, scale]) {
                let mut d = GuardedImage::new(gradient);
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
            let (x, mut y) = (GuardedImage::new(&inputs[0]), GuardedImage::empty(shape));
            channel_scale_forward(x.view(), fixed(&inputs[1]), y.view_mut());
            y.image()
        },
        |inputs, dy, gradients| {
            let (x, dy, mut dx) =
                (GuardedImage::new(&inputs[0]), GuardedImage::new(dy), GuardedImage::new(&gradients[0]));
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
            let mut y = GuardedImage::empty(&[shape[0], rows, columns, shape[3]]);
            zero_pad_forward(GuardedImage::new(&inputs[0]).view(), before, y.view_mut());
            y.image()
        },
        |_, dy, gradients| {
            let mut dx = GuardedImage::new(&gradients[0]);
            zero_pad_backward(GuardedImage::new(dy).view(), before, dx.view_mut());
            gradients[0] = dx.image();
        },
    )
}

fn upsample(shape: &[usize; 4], factor: usize) -> Vec<GradientCheck> {
    check(
        "upsample",
        format!("x {shape:?} by {factor}"),
        &[("dx", random_dynamic(shape, 1))],
        |inputs| {
            let mut y = GuardedImage::empty(&[shape[0], factor * shape[1], factor * shape[2], shape[3]]);
            upsample_forward(GuardedImage::new(&inputs[0]).view(), factor, y.view_mut());
            y.image()
        },
        |_, dy, gradients| {
            let mut dx = GuardedImage::new(&gradients[0]);
            upsample_backward(GuardedImage::new(dy).view(), factor, dx.view_mut());
            gradients[0] = dx.image();
        },
    )
}

/// Two images into the ranges of one row.
fn flatten([n, height, width]: [usize; 3], [first, second]: [usize; 2]) -> Vec<GradientCheck> {
    let shape = |channels| [n, height, width, channels];
    let [middle, end] = [first, first + second].map(|channels| height * width * channels);
    check(
        "flatten",
        format!("{first} and {second} channels of {:?}", [n, height, width]),
        &[("dfirst", random_dynamic(&shape(first), 1)), ("dsecond", random_dynamic(&shape(second), 2))],
        |inputs| {
            let mut y = Array2::from_elem((n, end), f64::NAN);
            flatten_forward(GuardedImage::new(&inputs[0]).view(), y.slice_mut(s![.., ..middle]));
            flatten_forward(GuardedImage::new(&inputs[1]).view(), y.slice_mut(s![.., middle..]));
            y.into_dyn()
        },
        |_, dy, gradients| {
            let dy: ArrayView2<'_, f64> = fixed(dy);
            for (gradient, range) in gradients.iter_mut().zip([0..middle, middle..end]) {
                let mut d = GuardedImage::new(gradient);
                flatten_backward(dy.slice(s![.., range]), d.view_mut());
                *gradient = d.image();
            }
        },
    )
}
