//! Batch normalization, local response normalization, L2 normalization.

use ndarray::{Array1, ArrayD};

use crate::accumulation::Accumulation;
use crate::gradient_check::check::{GradientCheck, check, fixed, fixed_mut, random, random_dynamic};
use crate::gradient_check::guarded_image::GuardedImage;
use crate::normalization::batch_norm::{
    BatchNormActivation, BatchNormGradients, BatchNormParameters, BatchNormStatistics, batch_norm_backward,
    batch_norm_eval_backward, batch_norm_eval_forward, batch_norm_forward,
};
use crate::normalization::l2_normalize::{l2_normalize_backward, l2_normalize_forward};
use crate::normalization::local_response_norm::{
    LocalResponseNormParameters, local_response_norm_backward, local_response_norm_forward,
};

const EPSILON: f64 = 1e-3;

pub(super) fn checks() -> Vec<GradientCheck> {
    let response = |size, beta| LocalResponseNormParameters { size, alpha: 0.7, beta, k: 1.5 };
    [
        batch_norm(&[3, 3, 5, 3], BatchNormActivation::None),
        batch_norm(&[7, 1, 1, 5], BatchNormActivation::None),
        batch_norm(&[3, 19, 21, 1], BatchNormActivation::None),
        batch_norm(&[3, 3, 5, 3], BatchNormActivation::Relu),
        batch_norm(&[7, 1, 1, 5], BatchNormActivation::Relu),
        batch_norm(&[3, 19, 21, 1], BatchNormActivation::Relu),
        batch_norm_eval(&[3, 3, 5, 3], BatchNormActivation::None),
        batch_norm_eval(&[3, 19, 21, 1], BatchNormActivation::None),
        batch_norm_eval(&[3, 3, 5, 3], BatchNormActivation::Relu),
        batch_norm_eval(&[3, 19, 21, 1], BatchNormActivation::Relu),
        local_response_norm(&[2, 3, 1, 7], response(5, 0.75)),
        local_response_norm(&[1, 3, 5, 3], response(5, 0.6)),
        local_response_norm(&[1, 1, 3, 7], response(4, 0.75)),
        local_response_norm(&[1, 1, 3, 5], response(1, 1.0)),
        l2_normalize(3, 7),
        l2_normalize(5, 1),
    ]
    .concat()
}

/// The operands of a batch normalization: `x`, `scale` and `shift`.
fn operands(shape: &[usize]) -> [(&'static str, ArrayD<f64>); 3] {
    let channels = &shape[3..];
    [
        ("dx", random_dynamic(shape, 1) * 2.0 + 0.5),
        ("dscale", random_dynamic(channels, 2)),
        ("dshift", random_dynamic(channels, 3)),
    ]
}

fn parameters(inputs: &[ArrayD<f64>], activation: BatchNormActivation) -> BatchNormParameters<'_, f64> {
    BatchNormParameters { scale: fixed(&inputs[1]), shift: fixed(&inputs[2]), epsilon: EPSILON, activation }
}

fn case(shape: &[usize], activation: BatchNormActivation) -> String {
    let suffix = match activation {
        BatchNormActivation::None => "",
        BatchNormActivation::Relu => ", rectified",
    };
    format!("x {shape:?}{suffix}")
}

fn batch_norm(shape: &[usize], activation: BatchNormActivation) -> Vec<GradientCheck> {
    let forward = |inputs: &[ArrayD<f64>]| {
        let (x, mut y) = (GuardedImage::new(&inputs[0]), GuardedImage::empty(inputs[0].shape()));
        let mut mean = Array1::from_elem(shape[3], f64::NAN);
        let mut variance = mean.clone();
        batch_norm_forward(
            x.view(),
            parameters(inputs, activation),
            mean.view_mut(),
            variance.view_mut(),
            y.view_mut(),
        );
        (y, mean, variance)
    };
    check(
        "batch_norm",
        case(shape, activation),
        &operands(shape),
        |inputs| forward(inputs).0.image(),
        |inputs, dy, gradients| {
            let (_, mean, variance) = forward(inputs);
            let (x, dy, mut dx) =
                (GuardedImage::new(&inputs[0]), GuardedImage::new(dy), GuardedImage::new(&gradients[0]));
            let [_, dscale, dshift] = gradients else { unreachable!("one gradient per operand") };
            let statistics = BatchNormStatistics { mean: mean.view(), variance: variance.view() };
            let targets = BatchNormGradients {
                accumulation: Accumulation::Add,
                dx: dx.view_mut(),
                dscale: fixed_mut(dscale),
                dshift: fixed_mut(dshift),
            };
            batch_norm_backward(x.view(), dy.view(), parameters(inputs, activation), statistics, targets);
            gradients[0] = dx.image();
        },
    )
}

fn batch_norm_eval(shape: &[usize], activation: BatchNormActivation) -> Vec<GradientCheck> {
    let mean = random(shape[3], 4);
    let variance = random(shape[3], 5) * 0.5 + 1.0;
    let statistics = BatchNormStatistics { mean: mean.view(), variance: variance.view() };
    check(
        "batch_norm_eval",
        case(shape, activation),
        &operands(shape),
        |inputs| {
            let (x, mut y) = (GuardedImage::new(&inputs[0]), GuardedImage::empty(inputs[0].shape()));
            batch_norm_eval_forward(x.view(), parameters(inputs, activation), statistics, y.view_mut());
            y.image()
        },
        |inputs, dy, gradients| {
            let (x, dy, mut dx) =
                (GuardedImage::new(&inputs[0]), GuardedImage::new(dy), GuardedImage::new(&gradients[0]));
            let [_, dscale, dshift] = gradients else { unreachable!("one gradient per operand") };
            let targets = BatchNormGradients {
                accumulation: Accumulation::Add,
                dx: dx.view_mut(),
                dscale: fixed_mut(dscale),
                dshift: fixed_mut(dshift),
            };
            batch_norm_eval_backward(x.view(), dy.view(), parameters(inputs, activation), statistics, targets);
            gradients[0] = dx.image();
        },
    )
}

fn local_response_norm(shape: &[usize], parameters: LocalResponseNormParameters) -> Vec<GradientCheck> {
    check(
        "local_response_norm",
        format!("x {shape:?}, {parameters:?}"),
        &[("dx", random_dynamic(shape, 1) * 2.0)],
        |inputs| {
            let (x, mut y) = (GuardedImage::new(&inputs[0]), GuardedImage::empty(inputs[0].shape()));
            local_response_norm_forward(x.view(), parameters, y.view_mut());
            y.image()
        },
        |inputs, dy, gradients| {
            let (x, dy, mut dx) =
                (GuardedImage::new(&inputs[0]), GuardedImage::new(dy), GuardedImage::new(&gradients[0]));
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
