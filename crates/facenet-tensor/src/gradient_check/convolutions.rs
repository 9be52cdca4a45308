//! Convolution, depthwise convolution, linear map, bias.

use ndarray::ArrayD;

use crate::accumulation::Accumulation;
use crate::convolution::bias::{bias_backward, bias_forward};
use crate::convolution::depthwise::{depthwise_backward_input, depthwise_backward_weight, depthwise_forward};
use crate::convolution::linear::{linear_backward_input, linear_backward_weight, linear_forward};
use crate::convolution::standard::{convolution_backward_input, convolution_backward_weight, convolution_forward};
use crate::gradient_check::check::{GradientCheck, check, fixed, fixed_mut, random_dynamic};
use crate::gradient_check::guarded_image::GuardedImage;
use crate::memory::scratch::Scratch;
use crate::window::Window;

pub(super) fn checks() -> Vec<GradientCheck> {
    let window = |kernel, stride, padding| Window { kernel, stride, padding };
    [
        convolution([2, 5, 7], [3, 2], window([3, 3], [1, 1], [1, 1])),
        convolution([1, 7, 9], [2, 3], window([3, 3], [2, 2], [1, 1])),
        convolution([1, 11, 8], [1, 2], window([7, 7], [2, 2], [3, 3])),
        convolution([3, 3, 5], [5, 3], window([1, 1], [1, 1], [0, 0])),
        convolution([2, 5, 8], [3, 2], window([1, 1], [2, 3], [0, 0])),
        convolution([1, 7, 6], [2, 2], window([2, 5], [3, 1], [0, 4])),
        depthwise([2, 5, 7], 3, window([3, 3], [1, 1], [1, 1])),
        depthwise([1, 9, 8], 5, window([3, 5], [2, 3], [0, 3])),
        depthwise([2, 5, 3], 2, window([5, 3], [1, 1], [0, 0])),
        linear(5, 7, 3),
        linear(1, 3, 9),
        bias(&[2, 3, 5, 3]),
        bias(&[1, 37, 31, 1]),
    ]
    .concat()
}

fn convolution([n, height, width]: [usize; 3], [inputs, outputs]: [usize; 2], window: Window) -> Vec<GradientCheck> {
    let x = random_dynamic(&[n, height, width, inputs], 1);
    let weight = random_dynamic(&[window.kernel[0], window.kernel[1], inputs, outputs], 2);
    let [rows, columns] = window.output([height, width]).expect("the kernel fits");
    check(
        "convolution",
        format!("x {:?}, {outputs} outputs, {window:?}", x.shape()),
        &[("dx", x), ("dweight", weight)],
        |inputs| {
            let mut y = GuardedImage::empty(&[n, rows, columns, outputs]);
            let x = GuardedImage::new(&inputs[0]);
            convolution_forward(x.view(), fixed(&inputs[1]), window, y.view_mut(), &mut Scratch::default());
            y.image()
        },
        |inputs, dy, gradients| {
            let (x, dy, mut dx) =
                (GuardedImage::new(&inputs[0]), GuardedImage::new(dy), GuardedImage::new(&gradients[0]));
            let mut scratch = Scratch::default();
            convolution_backward_input(
                dy.view(),
                fixed(&inputs[1]),
                window,
                Accumulation::Add,
                dx.view_mut(),
                &mut scratch,
            );
            gradients[0] = dx.image();
            convolution_backward_weight(x.view(), dy.view(), window, fixed_mut(&mut gradients[1]), &mut scratch);
        },
    )
}

fn depthwise([n, height, width]: [usize; 3], channels: usize, window: Window) -> Vec<GradientCheck> {
    let x = random_dynamic(&[n, height, width, channels], 1);
    let weight = random_dynamic(&[window.kernel[0], window.kernel[1], channels], 2);
    let [rows, columns] = window.output([height, width]).expect("the kernel fits");
    check(
        "depthwise",
        format!("x {:?}, {window:?}", x.shape()),
        &[("dx", x), ("dweight", weight)],
        |inputs| {
            let mut y = GuardedImage::empty(&[n, rows, columns, channels]);
            depthwise_forward(GuardedImage::new(&inputs[0]).view(), fixed(&inputs[1]), window, y.view_mut());
            y.image()
        },
        |inputs, dy, gradients| {
            let (x, dy, mut dx) =
                (GuardedImage::new(&inputs[0]), GuardedImage::new(dy), GuardedImage::new(&gradients[0]));
            depthwise_backward_input(dy.view(), fixed(&inputs[1]), window, dx.view_mut());
            gradients[0] = dx.image();
            depthwise_backward_weight(x.view(), dy.view(), window, fixed_mut(&mut gradients[1]));
        },
    )
}

fn linear(n: usize, inputs: usize, outputs: usize) -> Vec<GradientCheck> {
    check(
        "linear",
        format!("{n} rows, {inputs} inputs, {outputs} outputs"),
        &[("dx", random_dynamic(&[n, inputs], 1)), ("dweight", random_dynamic(&[inputs, outputs], 2))],
        |inputs| {
            let mut y = ArrayD::from_elem(vec![n, outputs], f64::NAN);
            linear_forward(fixed(&inputs[0]), fixed(&inputs[1]), fixed_mut(&mut y), &mut Scratch::default());
            y
        },
        |inputs, dy, gradients| {
            let mut scratch = Scratch::default();
            linear_backward_input(
                fixed(dy),
                fixed(&inputs[1]),
                Accumulation::Add,
                fixed_mut(&mut gradients[0]),
                &mut scratch,
            );
            linear_backward_weight(fixed(&inputs[0]), fixed(dy), fixed_mut(&mut gradients[1]), &mut scratch);
        },
    )
}

fn bias(shape: &[usize]) -> Vec<GradientCheck> {
    let x = random_dynamic(shape, 1);
    check(
        "bias",
        format!("y {shape:?}"),
        &[("dbias", random_dynamic(&shape[3..], 2))],
        |inputs| {
            let mut y = GuardedImage::new(&x);
            bias_forward(fixed(&inputs[0]), y.view_mut());
            y.image()
        },
        |_, dy, gradients| bias_backward(GuardedImage::new(dy).view(), fixed_mut(&mut gradients[0])),
    )
}
