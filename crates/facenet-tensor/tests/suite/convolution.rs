//! The fast `f32` convolutions against the reference loops in `f64`, at odd sizes, strides,
//! paddings and slices.

use facenet_tensor::{
    Accumulation, Scalar, Scratch, Window, convolution_backward_input, convolution_backward_weight,
    convolution_forward, depthwise_backward_input, depthwise_backward_weight, depthwise_forward, linear_backward_input,
    linear_backward_weight, linear_forward,
};
use ndarray::{Array, Array2, Array3, Array4, Dimension, ShapeBuilder, s};
use ndarray_rand::RandomExt;
use ndarray_rand::rand_distr::Uniform;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

fn random<D: Dimension, S: ShapeBuilder<Dim = D>>(shape: S, seed: u64) -> Array<f32, D> {
    Array::random_using(shape, Uniform::new(-1.0, 1.0), &mut ChaCha8Rng::seed_from_u64(seed))
}

/// Each element is a sum of `terms` products of values in [-1, 1]: every addition rounds a partial
/// sum of magnitude at most `terms` by half a unit, and errors of random sign grow with the square
/// root of their number.
#[track_caller]
fn assert_close<D: Dimension>(fast: &Array<f32, D>, reference: &Array<f64, D>, terms: usize, case: &str) {
    let bound = f64::from(f32::EPSILON) * (terms as f64 + 8.0);
    for (index, (fast, reference)) in fast.iter().zip(reference).enumerate() {
        let difference = (f64::from(*fast) - reference).abs();
        assert!(difference <= bound, "{case}: {fast} and {reference} at {index} differ by {difference:e} > {bound:e}");
    }
}

struct Case {
    batch: usize,
    input: [usize; 2],
    channels: [usize; 2],
    window: Window,
}

fn cases() -> Vec<Case> {
    let case = |batch, input, channels, kernel, stride, padding| Case {
        batch,
        input,
        channels,
        window: Window { kernel, stride, padding },
    };
    vec![
        case(1, [1, 1], [1, 1], [1, 1], [1, 1], [0, 0]),
        case(2, [7, 5], [3, 17], [3, 3], [1, 1], [1, 1]),
        case(3, [9, 11], [5, 40], [3, 3], [2, 2], [1, 1]),
        case(1, [13, 8], [3, 16], [7, 7], [2, 2], [3, 3]),
        case(2, [13, 12], [3, 16], [3, 3], [2, 2], [1, 1]),
        case(2, [6, 23], [3, 11], [3, 3], [1, 1], [1, 1]),
        case(1, [4, 3], [3, 16], [3, 3], [2, 1], [2, 0]),
        case(2, [6, 7], [19, 33], [1, 1], [1, 1], [0, 0]),
        case(2, [8, 7], [12, 21], [1, 1], [2, 3], [0, 0]),
        case(2, [9, 6], [9, 10], [1, 7], [1, 1], [0, 3]),
        case(2, [6, 9], [8, 13], [7, 1], [1, 2], [3, 0]),
        case(1, [5, 5], [16, 32], [5, 5], [1, 1], [2, 2]),
        case(1, [10, 9], [2, 3], [2, 3], [3, 2], [0, 2]),
        case(2, [4, 4], [48, 95], [4, 4], [1, 1], [0, 0]),
        case(1, [3, 3], [7, 6], [3, 3], [1, 1], [3, 3]),
        // Winograd.
        case(1, [6, 6], [16, 16], [3, 3], [1, 1], [1, 1]),
        case(2, [12, 13], [17, 33], [3, 3], [1, 1], [1, 1]),
        case(3, [11, 8], [40, 100], [3, 3], [1, 1], [0, 0]),
        case(1, [7, 9], [70, 20], [3, 3], [1, 1], [2, 1]),
        // Winograd, with more tiles than one part of a weight gradient holds.
        case(4, [33, 34], [20, 49], [3, 3], [1, 1], [0, 2]),
        // More pixels than one part of a weight gradient holds.
        case(3, [56, 50], [4, 18], [3, 3], [1, 1], [1, 1]),
        case(4, [45, 48], [18, 34], [1, 1], [1, 1], [0, 0]),
    ]
}

/// The image as a channel slice of a wider one.
fn wide(image: &Array4<f32>) -> Array4<f32> {
    let (n, h, w, c) = image.dim();
    let mut wide = random((n, h, w, c + 5), 99);
    wide.slice_mut(s![.., .., .., 3..3 + c]).assign(image);
    wide
}

