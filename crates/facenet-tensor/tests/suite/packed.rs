//! Packed convolutions for inference against the operations that they fuse, in sequence.
//!
//! Both add the same terms in the same order with the same roundings, so they agree exactly. Only
//! Winograd convolutions with 4x4 tiles, which training does not use, are compared with the formula
//! instead.

use facenet_tensor::{
    FusedActivation, PackedConvolution, PackedDepthwise, PackedSeparable, Scalar, Scratch, Window, bias_forward,
    convolution_forward, depthwise_forward, linear_forward, max_pool_forward, prelu_forward, relu_forward,
    sigmoid_forward,
};
use ndarray::{Array, Array1, Array2, Array4, ArrayView4, Axis, Dimension, ShapeBuilder, array, s};
use ndarray_rand::RandomExt;
use ndarray_rand::rand_distr::Uniform;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// Uniform values in [-1, 1), the same in both types.
fn random<T: Scalar, D: Dimension>(shape: impl ShapeBuilder<Dim = D>, seed: u64) -> Array<T, D> {
    Array::random_using(shape, Uniform::new(-1.0f32, 1.0), &mut ChaCha8Rng::seed_from_u64(seed))
        .mapv(|value| T::from_f64(f64::from(value)))
}

fn activations<T: Scalar>(channels: usize) -> Vec<FusedActivation<T>> {
    vec![
        FusedActivation::None,
        FusedActivation::Relu,
        FusedActivation::Sigmoid,
        FusedActivation::PRelu(random(channels, 4).to_vec()),
        FusedActivation::PRelu(vec![T::from_f64(0.25)]),
    ]
}

/// Bias and activation as separate operations.
fn finish<T: Scalar>(mut y: Array4<T>, bias: &Array1<T>, activation: &FusedActivation<T>) -> Array4<T> {
    bias_forward(bias.view(), y.view_mut());
    match activation {
        FusedActivation::None => {}
        FusedActivation::Relu => relu_forward(y.view_mut()),
        FusedActivation::Sigmoid => sigmoid_forward(y.view_mut()),
        FusedActivation::PRelu(slope) => {
            let x = y.clone();
            prelu_forward(x.view(), Array1::from(slope.clone()).view(), y.view_mut());
        }
    }
    y
}

/// Runs `forward` on a channel slice of a wider image and compares; the surroundings must stay
/// untouched.
#[track_caller]
fn assert_writes<T: Scalar>(expected: &Array4<T>, case: &str, forward: impl FnOnce(ndarray::ArrayViewMut4<'_, T>)) {
    let (n, h, w, c) = expected.dim();
    let mut wide: Array4<T> = random((n, h, w, c + 5), 5);
    let mut untouched = wide.clone();
    forward(wide.slice_mut(s![.., .., .., 2..2 + c]));
    untouched.slice_mut(s![.., .., .., 2..2 + c]).assign(expected);
    assert_eq!(wide, untouched, "{case}");
}

/// The middle channels of a wider image.
fn middle<T>(wide: &Array4<T>, channels: usize) -> ArrayView4<'_, T> {
    wide.slice(s![.., .., .., 3..3 + channels])
}

struct Case {
    batch: usize,
    input: [usize; 2],
    inputs: usize,
    outputs: usize,
    window: Window,
}

