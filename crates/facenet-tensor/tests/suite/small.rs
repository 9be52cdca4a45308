//! Every kernel that uses raw pointers, on images small enough for Miri, which checks every access.
//!
//! ```sh
//! MIRIFLAGS="-Zmiri-tree-borrows -Zmiri-ignore-leaks" cargo +nightly miri test -p facenet-tensor --test suite small::
//! ```

use facenet_tensor::{
    Accumulation, BatchNormActivation, BatchNormGradients, BatchNormParameters, BatchNormStatistics, FusedActivation,
    PackedConvolution, PackedDepthwise, PackedSeparable, Scalar, Scratch, Window, batch_norm_backward,
    batch_norm_forward, convolution_backward_input, convolution_backward_weight, convolution_forward,
    depthwise_forward, max_pool_backward, max_pool_forward,
};
use ndarray::{Array1, Array3, Array4, ArrayD, Ix4};

/// Pseudo-random values in [-1, 1], the same in both types.
fn values<T: Scalar, const N: usize>(shape: [usize; N]) -> ArrayD<T> {
    let mut state = 1_u32;
    ArrayD::from_shape_simple_fn(shape.to_vec(), || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        T::from_f64(f64::from(state >> 8) / f64::from(1 << 23) - 1.0)
    })
}

fn images<T: Scalar>(shape: [usize; 4]) -> Array4<T> {
    values(shape).into_dimensionality::<Ix4>().unwrap()
}

/// All results of all operations on images of `size` rows and columns.
fn results<T: Scalar>(size: [usize; 2], [inputs, outputs]: [usize; 2], window: Window) -> Vec<f64> {
    let [height, width] = size;
    let [rows, columns] = window.output(size).unwrap();
    let x = images::<T>([1, height, width, inputs]);
    let dy = images::<T>([1, rows, columns, outputs]);
    let weight = images::<T>([window.kernel[0], window.kernel[1], inputs, outputs]);
    let mut scratch = Scratch::default();
    let mut all: Vec<f64> = Vec::new();
    let mut keep = |result: &Array4<T>| all.extend(result.iter().map(|&element| Scalar::to_f64(element)));

    let mut y = dy.clone();
    convolution_forward(x.view(), weight.view(), window, y.view_mut(), &mut scratch);
    keep(&y);
    let mut dx = x.clone();
    let add = Accumulation::Add;
    convolution_backward_input(dy.view(), weight.view(), window, add, dx.view_mut(), &mut scratch);
    keep(&dx);
    let mut dweight = weight.clone();
    convolution_backward_weight(x.view(), dy.view(), window, dweight.view_mut(), &mut scratch);
    keep(&dweight);
    let bias = Array1::<T>::ones(outputs);
    let relu = FusedActivation::Relu;
    let packed = PackedConvolution::new(weight.view(), bias.view(), relu.clone(), window, size);
    packed.forward_residual(x.view(), dy.view(), y.view_mut());
    keep(&y);

    let kernels: Array3<T> = weight.slice(ndarray::s![.., .., .., 0]).to_owned();
    let mut y = Array4::<T>::zeros((1, rows, columns, inputs));
    depthwise_forward(x.view(), kernels.view(), window, y.view_mut());
    keep(&y);
    let depthwise = PackedDepthwise::new(kernels.view(), Array1::ones(inputs).view(), relu.clone(), window);
    depthwise.forward(x.view(), y.view_mut());
    keep(&y);
    let (weight, bias) = (images::<T>([1, 1, inputs, inputs]), Array1::ones(inputs));
    let pointwise = PackedConvolution::new(weight.view(), bias.view(), relu, Window::square(1, 1, 0), size);
    let share = T::from_f64(1.0 / inputs as f64);
    let small = x.mapv(|x| x * share);
    if let Some(separable) = PackedSeparable::new(&pointwise, &depthwise) {
        separable.forward(small.view(), y.view_mut());
        keep(&y);
        if let Some(pooled) = separable.with_max_pool(Window::square(2, 2, 0)) {
            let mut y = Array4::zeros((1, rows / 2, columns / 2, inputs));
            pooled.forward(small.view(), y.view_mut());
            keep(&y);
        }
    }
    max_pool_forward(x.view(), window, y.view_mut());
    keep(&y);
    max_pool_backward(x.view(), y.view(), window, dx.view_mut());
    keep(&dx);

    let [scale, shift] = [0.5, 0.1].map(|value| Array1::from_elem(inputs, T::from_f64(value)));
    let [mut mean, mut variance, mut dscale, mut dshift] = [(); 4].map(|()| Array1::<T>::zeros(inputs));
    let (epsilon, activation) = (T::from_f64(1e-3), BatchNormActivation::Relu);
    let parameters = BatchNormParameters { scale: scale.view(), shift: shift.view(), epsilon, activation };
    let mut y = x.clone();
    batch_norm_forward(x.view(), parameters, mean.view_mut(), variance.view_mut(), y.view_mut());
    keep(&y);
    let statistics = BatchNormStatistics { mean: mean.view(), variance: variance.view() };
    let (dscale, dshift) = (dscale.view_mut(), dshift.view_mut());
    let gradients = BatchNormGradients { accumulation: add, dx: dx.view_mut(), dscale, dshift };
    batch_norm_backward(x.view(), x.view(), parameters, statistics, gradients);
    keep(&dx);
    all
}

fn check(size: [usize; 2], channels: [usize; 2], window: Window) {
    let (fast, reference) = (results::<f32>(size, channels, window), results::<f64>(size, channels, window));
    let terms = (window.kernel[0] * window.kernel[1] * channels[0].max(channels[1])).max(size[0] * size[1]);
    let bound = 16.0 * f64::from(f32::EPSILON) * terms as f64;
    for (index, (fast, reference)) in fast.iter().zip(&reference).enumerate() {
        assert!((fast - reference).abs() <= bound, "{channels:?} {window:?}: {fast} and {reference} at {index}");
    }
    assert_eq!(fast.len(), reference.len());
}

#[test]
fn direct() {
    check([4, 5], [9, 18], Window::square(3, 2, 1));
    check([3, 5], [17, 3], Window::square(3, 1, 1));
    check([3, 4], [17, 3], Window::square(1, 1, 0));
    check([2, 11], [8, 5], Window { kernel: [1, 3], stride: [1, 1], padding: [0, 1] });
}

#[test]
fn kernel_rows_of_few_channels_as_one_tap() {
    check([5, 6], [3, 17], Window::square(3, 2, 1));
}

#[test]
fn three_channels_to_few_outputs() {
    check([5, 12], [3, 5], Window::square(3, 2, 1));
    check([4, 8], [3, 16], Window::square(3, 1, 1));
}

#[test]
fn winograd_with_2x2_tiles() {
    check([6, 6], [16, 17], Window::square(3, 1, 1));
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes; the code is the same as for smaller tiles")]
fn winograd_with_4x4_tiles() {
    check([9, 9], [16, 17], Window::square(3, 1, 1));
}
