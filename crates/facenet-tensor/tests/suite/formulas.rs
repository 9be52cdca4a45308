//! Forward passes in `f64` against their formulas, written out index by index.

use facenet_tensor::{
    BatchNormActivation, BatchNormParameters, BatchNormStatistics, DropoutKey, LocalResponseNormParameters, Window,
    average_pool_forward, batch_norm_eval_forward, batch_norm_forward, bias_forward, channel_scale_backward_gate,
    channel_scale_forward, channels, dropout_backward, dropout_forward, flatten_forward, gated_sum,
    global_average_pool_forward, l2_normalize_forward, l2_pool_forward, local_response_norm_forward, max_pool_forward,
    maxout_forward, prelu_forward, relu_forward, scaled_sum_forward, sigmoid_forward, upsample_forward,
    zero_pad_forward,
};
use ndarray::{Array, Array1, Array2, Array4, Axis, Dimension, ShapeBuilder, array, s};
use ndarray_rand::RandomExt;
use ndarray_rand::rand_distr::Uniform;
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

fn random<D: Dimension>(shape: impl ShapeBuilder<Dim = D>, seed: u64) -> Array<f64, D> {
    Array::random_using(shape, Uniform::new(-1.0, 1.0), &mut ChaCha8Rng::seed_from_u64(seed))
}

/// Values have magnitude 1 and sums at most a few thousand terms, so rounding errors stay far below
/// the bound.
#[track_caller]
fn assert_same<D: Dimension>(left: &Array<f64, D>, right: &Array<f64, D>) {
    assert_eq!(left.shape(), right.shape());
    let difference = (left - right).iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
    assert!(difference < 1e-12 && left.iter().all(|value| value.is_finite()), "{left} and {right}: {difference:e}");
}

fn parameters<'a, T>(scale: &'a Array1<T>, shift: &'a Array1<T>, epsilon: T) -> BatchNormParameters<'a, T> {
    BatchNormParameters { scale: scale.view(), shift: shift.view(), epsilon, activation: BatchNormActivation::None }
}

/// The input elements in the window of output `(n, row, column, c)` of a pooling.
fn window_values(x: &Array4<f64>, window: Window, (n, row, column, c): (usize, usize, usize, usize)) -> Vec<f64> {
    let (_, height, width, _) = x.dim();
    let mut values = Vec::new();
    for i in 0..window.kernel[0] {
        for j in 0..window.kernel[1] {
            let h = (row * window.stride[0] + i).checked_sub(window.padding[0]);
            let w = (column * window.stride[1] + j).checked_sub(window.padding[1]);
            if let (Some(h), Some(w)) = (h, w)
                && h < height
                && w < width
            {
                values.push(x[[n, h, w, c]]);
            }
        }
    }
    values
}