fn cases() -> Vec<Case> {
    let case = |batch, input, [inputs, outputs]: [usize; 2], kernel, stride, padding| Case {
        batch,
        input,
        inputs,
        outputs,
        window: Window { kernel, stride, padding },
    };
    vec![
        case(1, [1, 1], [1, 1], [1, 1], [1, 1], [0, 0]),
        case(2, [6, 7], [19, 33], [1, 1], [1, 1], [0, 0]),
        case(2, [8, 9], [12, 48], [1, 1], [2, 2], [0, 0]),
        case(2, [9, 7], [3, 17], [3, 3], [1, 1], [1, 1]),
        case(3, [11, 6], [10, 40], [3, 3], [2, 2], [1, 1]),
        case(2, [13, 12], [3, 16], [3, 3], [2, 2], [1, 1]),
        case(1, [5, 31], [3, 9], [3, 3], [1, 1], [1, 1]),
        case(2, [4, 2], [3, 16], [3, 3], [1, 2], [0, 2]),
        case(1, [12, 13], [15, 64], [3, 3], [1, 1], [1, 1]),
        case(2, [9, 8], [9, 10], [1, 7], [1, 1], [0, 3]),
        case(2, [21, 19], [3, 24], [7, 7], [2, 2], [3, 3]),
        case(1, [15, 14], [8, 5], [7, 7], [2, 2], [3, 3]),
        // Enough tasks that panels are not split.
        case(2, [45, 40], [4, 18], [3, 3], [1, 1], [1, 1]),
    ]
}

fn packed_convolutions<T: Scalar>() {
    for (index, case) in cases().iter().enumerate() {
        let Case { batch, input: [height, width], inputs, outputs, window } = *case;
        let [rows, columns] = window.output([height, width]).unwrap();
        let wide: Array4<T> = random((batch, height, width, inputs + 5), 1);
        let x = middle(&wide, inputs);
        let weight = random((window.kernel[0], window.kernel[1], inputs, outputs), 2);
        let bias = random(outputs, 3);
        let mut sums = Array4::zeros((batch, rows, columns, outputs));
        convolution_forward(x, weight.view(), window, sums.view_mut(), &mut Scratch::default());
        for activation in activations(outputs) {
            let expected = finish(sums.clone(), &bias, &activation);
            let name = format!("case {index}, {window:?}, {activation:?}");
            let packed = PackedConvolution::new(weight.view(), bias.view(), activation, window, [height, width]);
            assert_writes(&expected, &name, |y| packed.forward(x, y));
            let mut y = expected.clone() + T::one();
            packed.forward(x.to_owned().view(), y.view_mut());
            assert_eq!(y, expected, "contiguous, {name}");
        }
    }
}

#[test]
fn packed_convolutions_equal_the_operations_in_sequence() {
    packed_convolutions::<f32>();
    packed_convolutions::<f64>();
}

fn residuals_and_joined<T: Scalar>() {
    for (window, input, inputs) in [
        (Window::square(1, 1, 0), [7, 9], 21),
        (Window::square(3, 1, 1), [12, 13], 17),
        (Window::square(3, 2, 1), [9, 8], 3),
    ] {
        let [rows, columns] = window.output(input).unwrap();
        let x: Array4<T> = random((2, input[0], input[1], inputs), 1);
        let convolution = |outputs: usize, activation| {
            let [height, width] = window.kernel;
            let weight = random((height, width, inputs, outputs), outputs as u64);
            PackedConvolution::new(weight.view(), random(outputs, 3).view(), activation, window, input)
        };
        // A residual is added to the sums with their bias, before the activation.
        for activation in activations(34) {
            let wide: Array4<T> = random((2, rows, columns, 39), 2);
            let residual = middle(&wide, 34);
            let mut sums = Array4::zeros((2, rows, columns, 34));
            convolution(34, FusedActivation::None).forward(x.view(), sums.view_mut());
            let expected = finish(sums + residual, &Array1::zeros(34), &activation);
            let name = format!("{window:?}, {activation:?}");
            let packed = convolution(34, activation);
            assert_writes(&expected, &name, |y| packed.forward_residual(x.view(), residual, y));
        }
        // Joined convolutions compute the same as each of them alone.
        let alone = [
            convolution(5, FusedActivation::Relu),
            convolution(48, FusedActivation::None),
            convolution(33, FusedActivation::PRelu(random(33, 4).to_vec())),
        ];
        if !alone[1].can_join(&alone[2]) {
            assert_eq!(window, Window::square(3, 1, 1), "only Winograd convolutions can't be joined");
            continue;
        }
        let mut expected = [5, 48, 33].map(|outputs| Array4::zeros((2, rows, columns, outputs)));
        alone.iter().zip(&mut expected).for_each(|(packed, y)| packed.forward(x.view(), y.view_mut()));
        let mut outputs = expected.clone().map(|y| y + T::one());
        let joined = PackedConvolution::join(&alone.each_ref());
        joined.forward_joined(x.view(), outputs.iter_mut().map(|y| y.view_mut()).collect());
        assert_eq!(outputs, expected, "{window:?}");
    }
}

