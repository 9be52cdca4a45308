//! Max, average, L2 and global pooling.

use ndarray::{ArrayD, ArrayView4, ArrayViewMut4};

use crate::gradient_check::check::{GradientCheck, check, fixed, fixed_mut, random_dynamic};
use crate::gradient_check::guarded_image::GuardedImage;
use crate::pooling::average_pool::{average_pool_backward, average_pool_forward};
use crate::pooling::global_average_pool::{global_average_pool_backward, global_average_pool_forward};
use crate::pooling::l2_pool::{l2_pool_backward, l2_pool_forward};
use crate::pooling::max_pool::{max_pool_backward, max_pool_forward};
use crate::window::Window;

pub(super) fn checks() -> Vec<GradientCheck> {
    let cases = [
        (&[2, 5, 7, 3], Window::square(3, 2, 1)),
        (&[1, 7, 5, 5], Window::square(3, 1, 1)),
        (&[1, 9, 7, 1], Window::square(3, 2, 0)),
        (&[2, 5, 9, 2], Window { kernel: [2, 5], stride: [3, 2], padding: [1, 4] }),
    ];
    let mut checks = Vec::new();
    for (shape, window) in cases {
        checks.extend(pool("max_pool", shape, window, max_pool_forward, |x, _, dy, dx| {
            max_pool_backward(x, dy, window, dx);
        }));
        checks.extend(pool("average_pool", shape, window, average_pool_forward, |_, _, dy, dx| {
            average_pool_backward(dy, window, dx);
        }));
        checks.extend(pool("l2_pool", shape, window, l2_pool_forward, |x, y, dy, dx| {
            l2_pool_backward(x, y, dy, window, dx);
        }));
    }
    checks.extend(global_average_pool(&[2, 3, 5, 3]));
    checks.extend(global_average_pool(&[3, 1, 37, 1]));
    checks
}

fn pool(
    operation: &'static str,
    shape: &[usize; 4],
    window: Window,
    forward: impl Fn(ArrayView4<'_, f64>, Window, ArrayViewMut4<'_, f64>),
    backward: impl Fn(ArrayView4<'_, f64>, ArrayView4<'_, f64>, ArrayView4<'_, f64>, ArrayViewMut4<'_, f64>),
) -> Vec<GradientCheck> {
    let [n, height, width, channels] = *shape;
    let [rows, columns] = window.output([height, width]).expect("the window fits");
    let output = |x: &ArrayD<f64>| {
        let mut y = GuardedImage::empty(&[n, rows, columns, channels]);
        forward(GuardedImage::new(x).view(), window, y.view_mut());
        y
    };
    check(
        operation,
        format!("x {shape:?}, {window:?}"),
        &[("dx", random_dynamic(shape, 1))],
        |inputs| output(&inputs[0]).image(),
        |inputs, dy, gradients| {
            let (x, dy, mut dx) =
                (GuardedImage::new(&inputs[0]), GuardedImage::new(dy), GuardedImage::new(&gradients[0]));
            backward(x.view(), output(&inputs[0]).view(), dy.view(), dx.view_mut());
            gradients[0] = dx.image();
        },
    )
}

fn global_average_pool(shape: &[usize; 4]) -> Vec<GradientCheck> {
    check(
        "global_average_pool",
        format!("x {shape:?}"),
        &[("dx", random_dynamic(shape, 1))],
        |inputs| {
            let mut y = ArrayD::from_elem(vec![shape[0], shape[3]], f64::NAN);
            global_average_pool_forward(GuardedImage::new(&inputs[0]).view(), fixed_mut(&mut y));
            y
        },
        |_, dy, gradients| {
            let mut dx = GuardedImage::new(&gradients[0]);
            global_average_pool_backward(fixed(dy), dx.view_mut());
            gradients[0] = dx.image();
        },
    )
}
