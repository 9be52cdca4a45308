//! Batch normalisation, local response normalisation, L2 normalisation.

use ndarray::{Array1, ArrayD};

use super::convolutions::{fixed, fixed_mut};
use super::frame::Frame;
use super::{GradientCheck, check, random, random_dynamic};
use crate::{
    Accumulation, BatchNormParameters, LocalResponse, batch_norm_backward, batch_norm_eval_backward,
    batch_norm_eval_forward, batch_norm_forward, l2_normalize_backward, l2_normalize_forward,
    local_response_norm_backward, local_response_norm_forward,
};

const EPSILON: f64 = 1e-3;

pub(super) fn checks() -> Vec<GradientCheck> {
    let response = |size, beta| LocalResponse { size, alpha: 0.7, beta, k: 1.5 };
    [
        batch_norm(&[3, 3, 5, 3], false),
        batch_norm(&[7, 1, 1, 5], false),
        batch_norm(&[3, 19, 21, 1], false),
        batch_norm(&[3, 3, 5, 3], true),
        batch_norm(&[7, 1, 1, 5], true),
        batch_norm(&[3, 19, 21, 1], true),
        batch_norm_eval(&[3, 3, 5, 3], false),
        batch_norm_eval(&[3, 19, 21, 1], false),
        batch_norm_eval(&[3, 3, 5, 3], true),
        batch_norm_eval(&[3, 19, 21, 1], true),
        local_response_norm(&[2, 3, 1, 7], response(5, 0.75)),
        local_response_norm(&[1, 3, 5, 3], response(5, 0.6)),
        local_response_norm(&[1, 1, 3, 7], response(4, 0.75)),
        local_response_norm(&[1, 1, 3, 5], response(1, 1.0)),
        l2_normalize(3, 7),
        l2_normalize(5, 1),
    ]
    .concat()
}

/// Operands of a batch normalisation: `x`, `scale` and `shift`.
fn operands(shape: &[usize]) -> [(&'static str, ArrayD<f64>); 3] {
    let channels = &shape[3..];
    [
        ("dx", random_dynamic(shape, 1) * 2.0 + 0.5),
        ("dscale", random_dynamic(channels, 2)),
        ("dshift", random_dynamic(channels, 3)),
    ]
}

fn parameters(inputs: &[ArrayD<f64>], rectify: bool) -> BatchNormParameters<'_, f64> {
    BatchNormParameters { scale: fixed(&inputs[1]), shift: fixed(&inputs[2]), epsilon: EPSILON, rectify }
}

fn case(shape: &[usize], rectify: bool) -> String {
    format!("x {shape:?}{}", if rectify { ", rectified" } else { "" })
}

fn batch_norm(shape: &[usize], rectify: bool) -> Vec<GradientCheck> {
    let forward = |inputs: &[ArrayD<f64>]| {
        let (x, mut y) = (Frame::new(&inputs[0]), Frame::empty(inputs[0].shape()));
        let mut mean = Array1::from_elem(shape[3], f64::NAN);
        let mut variance = mean.clone();
        batch_norm_forward(x.view(), parameters(inputs, rectify), mean.view_mut(), variance.view_mut(), y.view_mut());
        (y, mean, variance)
    };
    check(
        "batch_norm",
        case(shape, rectify),
        &operands(shape),
        |inputs| forward(inputs).0.image(),
        |inputs, dy, gradients| {
            let (_, mean, variance) = forward(inputs);
            let (x, dy, mut dx) = (Frame::new(&inputs[0]), Frame::new(dy), Frame::new(&gradients[0]));
            let [_, dscale, dshift] = gradients else { unreachable!("one gradient per operand") };
            batch_norm_backward(
                x.view(),
                dy.view(),
                parameters(inputs, rectify),
                mean.view(),
                variance.view(),
                Accumulation::Add,
                dx.view_mut(),
                fixed_mut(dscale),
                fixed_mut(dshift),
            );
            gradients[0] = dx.image();
        },
    )
}

fn batch_norm_eval(shape: &[usize], rectify: bool) -> Vec<GradientCheck> {
    let mean = random(shape[3], 4);
    let variance = random(shape[3], 5) * 0.5 + 1.0;
    check(
        "batch_norm_eval",
        case(shape, rectify),
        &operands(shape),
        |inputs| {
            let (x, mut y) = (Frame::new(&inputs[0]), Frame::empty(inputs[0].shape()));
            batch_norm_eval_forward(x.view(), parameters(inputs, rectify), mean.view(), variance.view(), y.view_mut());
            y.image()
        },
        |inputs, dy, gradients| {
            let (x, dy, mut dx) = (Frame::new(&inputs[0]), Frame::new(dy), Frame::new(&gradients[0]));
            let [_, dscale, dshift] = gradients else { unreachable!("one gradient per operand") };
            batch_norm_eval_backward(
                x.view(),
                dy.view(),
                parameters(inputs, rectify),
                mean.view(),
                variance.view(),
                Accumulation::Add,
                dx.view_mut(),
                fixed_mut(dscale),
                fixed_mut(dshift),
            );
            gradients[0] = dx.image();
        },
    )
}

fn local_response_norm(shape: &[usize], parameters: LocalResponse) -> Vec<GradientCheck> {
    check(
        "local_response_norm",
        format!("x {shape:?}, {parameters:?}"),
        &[("dx", random_dynamic(shape, 1) * 2.0)],
        |inputs| {
            let (x, mut y) = (Frame::new(&inputs[0]), Frame::empty(inputs[0].shape()));
            local_response_norm_forward(x.view(), parameters, y.view_mut());
            y.image()
        },
        |inputs, dy, gradients| {
            let (x, dy, mut dx) = (Frame::new(&inputs[0]), Frame::new(dy), Frame::new(&gradients[0]));
            local_response_norm_backward(x.view(), dy.view(), parameters, dx.view_mut());
            gradients[0] = dx.image();
        },
    )
}

fn l2_normalize(n: usize, dimension: usize) -> Vec<GradientCheck> {
    let forward = |inputs: &[ArrayD<f64>]| {
        let mut y = ArrayD::from_elem(vec![n, dimension], f64::NAN);
        l2_normalize_forward(fixed(&inputs[0]), fixed_mut(&mut y));
        y
    };
    check(
        "l2_normalize",
        format!("{n} rows of {dimension}"),
        &[("dx", random_dynamic(&[n, dimension], 1))],
        forward,
        |inputs, dy, gradients| {
            let y = forward(inputs);
            l2_normalize_backward(fixed(&inputs[0]), fixed(&y), fixed(dy), fixed_mut(&mut gradients[0]));
        },
    )
}