#[test]
fn residuals_are_added_and_joined_convolutions_agree() {
    residuals_and_joined::<f32>();
    residuals_and_joined::<f64>();
}

#[test]
fn winograd_convolutions_agree_with_the_formula() {
    for (batch, input, [inputs, outputs], padding) in [
        (1, [6, 6], [16, 16], [1, 1]),
        (2, [12, 13], [17, 33], [1, 1]),
        (1, [11, 8], [40, 100], [0, 0]),
        (3, [7, 9], [64, 20], [2, 1]),
        (2, [27, 30], [20, 49], [0, 2]),
    ] {
        let window = Window { kernel: [3, 3], stride: [1, 1], padding };
        let [rows, columns] = window.output(input).unwrap();
        let wide: Array4<f32> = random((batch, input[0], input[1], inputs + 5), 1);
        let x = middle(&wide, inputs);
        let weight: Array4<f32> = random((3, 3, inputs, outputs), 2);
        let bias: Array1<f32> = random(outputs, 3);
        let mut sums = Array4::zeros((batch, rows, columns, outputs));
        let (x64, weight64) = (x.mapv(f64::from), weight.mapv(f64::from));
        convolution_forward(x64.view(), weight64.view(), window, sums.view_mut(), &mut Scratch::default());
        let none = FusedActivation::None;
        let no_bias = Array1::zeros(outputs);
        let packed = PackedConvolution::new(weight.view(), no_bias.view(), none, window, input);
        let mut y = Array4::<f32>::zeros((batch, rows, columns, outputs));
        packed.forward(x, y.view_mut());
        // Transformed inputs reach 100, weights and sums less; errors of random sign grow with the
        // root of their number.
        let bound = f64::from(f32::EPSILON) * 16.0 * (9.0 * inputs as f64).sqrt();
        for ((index, y), sum) in y.indexed_iter().zip(&sums) {
            assert!((f64::from(*y) - sum).abs() <= bound, "{input:?}, {window:?}: {y} and {sum} at {index:?}");
        }
        for activation in activations(outputs) {
            let expected = finish(y.clone(), &bias, &activation);
            let name = format!("{input:?}, {window:?}, {activation:?}");
            let packed = PackedConvolution::new(weight.view(), bias.view(), activation, window, input);
            assert_writes(&expected, &name, |y| packed.forward(x, y));
        }
    }
}

fn packed_depthwise<T: Scalar>() {
    for (index, case) in cases().iter().enumerate() {
        let Case { batch, input: [height, width], outputs: channels, window, .. } = *case;
        let [rows, columns] = window.output([height, width]).unwrap();
        let wide: Array4<T> = random((batch, height, width, channels + 5), 1);
        let x = middle(&wide, channels);
        let weight = random((window.kernel[0], window.kernel[1], channels), 2);
        let bias = random(channels, 3);
        let mut sums = Array4::zeros((batch, rows, columns, channels));
        depthwise_forward(x, weight.view(), window, sums.view_mut());
        for activation in activations(channels) {
            let expected = finish(sums.clone(), &bias, &activation);
            let name = format!("case {index}, {window:?}, {activation:?}");
            let packed = PackedDepthwise::new(weight.view(), bias.view(), activation, window);
            assert_writes(&expected, &name, |y| packed.forward(x, y));
        }
    }
}

#[test]
fn packed_depthwise_convolutions_equal_the_operations_in_sequence() {
    packed_depthwise::<f32>();
    packed_depthwise::<f64>();
}