/// A window and an image that it fits.
fn pooling() -> impl Strategy<Value = (Window, Array4<f64>)> {
    let side = (1..5usize, 1..4usize).prop_flat_map(|(kernel, stride)| (Just(kernel), Just(stride), 0..kernel));
    (side.clone(), side, 0..4usize, 0..6usize, 1..3usize, 1..20usize, any::<u64>()).prop_map(
        |((kh, sh, ph), (kw, sw, pw), rows, columns, n, c, seed)| {
            let window = Window { kernel: [kh, kw], stride: [sh, sw], padding: [ph, pw] };
            // Few distinct values, so that ties are common.
            (window, random((n, kh + rows, kw + columns, c), seed).mapv(|x| (x * 8.0).round() / 4.0))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn poolings((window, x) in pooling()) {
        let (n, height, width, c) = x.dim();
        let [rows, columns] = window.output([height, width]).unwrap();
        let shape = (n, rows, columns, c);
        let area = (window.kernel[0] * window.kernel[1]) as f64;
        let mut y = Array4::from_elem(shape, f64::NAN);
        max_pool_forward(x.view(), window, y.view_mut());
        assert_eq!(y, Array4::from_shape_fn(shape, |at| window_values(&x, window, at).into_iter().fold(f64::MIN, f64::max)));
        average_pool_forward(x.view(), window, y.view_mut());
        assert_same(&y, &Array4::from_shape_fn(shape, |at| window_values(&x, window, at).iter().sum::<f64>() / area));
        l2_pool_forward(x.view(), window, y.view_mut());
        let squares = |at| window_values(&x, window, at).iter().map(|x| x * x).sum::<f64>();
        assert_same(&y, &Array4::from_shape_fn(shape, |at| squares(at).sqrt()));
    }

    #[test]
    fn local_responses(
        size in 1..8usize,
        beta in prop_oneof![Just(0.75), 0.1..2.0],
        c in 1..12usize,
        seed in any::<u64>(),
    ) {
        let x = random((2, 2, 3, c), seed) * 3.0;
        let parameters = LocalResponseNormParameters { size, alpha: 0.9, beta, k: 1.25 };
        let mut y = Array4::from_elem(x.raw_dim(), f64::NAN);
        local_response_norm_forward(x.view(), parameters, y.view_mut());
        let expected = Array4::from_shape_fn(x.raw_dim(), |(n, h, w, c0)| {
            let neighbors = (0..c).filter(|&d| d + size / 2 >= c0 && d + size / 2 < c0 + size);
            let squares: f64 = neighbors.map(|d| x[[n, h, w, d]].powi(2)).sum();
            x[[n, h, w, c0]] * (1.25 + 0.9 / size as f64 * squares).powf(-beta)
        });
        assert_same(&y, &expected);
    }

    #[test]
    fn batch_statistics(n in 1..9usize, h in 1..30usize, w in 1..30usize, c in 1..6usize, seed in any::<u64>()) {
        let x = random((n, h, w, c), seed) + 5.0;
        let mut y = Array4::from_elem(x.raw_dim(), f64::NAN);
        let [mut mean, mut variance] = [f64::NAN; 2].map(|value| Array1::from_elem(c, value));
        let (scale, shift) = (random(c, 1), random(c, 2));
        let parameters = parameters(&scale, &shift, 0.01);
        batch_norm_forward(x.view(), parameters, mean.view_mut(), variance.view_mut(), y.view_mut());
        let rows = x.to_shape((n * h * w, c)).unwrap();
        assert_same(&mean, &rows.mean_axis(Axis(0)).unwrap());
        assert_same(&variance, &rows.var_axis(Axis(0), 0.0));
        let normal = (&x - &mean) / (&variance + 0.01).mapv(f64::sqrt);
        let expected = normal * &scale + &shift;
        assert_same(&y, &expected);
        let parameters = BatchNormParameters { activation: BatchNormActivation::Relu, ..parameters };
        batch_norm_forward(x.view(), parameters, mean.view_mut(), variance.view_mut(), y.view_mut());
        assert_same(&y, &expected.mapv(|y| y.max(0.0)));
    }
}

#[test]
fn batch_norm_with_given_statistics() {
    let x = random((2, 3, 5, 7), 1);
    let (scale, shift, mean, variance) = (random(7, 2), random(7, 3), random(7, 4), random(7, 5) + 2.0);
    let mut y = Array4::from_elem(x.raw_dim(), f64::NAN);
    let parameters = parameters(&scale, &shift, 1e-3);
    let statistics = BatchNormStatistics { mean: mean.view(), variance: variance.view() };
    batch_norm_eval_forward(x.view(), parameters, statistics, y.view_mut());
    let expected = (&x - &mean) / (&variance + 1e-3).mapv(f64::sqrt) * &scale + &shift;
    assert_same(&y, &expected);
    let parameters = BatchNormParameters { activation: BatchNormActivation::Relu, ..parameters };
    batch_norm_eval_forward(x.view(), parameters, statistics, y.view_mut());
    assert_same(&y, &expected.mapv(|y| y.max(0.0)));
}

/// The mean is 10,000 times the standard deviation: a mean of squares in `f32` would have no
/// correct digit of the variance.
#[test]
fn the_variance_survives_a_large_mean() {
    let x = random((8, 24, 24, 3), 1).mapv(|x| (x + 10_000.0) as f32);
    let exact = x.mapv(f64::from).to_shape((8 * 24 * 24, 3)).unwrap().var_axis(Axis(0), 0.0);
    let mut y = Array4::zeros(x.raw_dim());
    let (one, zero) = (Array1::ones(3), Array1::zeros(3));
    let (mut mean, mut variance) = (Array1::zeros(3), Array1::zeros(3));
    batch_norm_forward(x.view(), parameters(&one, &zero, 0.0), mean.view_mut(), variance.view_mut(), y.view_mut());
    for (variance, exact) in variance.iter().zip(&exact) {
        assert!((f64::from(*variance) / exact - 1.0).abs() < 1e-3, "{variance} and {exact}");
    }
}

#[test]
fn elementwise_operations() {
    let x = random((2, 3, 5, 7), 1);
    let bias = random(7, 2);
    let mut y = x.clone();
    bias_forward(bias.view(), y.view_mut());
    assert_same(&y, &(&x + &bias));
    let mut y = x.clone();
    relu_forward(y.view_mut());
    assert_same(&y, &x.mapv(|x| x.max(0.0)));
    let mut y = x.clone();
    sigmoid_forward(y.view_mut());
    assert_same(&y, &x.mapv(|x| 1.0 / (1.0 + (-x).exp())));
    for slope in [random(7, 3), array![0.25]] {
        prelu_forward(x.view(), slope.view(), y.view_mut());
        assert_same(&y, &(x.mapv(|x| x.max(0.0)) + x.mapv(|x| x.min(0.0)) * &slope));
    }
}

#[test]
fn sigmoid_does_not_overflow() {
    let mut y = Array4::from_shape_vec((1, 1, 1, 3), vec![-1e4f32, 0.0, 1e4]).unwrap();
    sigmoid_forward(y.view_mut());
    assert_eq!(y.into_raw_vec_and_offset().0, [0.0, 0.5, 1.0]);
}

#[test]
fn maxout_takes_the_maximum_of_consecutive_channels() {
    for pieces in [1, 2, 5] {
        let x = random((2, 3, 5, 7 * pieces), 1);
        let mut y = Array4::from_elem((2, 3, 5, 7), f64::NAN);
        maxout_forward(x.view(), pieces, y.view_mut());
        let expected = Array4::from_shape_fn(y.raw_dim(), |(n, h, w, c)| {
            (0..pieces).map(|p| x[[n, h, w, c * pieces + p]]).fold(f64::MIN, f64::max)
        });
        assert_eq!(y, expected);
    }
}

#[test]
fn global_averages_and_unit_rows() {
    let x = random((3, 11, 13, 5), 1);
    let mut y = Array2::from_elem((3, 5), f64::NAN);
    global_average_pool_forward(x.view(), y.view_mut());
    assert_same(&y, &x.mean_axis(Axis(1)).unwrap().mean_axis(Axis(1)).unwrap());
    let mut unit = y.clone();
    l2_normalize_forward(y.view(), unit.view_mut());
    for (unit, y) in unit.outer_iter().zip(y.outer_iter()) {
        assert_same(&unit.to_owned(), &(&y / y.dot(&y).sqrt()));
    }
}

#[test]
fn sums_and_gates() {
    let (x, branch, gate) = (random((3, 11, 13, 5), 1), random((3, 11, 13, 5), 2), random((3, 5), 3));
    let mut y = Array4::from_elem(x.raw_dim(), f64::NAN);
    scaled_sum_forward(x.view(), branch.view(), 0.17, y.view_mut());
    assert_same(&y, &(&x + &branch * 0.17));
    let expected = Array4::from_shape_fn(x.raw_dim(), |(n, h, w, c)| x[[n, h, w, c]] * gate[[n, c]]);
    channel_scale_forward(x.view(), gate.view(), y.view_mut());
    assert_same(&y, &expected);
    let transposed = gate.t().as_standard_layout().into_owned();
    y.fill(f64::NAN);
    channel_scale_forward(x.view(), transposed.t(), y.view_mut());
    assert_same(&y, &expected);
    let expected = &branch + &expected * 0.17;
    y.fill(f64::NAN);
    gated_sum(x.view(), gate.view(), 0.17, branch.view(), y.view_mut());
    assert_same(&y, &expected);
}

#[test]
fn padding_is_zero_around_the_image() {
    let x = random((2, 3, 5, 7), 1);
    for (before, [rows, columns]) in [([0, 0], [3, 5]), ([2, 1], [6, 10]), ([4, 0], [7, 6]), ([0, 3], [5, 8])] {
        let mut y = Array4::from_elem((2, rows, columns, 7), f64::NAN);
        zero_pad_forward(x.view(), before, y.view_mut());
        let expected = Array4::from_shape_fn(y.raw_dim(), |(n, h, w, c)| {
            let at = h.checked_sub(before[0]).zip(w.checked_sub(before[1]));
            at.and_then(|(h, w)| x.get([n, h, w, c])).copied().unwrap_or(0.0)
        });
        assert_eq!(y, expected, "{before:?}");
    }
}

#[test]
fn upsampling_repeats_pixels() {
    let x = random((2, 3, 5, 7), 1);
    for factor in [1, 2, 3] {
        let mut y = Array4::from_elem((2, 3 * factor, 5 * factor, 7), f64::NAN);
        upsample_forward(x.view(), factor, y.view_mut());
        let expected = Array4::from_shape_fn(y.raw_dim(), |(n, h, w, c)| x[[n, h / factor, w / factor, c]]);
        assert_eq!(y, expected, "by {factor}");
    }
}

#[test]
#[should_panic(expected = "x (1, 2, 2, 3) upsampled by 2 to y (1, 4, 3, 3)")]
fn a_mismatched_upsampled_image_names_both_shapes() {
    let x = Array4::<f32>::zeros((1, 2, 2, 3));
    upsample_forward(x.view(), 2, Array4::zeros((1, 4, 3, 3)).view_mut());
}

#[test]
fn images_become_rows() {
    let x = random((3, 4, 5, 6), 1);
    let mut y = Array2::from_elem((3, 150), f64::NAN);
    flatten_forward(x.slice(s![.., .., .., 1..5]), y.slice_mut(s![.., 20..100]));
    assert!(y.slice(s![.., ..20]).iter().chain(&y.slice(s![.., 100..])).all(|value| value.is_nan()));
    for ((n, h, w, c), value) in x.slice(s![.., .., .., 1..5]).indexed_iter() {
        assert_eq!(y[[n, 20 + (h * 5 + w) * 4 + c]], *value);
    }
}

#[test]
#[should_panic(expected = "x (1, 2, 2, 3) flattened to y (1, 11)")]
fn a_mismatched_row_names_both_shapes() {
    let x = Array4::<f32>::zeros((1, 2, 2, 3));
    flatten_forward(x.view(), Array2::zeros((1, 11)).view_mut());
}

#[test]
#[should_panic(expected = "x (1, 2, 2, 3) after [1, 2] rows and columns of y (1, 4, 3, 3)")]
fn too_small_a_padded_image_names_both_shapes() {
    let x = Array4::<f32>::zeros((1, 2, 2, 3));
    zero_pad_forward(x.view(), [1, 2], Array4::zeros((1, 4, 3, 3)).view_mut());
}

#[test]
#[should_panic(expected = "gate (2, 3) of images (1, 2, 2, 3)")]
fn a_mismatched_gate_names_both_shapes() {
    let x = Array4::<f32>::zeros((1, 2, 2, 3));
    channel_scale_forward(x.view(), Array2::zeros((2, 3)).view(), x.clone().view_mut());
}

#[test]
fn channels_are_slices() {
    let x = random((2, 3, 5, 7), 1);
    assert_eq!(channels(x.view(), 2..6), x.slice(s![.., .., .., 2..6]));
}

#[test]
#[should_panic(expected = "channels 3..8 of images [2, 3, 5, 7]")]
fn channels_out_of_range_panic() {
    channels(random((2, 3, 5, 7), 1).view(), 3..8);
}

#[test]
fn dropout_keeps_the_expected_fraction_and_redraws_the_same_mask() {
    let key = DropoutKey { seed: 1, step: 2, layer: 3 };
    let mask = |rate, key| {
        let mut y = Array4::<f64>::ones((4, 50, 50, 10));
        dropout_forward(y.view_mut(), rate, key);
        y
    };
    for rate in [0.1, 0.4, 0.9] {
        let y = mask(rate, key);
        let count = y.len() as f64;
        let kept = y.iter().filter(|y| **y != 0.0).count() as f64 / count;
        let deviation = (rate * (1.0 - rate) / count).sqrt();
        assert!((kept - (1.0 - rate)).abs() < 5.0 * deviation, "rate {rate} kept {kept}");
        assert!(y.iter().all(|y| *y == 0.0 || (*y - 1.0 / (1.0 - rate)).abs() < 1e-15));
        let mut dy = Array4::ones(y.raw_dim());
        dropout_backward(dy.view_mut(), rate, key);
        assert_eq!(y, dy);
        assert_ne!(y.slice(s![0, .., .., ..]), y.slice(s![1, .., .., ..]), "two images share a mask");
    }
    assert_eq!(mask(0.0, key), Array4::ones((4, 50, 50, 10)));
    for other in [DropoutKey { seed: 2, ..key }, DropoutKey { step: 3, ..key }, DropoutKey { layer: 4, ..key }] {
        assert_ne!(mask(0.4, key), mask(0.4, other), "{other:?}");
    }
}

#[test]
#[should_panic(expected = "dropout rate 1 is not in [0, 1)")]
fn a_dropout_rate_of_1_panics() {
    dropout_forward(Array4::<f32>::ones((1, 1, 1, 1)).view_mut(), 1.0, DropoutKey { seed: 0, step: 0, layer: 0 });
}

#[test]
#[should_panic(expected = "bias [2] of images with 3 channels")]
fn a_mismatched_bias_names_both_shapes() {
    bias_forward(Array1::zeros(2).view(), Array4::<f32>::zeros((1, 2, 2, 3)).view_mut());
}

#[test]
#[should_panic(expected = "x [1, 2, 2, 3] and y [1, 2, 3, 3]")]
fn mismatched_images_name_both_shapes() {
    let x = Array4::<f32>::zeros((1, 2, 2, 3));
    prelu_forward(x.view(), Array1::zeros(1).view(), Array4::zeros((1, 2, 3, 3)).view_mut());
}

#[test]
#[should_panic(expected = "are not contiguous")]
fn strided_channels_panic() {
    let mut y = Array4::<f32>::zeros((1, 2, 2, 6));
    relu_forward(y.slice_mut(s![.., .., .., ..;2]));
}

/// Images without pixels and batches without images: nothing to do, and no division by 0.
#[test]
fn empty_batches_are_accepted() {
    let mut y = Array4::<f32>::zeros((0, 3, 3, 4));
    let x = y.clone();
    relu_forward(y.view_mut());
    bias_forward(Array1::zeros(4).view(), y.view_mut());
    max_pool_forward(x.view(), Window::square(3, 1, 1), y.view_mut());
    let (one, mut mean, mut variance) = (Array1::ones(4), Array1::zeros(4), Array1::zeros(4));
    batch_norm_forward(x.view(), parameters(&one, &one, 0.1), mean.view_mut(), variance.view_mut(), y.view_mut());
    assert_eq!(variance, Array1::zeros(4));
    scaled_sum_forward(x.view(), x.view(), 0.5, y.view_mut());
    channel_scale_forward(x.view(), Array2::zeros((0, 4)).view(), y.view_mut());
    zero_pad_forward(x.view(), [0, 0], y.view_mut());
    let (flat, mut dgate) = (Array4::<f32>::zeros((2, 0, 3, 4)), Array2::ones((2, 4)));
    channel_scale_forward(flat.view(), dgate.view(), flat.clone().view_mut());
    channel_scale_backward_gate(flat.view(), flat.view(), dgate.view_mut());
    assert_eq!(dgate, Array2::ones((2, 4)));
    let mut padded = Array4::from_elem((2, 2, 3, 4), f32::NAN);
    zero_pad_forward(flat.view(), [1, 0], padded.view_mut());
    assert_eq!(padded, Array4::zeros((2, 2, 3, 4)));
    l2_normalize_forward(Array2::<f32>::zeros((0, 3)).view(), Array2::zeros((0, 3)).view_mut());
}