#[test]
fn convolutions_agree_with_the_formula() {
    for (index, case) in cases().iter().enumerate() {
        let Case { batch, input: [height, width], channels: [inputs, outputs], window } = *case;
        let [rows, columns] = window.output([height, width]).unwrap();
        let name = format!("case {index}, {window:?}");
        let x = random((batch, height, width, inputs), 1);
        let weight = random((window.kernel[0], window.kernel[1], inputs, outputs), 2);
        let dy = random((batch, rows, columns, outputs), 3);
        let (x64, weight64, dy64) = (x.mapv(f64::from), weight.mapv(f64::from), dy.mapv(f64::from));
        let mut scratch = Scratch::default();
        let mut scratch64 = Scratch::default();
        let taps = window.kernel[0] * window.kernel[1];

        let wide_x = wide(&x);
        let x_slice = wide_x.slice(s![.., .., .., 3..3 + inputs]);
        let mut wide_y = wide(&dy);
        let untouched = wide_y.clone();
        convolution_forward(
            x_slice,
            weight.view(),
            window,
            wide_y.slice_mut(s![.., .., .., 3..3 + outputs]),
            &mut scratch,
        );
        let mut y64 = dy64.clone();
        convolution_forward(x64.view(), weight64.view(), window, y64.view_mut(), &mut scratch64);
        let y = wide_y.slice(s![.., .., .., 3..3 + outputs]).to_owned();
        assert_close(&y, &y64, taps * inputs, &format!("forward, {name}"));
        for outside in [s![.., .., .., ..3], s![.., .., .., 3 + outputs..]] {
            assert_eq!(wide_y.slice(outside), untouched.slice(outside), "forward wrote outside, {name}");
        }

        let mut dx = x.clone();
        let mut dx64 = x64.clone();
        convolution_backward_input(dy.view(), weight.view(), window, Accumulation::Add, dx.view_mut(), &mut scratch);
        convolution_backward_input(
            dy64.view(),
            weight64.view(),
            window,
            Accumulation::Add,
            dx64.view_mut(),
            &mut scratch64,
        );
        assert_close(&dx, &dx64, taps * outputs + 1, &format!("input gradient, {name}"));
        let mut from_zero = Array4::zeros(x.raw_dim());
        let (add, set) = (Accumulation::Add, Accumulation::Set);
        convolution_backward_input(dy.view(), weight.view(), window, add, from_zero.view_mut(), &mut scratch);
        convolution_backward_input(dy.view(), weight.view(), window, set, dx.view_mut(), &mut scratch);
        assert_eq!(dx, from_zero, "overwritten input gradient, {name}");

        let mut dweight = weight.clone();
        let mut dweight64 = weight64.clone();
        convolution_backward_weight(x_slice, dy.view(), window, dweight.view_mut(), &mut scratch);
        convolution_backward_weight(x64.view(), dy64.view(), window, dweight64.view_mut(), &mut scratch64);
        assert_close(&dweight, &dweight64, batch * rows * columns + 1, &format!("weight gradient, {name}"));
    }
}

fn results<T: Scalar>(threads: usize, inputs: usize, window: Window) -> (Array4<T>, Array4<T>, Array4<T>) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| {
        let convert = |value: f32| T::from_f64(f64::from(value));
        let x = random((4, 19, 18, inputs), 1).mapv(convert);
        let weight = random((window.kernel[0], window.kernel[1], inputs, 24), 2).mapv(convert);
        let mut scratch = Scratch::default();
        let [rows, columns] = window.output([19, 18]).unwrap();
        let mut y = Array4::zeros((4, rows, columns, 24));
        convolution_forward(x.view(), weight.view(), window, y.view_mut(), &mut scratch);
        let mut dx = Array4::zeros(x.raw_dim());
        convolution_backward_input(y.view(), weight.view(), window, Accumulation::Add, dx.view_mut(), &mut scratch);
        let mut dweight = weight.clone();
        convolution_backward_weight(x.view(), y.view(), window, dweight.view_mut(), &mut scratch);
        (y, dx, dweight)
    })
}

#[test]
fn any_number_of_threads_computes_the_same_bits() {
    let kernels = [
        (20, Window::square(3, 1, 1)),
        (130, Window::square(3, 1, 1)),
        (230, Window::square(3, 2, 1)),
        (700, Window::square(1, 1, 0)),
        (40, Window::square(5, 1, 2)),
    ];
    for (inputs, window) in kernels {
        let one = results::<f32>(1, inputs, window);
        for threads in [2, 5, 16] {
            assert!(one == results::<f32>(threads, inputs, window), "{inputs} {window:?} on {threads} threads");
        }
    }
    let window = Window::square(3, 1, 1);
    assert!(results::<f64>(1, 20, window) == results::<f64>(5, 20, window));
}