/// A 1x1 convolution and a depthwise convolution under `window`.
fn separable_parts<T: Scalar>(
    [inputs, channels]: [usize; 2],
    activations: [FusedActivation<T>; 2],
    window: Window,
) -> (PackedConvolution<T>, PackedDepthwise<T>) {
    let [first, second] = activations;
    let weight = random((1, 1, inputs, channels), 2);
    let pointwise =
        PackedConvolution::new(weight.view(), random(channels, 3).view(), first, Window::square(1, 1, 0), [9, 9]);
    let weight = random((window.kernel[0], window.kernel[1], channels), 4);
    (pointwise, PackedDepthwise::new(weight.view(), random(channels, 5).view(), second, window))
}

fn packed_separable<T: Scalar>() {
    let window = |stride, padding| Window { kernel: [3, 3], stride: [stride; 2], padding };
    for (batch, input, channels, window) in [
        (1, [1, 1], [1, 1], window(1, [1, 1])),
        (1, [3, 3], [2, 16], window(1, [0, 0])),
        (2, [5, 4], [3, 17], window(1, [1, 1])),
        (2, [6, 13], [16, 48], window(1, [1, 1])),
        (1, [24, 23], [7, 33], window(1, [1, 1])),
        (3, [9, 21], [5, 64], window(1, [2, 0])),
        (1, [7, 8], [4, 20], window(1, [3, 2])),
        (2, [10, 9], [19, 40], window(2, [1, 1])),
        (1, [31, 30], [6, 80], window(2, [1, 1])),
        (1, [8, 12], [3, 5], window(2, [0, 2])),
    ] {
        let [rows, columns] = window.output(input).unwrap();
        let [inputs, outputs] = channels;
        let wide: Array4<T> = random((batch, input[0], input[1], inputs + 5), 1);
        let x = middle(&wide, inputs);
        for (first, second) in activations(outputs).into_iter().zip(activations(outputs).into_iter().rev()) {
            let name = format!("{batch} of {input:?}, {channels:?}, {window:?}, {first:?}, {second:?}");
            let (pointwise, depthwise) = separable_parts(channels, [first, second], window);
            let mut between = Array4::zeros((batch, input[0], input[1], outputs));
            pointwise.forward(x, between.view_mut());
            let mut expected = Array4::zeros((batch, rows, columns, outputs));
            depthwise.forward(between.view(), expected.view_mut());
            let separable = PackedSeparable::new(&pointwise, &depthwise).unwrap();
            assert_writes(&expected, &name, |y| separable.forward(x, y));
            let mut y = expected.clone() + T::one();
            separable.forward(x.to_owned().view(), y.view_mut());
            assert_eq!(y, expected, "contiguous, {name}");
            let pool = Window::square(2, 2, 0);
            let Some(separable) = separable.with_max_pool(pool) else {
                assert_eq!(window.stride, [2; 2], "pooling follows at stride 1");
                continue;
            };
            if let Some([rows, columns]) = pool.output([rows, columns]) {
                let mut pooled = Array4::zeros((batch, rows, columns, outputs));
                max_pool_forward(expected.view(), pool, pooled.view_mut());
                assert_writes(&pooled, &format!("pooled, {name}"), |y| separable.forward(x, y));
            }
        }
    }
}

#[test]
fn packed_separable_convolutions_equal_both_convolutions_in_sequence() {
    packed_separable::<f32>();
    packed_separable::<f64>();
}

#[test]
fn only_supported_pairs_are_separable() {
    let none = || [FusedActivation::None, FusedActivation::None];
    let parts = |channels, window| separable_parts::<f32>([3, channels], none(), window);
    let (pointwise, depthwise) = parts(8, Window::square(3, 1, 1));
    assert!(PackedSeparable::new(&pointwise, &depthwise).is_some());
    let (_, of_other_channels) = parts(9, Window::square(3, 1, 1));
    assert!(PackedSeparable::new(&pointwise, &of_other_channels).is_none());
    for window in
        [Window::square(5, 1, 2), Window::square(3, 3, 1), Window { stride: [1, 2], ..Window::square(3, 1, 1) }]
    {
        assert!(PackedSeparable::new(&pointwise, &parts(8, window).1).is_none(), "{window:?}");
    }
    let weight = random::<f32, _>((3, 3, 3, 8), 1);
    let window = Window::square(3, 1, 1);
    let convolution = PackedConvolution::new(weight.view(), random(8, 2).view(), FusedActivation::None, window, [9, 9]);
    assert!(PackedSeparable::new(&convolution, &depthwise).is_none());
    let joined = PackedConvolution::join(&[&pointwise, &pointwise]);
    assert!(PackedSeparable::new(&joined, &depthwise).is_none());
    let separable = PackedSeparable::new(&pointwise, &depthwise).unwrap();
    for window in [Window::square(2, 1, 0), Window::square(2, 2, 1), Window::square(3, 2, 0)] {
        assert!(separable.with_max_pool(window).is_none(), "{window:?}");
    }
    let pooled = separable.with_max_pool(Window::square(2, 2, 0)).unwrap();
    assert!(pooled.with_max_pool(Window::square(2, 2, 0)).is_none(), "pooled once");
}

#[test]
fn pooled_separable_convolutions_propagate_nan() {
    let none = [FusedActivation::None, FusedActivation::None];
    let (pointwise, depthwise) = separable_parts([1, 1], none, Window::square(3, 1, 1));
    let pooled = PackedSeparable::new(&pointwise, &depthwise).unwrap().with_max_pool(Window::square(2, 2, 0)).unwrap();
    for at in [[2, 2], [2, 3], [3, 2], [3, 3]] {
        let mut x = Array4::<f32>::zeros((1, 10, 10, 1));
        x[[0, at[0], at[1], 0]] = f32::NAN;
        let mut y = Array4::zeros((1, 5, 5, 1));
        pooled.forward(x.view(), y.view_mut());
        assert!(y[[0, 1, 1, 0]].is_nan() && y[[0, 4, 4, 0]].is_finite(), "{at:?}");
    }
}

#[test]
fn fully_connected_layers_are_1x1_convolutions_of_single_pixels() {
    let x: Array2<f32> = random((70, 50), 1);
    let weight: Array2<f32> = random((50, 21), 2);
    let bias = random(21, 3);
    let mut product = Array2::zeros((70, 21));
    linear_forward(x.view(), weight.view(), product.view_mut(), &mut Scratch::default());
    let pixels = |rows: Array2<f32>| rows.insert_axis(Axis(1)).insert_axis(Axis(1));
    let expected = finish(pixels(product), &bias, &FusedActivation::Relu);
    let weight = weight.insert_axis(Axis(0)).insert_axis(Axis(0));
    let window = Window::square(1, 1, 0);
    let packed = PackedConvolution::new(weight.view(), bias.view(), FusedActivation::Relu, window, [1, 1]);
    assert_writes(&expected, "one pixel per image", |y| packed.forward(pixels(x.clone()).view(), y));
}

#[test]
fn any_number_of_threads_computes_the_same_bits() {
    let window = Window::square(3, 1, 1);
    let x: Array4<f32> = random((2, 40, 40, 20), 1);
    let convolution = PackedConvolution::new(
        random((3, 3, 20, 24), 2).view(),
        random(24, 3).view(),
        FusedActivation::PRelu(random(24, 4).to_vec()),
        window,
        [40, 40],
    );
    let depthwise =
        PackedDepthwise::new(random((3, 3, 24), 5).view(), random(24, 6).view(), FusedActivation::Sigmoid, window);
    let (pointwise, after) = separable_parts([20, 24], [FusedActivation::None, FusedActivation::Relu], window);
    let separable = PackedSeparable::new(&pointwise, &after).unwrap();
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut y = Array4::zeros((2, 40, 40, 24));
            convolution.forward(x.view(), y.view_mut());
            let mut z = Array4::zeros(y.raw_dim());
            depthwise.forward(y.view(), z.view_mut());
            let mut s = Array4::zeros(y.raw_dim());
            separable.forward(x.view(), s.view_mut());
            (y.mapv(f32::to_bits), z.mapv(f32::to_bits), s.mapv(f32::to_bits))
        })
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(5));
}