#[test]
fn linear_maps_agree_with_the_formula() {
    for (n, inputs, outputs) in [(1, 1, 1), (7, 33, 18), (130, 20, 5)] {
        let x: Array2<f32> = random((n, inputs), 1);
        let weight = random((inputs, outputs), 2);
        let dy = random((n, outputs), 3);
        let (x64, weight64, dy64) = (x.mapv(f64::from), weight.mapv(f64::from), dy.mapv(f64::from));
        let mut scratch = Scratch::default();
        let mut y = dy.clone();
        linear_forward(x.view(), weight.view(), y.view_mut(), &mut scratch);
        assert_close(&y, &x64.dot(&weight64), inputs, "forward");
        let mut dx = x.clone();
        linear_backward_input(dy.view(), weight.view(), Accumulation::Add, dx.view_mut(), &mut scratch);
        assert_close(&dx, &(&x64 + &dy64.dot(&weight64.t())), outputs + 1, "input gradient");
        let mut dweight = weight.clone();
        linear_backward_weight(x.view(), dy.view(), dweight.view_mut(), &mut scratch);
        assert_close(&dweight, &(&weight64 + &x64.t().dot(&dy64)), n + 1, "weight gradient");
    }
}

#[test]
#[should_panic(expected = "channels of y [1, 1, 3, 4] are not contiguous")]
fn depthwise_outputs_need_contiguous_channels_even_without_input() {
    let x = Array4::<f32>::zeros((1, 0, 3, 4));
    let weight = Array3::zeros((2, 1, 4));
    let mut y = Array4::zeros((1, 1, 3, 8));
    let window = Window { kernel: [2, 1], stride: [1, 1], padding: [1, 0] };
    depthwise_forward(x.view(), weight.view(), window, y.slice_mut(s![.., .., .., ..;2]));
}

#[test]
fn depthwise_convolutions_are_diagonal_convolutions() {
    for case in cases() {
        let Case { batch, input: [height, width], channels: [channels, _], window } = case;
        let [rows, columns] = window.output([height, width]).unwrap();
        let x = random((batch, height, width, channels), 1);
        let weight: Array3<f32> = random((window.kernel[0], window.kernel[1], channels), 2);
        let dy = random((batch, rows, columns, channels), 3);
        let mut diagonal = Array4::<f64>::zeros((window.kernel[0], window.kernel[1], channels, channels));
        for ((i, j, c), weight) in weight.indexed_iter() {
            diagonal[[i, j, c, c]] = f64::from(*weight);
        }
        let (x64, dy64) = (x.mapv(f64::from), dy.mapv(f64::from));
        let mut scratch = Scratch::default();
        let taps = window.kernel[0] * window.kernel[1];

        let mut y = dy.clone();
        depthwise_forward(x.view(), weight.view(), window, y.view_mut());
        let mut y64 = dy64.clone();
        convolution_forward(x64.view(), diagonal.view(), window, y64.view_mut(), &mut scratch);
        assert_close(&y, &y64, taps, "forward");

        let mut dx = x.clone();
        depthwise_backward_input(dy.view(), weight.view(), window, dx.view_mut());
        let mut dx64 = x64.clone();
        convolution_backward_input(
            dy64.view(),
            diagonal.view(),
            window,
            Accumulation::Add,
            dx64.view_mut(),
            &mut scratch,
        );
        assert_close(&dx, &dx64, taps + 1, "input gradient");

        let mut dweight = weight.clone();
        depthwise_backward_weight(x.view(), dy.view(), window, dweight.view_mut());
        let mut full = Array4::<f64>::zeros(diagonal.raw_dim());
        convolution_backward_weight(x64.view(), dy64.view(), window, full.view_mut(), &mut scratch);
        let sum =
            Array3::from_shape_fn(weight.raw_dim(), |(i, j, c)| f64::from(weight[[i, j, c]]) + full[[i, j, c, c]]);
        assert_close(&dweight, &sum, batch * rows * columns + 1, "weight gradient");
    }
}

#[test]
#[should_panic(expected = "x [1, 4, 4, 3] and weight [3, 3, 2, 8]")]
fn mismatched_channels_name_both_shapes() {
    let x = Array4::<f32>::zeros((1, 4, 4, 3));
    let weight = Array4::zeros((3, 3, 2, 8));
    let mut y = Array4::zeros((1, 4, 4, 8));
    convolution_forward(x.view(), weight.view(), Window::square(3, 1, 1), y.view_mut(), &mut Scratch::default());
}