#[test]
fn fused_relu_propagates_nan() {
    for outputs in [1, 16] {
        let weight = Array4::<f32>::ones((1, 1, 1, outputs));
        let bias = Array1::zeros(outputs);
        let window = Window::square(1, 1, 0);
        let packed = PackedConvolution::new(weight.view(), bias.view(), FusedActivation::Relu, window, [1, 3]);
        let x = Array4::from_shape_vec((1, 1, 3, 1), vec![f32::NAN, -1.0, 2.0]).unwrap();
        let mut y = Array4::zeros((1, 1, 3, outputs));
        packed.forward(x.view(), y.view_mut());
        assert!(y.slice(s![0, 0, 0, ..]).iter().all(|y| y.is_nan()));
        assert!(y.slice(s![0, 0, 1, ..]).iter().all(|y| *y == 0.0));
        assert!(y.slice(s![0, 0, 2, ..]).iter().all(|y| *y == 2.0));
    }
}

#[test]
fn empty_operands_are_accepted() {
    let window = Window::square(3, 1, 1);
    let packed = PackedConvolution::new(
        random::<f32, _>((3, 3, 4, 5), 1).view(),
        random(5, 2).view(),
        FusedActivation::Relu,
        window,
        [6, 6],
    );
    packed.forward(Array4::zeros((0, 6, 6, 4)).view(), Array4::zeros((0, 6, 6, 5)).view_mut());
    let window = Window { padding: [1, 2], ..window };
    for (shape, [inputs, outputs]) in [([0, 6, 6], [4, 5]), ([1, 6, 6], [4, 0]), ([1, 6, 6], [0, 5])] {
        let none = [FusedActivation::None, FusedActivation::None];
        let (pointwise, depthwise) = separable_parts::<f32>([inputs, outputs], none, window);
        let [n, height, width] = shape;
        let mut between = Array4::zeros((n, height, width, outputs));
        let x = Array4::zeros((n, height, width, inputs));
        pointwise.forward(x.view(), between.view_mut());
        let mut expected = Array4::zeros((n, height, width + 2, outputs));
        depthwise.forward(between.view(), expected.view_mut());
        let mut y = Array4::ones(expected.raw_dim());
        PackedSeparable::new(&pointwise, &depthwise).unwrap().forward(x.view(), y.view_mut());
        assert_eq!(y, expected, "{shape:?}, {inputs} to {outputs}");
    }

    // Without input channels the output is the bias.
    let window = Window::square(3, 1, 1);
    let bias = array![1.0, -2.0];
    let weight = Array4::<f32>::zeros((3, 3, 0, 2));
    let packed = PackedConvolution::new(weight.view(), bias.view(), FusedActivation::None, window, [2, 2]);
    let mut y = Array4::zeros((1, 2, 2, 2));
    packed.forward(Array4::zeros((1, 2, 2, 0)).view(), y.view_mut());
    assert_eq!(y.slice(s![0, 1, 1, ..]), bias);
}

#[test]
#[should_panic(expected = "x [1, 4, 4, 3] and weight [3, 3, 2, 8]")]
fn mismatched_channels_name_both_shapes() {
    let weight = Array4::<f32>::zeros((3, 3, 2, 8));
    let bias = Array1::zeros(8);
    let window = Window::square(3, 1, 1);
    let packed = PackedConvolution::new(weight.view(), bias.view(), FusedActivation::None, window, [4, 4]);
    packed.forward(Array4::zeros((1, 4, 4, 3)).view(), Array4::zeros((1, 4, 4, 8)).view_mut());
}

#[test]
#[should_panic(expected = "slope [3] of images with 8 channels")]
fn mismatched_slopes_name_both_shapes() {
    let weight = Array4::<f32>::zeros((1, 1, 2, 8));
    let bias = Array1::zeros(8);
    let activation = FusedActivation::PRelu(vec![0.5; 3]);
    let _ = PackedConvolution::new(weight.view(), bias.view(), activation, Window::square(1, 1, 0), [1, 1]);
}
