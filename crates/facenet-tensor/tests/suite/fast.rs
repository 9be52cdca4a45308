//! Every operation in `f32`: against `f64`, on any number of threads, in any memory layout.
//!
//! (`convolution.rs` compares convolutions with their formulas, at more sizes.)

use facenet_tensor::{
    Accumulation, BatchNormActivation, BatchNormGradients, BatchNormParameters, BatchNormStatistics, DropoutKey,
    LocalResponseNormParameters, Scalar, Scratch, Window, average_pool_backward, average_pool_forward,
    batch_norm_backward, batch_norm_eval_backward, batch_norm_eval_forward, batch_norm_forward, bias_backward,
    bias_forward, channel_scale_backward_gate, channel_scale_backward_input, channel_scale_forward,
    convolution_backward_input, convolution_backward_weight, convolution_forward, depthwise_backward_input,
    depthwise_backward_weight, depthwise_forward, dropout_backward, dropout_forward, gated_sum,
    global_average_pool_backward, global_average_pool_forward, l2_normalize_backward, l2_normalize_forward,
    l2_pool_backward, l2_pool_forward, linear_backward_input, linear_backward_weight, linear_forward,
    local_response_norm_backward, local_response_norm_forward, max_pool_backward, max_pool_forward, maxout_backward,
    maxout_forward, prelu_backward, prelu_forward, relu_backward, relu_forward, scaled_sum_backward,
    scaled_sum_forward, sigmoid_backward, sigmoid_forward, upsample_backward, upsample_forward, zero_pad_backward,
    zero_pad_forward,
};
use ndarray::{Array, Array1, Array2, Array4, ArrayD, ArrayView4, ArrayViewMut4, Dimension, ShapeBuilder, s};
use ndarray_rand::RandomExt;
use ndarray_rand::rand_distr::Uniform;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// The memory layout of an image.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Layout {
    /// Contiguous.
    Dense,
    /// A channel slice of a wider image.
    Channels,
    /// A slice of the channels, rows and columns of a larger image.
    Crop,
}

/// An image in a given layout; its surroundings must stay untouched.
struct Image<T> {
    whole: Array4<T>,
    shape: [usize; 3],
    layout: Layout,
}

const OUTSIDE: f64 = 77.0;

impl<T: Scalar> Image<T> {
    fn new(image: &Array4<T>, layout: Layout) -> Self {
        let (n, h, w, c) = image.dim();
        let shape = match layout {
            Layout::Dense => (n, h, w, c),
            Layout::Channels => (n, h, w, c + 5),
            Layout::Crop => (n, h + 2, w + 3, c + 5),
        };
        let mut result = Self { whole: Array4::from_elem(shape, T::from_f64(OUTSIDE)), shape: [h, w, c], layout };
        result.view_mut().assign(image);
        result
    }

    fn view(&self) -> ArrayView4<'_, T> {
        let [h, w, c] = self.shape;
        match self.layout {
            Layout::Dense => self.whole.view(),
            Layout::Channels => self.whole.slice(s![.., .., .., 2..2 + c]),
            Layout::Crop => self.whole.slice(s![.., 1..=h, 1..=w, 2..2 + c]),
        }
    }

    fn view_mut(&mut self) -> ArrayViewMut4<'_, T> {
        let [h, w, c] = self.shape;
        match self.layout {
            Layout::Dense => self.whole.view_mut(),
            Layout::Channels => self.whole.slice_mut(s![.., .., .., 2..2 + c]),
            Layout::Crop => self.whole.slice_mut(s![.., 1..=h, 1..=w, 2..2 + c]),
        }
    }

    fn finish(mut self) -> ArrayD<T> {
        let image = self.view().to_owned().into_dyn();
        self.view_mut().fill(T::from_f64(OUTSIDE));
        assert!(self.whole.iter().all(|value| *value == T::from_f64(OUTSIDE)), "written outside {:?}", image.shape());
        image
    }
}

/// Uniform values in [-1, 1), the same in both types.
fn random<T: Scalar, D: Dimension>(shape: impl ShapeBuilder<Dim = D>, seed: u64) -> Array<T, D> {
    Array::random_using(shape, Uniform::new(-1.0f32, 1.0), &mut ChaCha8Rng::seed_from_u64(seed))
        .mapv(|value| T::from_f64(f64::from(value)))
}

/// A result and its error bound in units of `f32::EPSILON`.
///
/// One rounding changes a value of magnitude at most `m` by up to `m / 2` units, so `r` roundings
/// at magnitude at most `m` cause an error of at most about `r m` units, with a factor of 2 to
/// spare. For a long sum, `m` is the sum of the absolute values and `r` the number of additions
/// that one term passes through.
struct Outcome<T> {
    name: &'static str,
    value: ArrayD<T>,
    units: f64,
}

struct Outcomes<T> {
    layout: Layout,
    list: Vec<Outcome<T>>,
}

impl<T: Scalar> Outcomes<T> {
    fn add<D: Dimension>(&mut self, name: &'static str, value: Array<T, D>, units: f64) {
        self.list.push(Outcome { name, value: value.into_dyn(), units });
    }

    /// Runs an operation that writes or adds to one image.
    fn image(
        &mut self,
        name: &'static str,
        start: &Array4<T>,
        units: f64,
        operation: impl FnOnce(ArrayViewMut4<'_, T>),
    ) {
        let mut image = Image::new(start, self.layout);
        operation(image.view_mut());
        self.add(name, image.finish(), units);
    }
}

const BATCH: usize = 3;
const HEIGHT: usize = 33;
const WIDTH: usize = 29;
const CHANNELS: usize = 21;

/// Additions that a term of a sum over pixels passes through: in its block of 32, among the blocks
/// of its part of at least 1,024 pixels, and among the parts.
const ADDITIONS: f64 = 32.0 + 48.0 + 32.0;

fn every_operation<T: Scalar>(layout: Layout) -> Vec<Outcome<T>> {
    let shape = (BATCH, HEIGHT, WIDTH, CHANNELS);
    let pixels = (BATCH * HEIGHT * WIDTH) as f64;
    let (x, dy, start) = (random(shape, 1), random(shape, 2), random(shape, 3));
    let (x_image, dy_image) = (Image::new(&x, layout), Image::new(&dy, layout));
    let (x_view, dy_view) = (x_image.view(), dy_image.view());
    let vector = |seed| random::<T, _>(CHANNELS, seed);
    let mut outcomes = Outcomes { layout, list: Vec::new() };

    let bias = vector(4);
    outcomes.image("bias", &x, 2.0, |y| bias_forward(bias.view(), y));
    let mut dbias = vector(5);
    bias_backward(dy_view, dbias.view_mut());
    outcomes.add("dbias", dbias, ADDITIONS * pixels);

    outcomes.image("relu", &x, 0.0, |y| relu_forward(y));
    outcomes.image("relu dx", &dy, 0.0, |dx| relu_backward(x_view, dx));
    // The exponential of a value in [-1, 1] is at most e, with an error of one unit.
    outcomes.image("sigmoid", &x, 8.0, |y| sigmoid_forward(y));
    outcomes.image("sigmoid dx", &dy, 4.0, |dx| sigmoid_backward(x_view, dx));
    let key = DropoutKey { seed: 1, step: 2, layer: 3 };
    outcomes.image("dropout", &x, 4.0, |y| dropout_forward(y, 0.3, key));
    outcomes.image("dropout dx", &dy, 4.0, |dx| dropout_backward(dx, 0.3, key));

    for (slope, names) in [
        (vector(6), ["prelu", "prelu dx", "prelu dslope"]),
        (random(1, 6), ["prelu, shared", "prelu dx, shared", "prelu dslope, shared"]),
    ] {
        outcomes.image(names[0], &start, 1.0, |y| prelu_forward(x_view, slope.view(), y));
        let mut dslope = slope.clone() + T::one();
        outcomes.image(names[1], &start, 3.0, |dx| {
            prelu_backward(x_view, slope.view(), dy_view, dx, dslope.view_mut());
        });
        let terms = (CHANNELS / slope.len()) as f64;
        outcomes.add(names[2], dslope, (ADDITIONS + terms + 2.0) * pixels * terms);
    }

    let scale = T::from_f64(0.25);
    outcomes.image("scaled_sum", &start, 2.0, |y| scaled_sum_forward(x_view, dy_view, scale, y));
    for (name, accumulation) in [("scaled_sum d, set", Accumulation::Set), ("scaled_sum d, added", Accumulation::Add)] {
        outcomes.image(name, &start, 2.0, |d| scaled_sum_backward(dy_view, scale, accumulation, d));
    }

    let gate = random((BATCH, CHANNELS), 25);
    let mut dgate = random((BATCH, CHANNELS), 26);
    outcomes.image("channel_scale", &start, 1.0, |y| channel_scale_forward(x_view, gate.view(), y));
    outcomes.image("gated_sum", &start, 2.0, |y| gated_sum(x_view, gate.view(), T::from_f64(0.5), dy_view, y));
    outcomes.image("channel_scale dx", &start, 3.0, |dx| channel_scale_backward_input(gate.view(), dy_view, dx));
    channel_scale_backward_gate(x_view, dy_view, dgate.view_mut());
    outcomes.add("channel_scale dgate", dgate, (ADDITIONS + 2.0) * (HEIGHT * WIDTH) as f64);

    let padded = random((BATCH, HEIGHT + 3, WIDTH + 7, CHANNELS), 27);
    let padded_image = Image::new(&padded, layout);
    outcomes.image("zero_pad", &padded, 0.0, |y| zero_pad_forward(x_view, [1, 4], y));
    outcomes.image("zero_pad dx", &start, 2.0, |dx| zero_pad_backward(padded_image.view(), [1, 4], dx));

    let enlarged = random((BATCH, 2 * HEIGHT, 2 * WIDTH, CHANNELS), 28);
    let enlarged_image = Image::new(&enlarged, layout);
    outcomes.image("upsample", &enlarged, 0.0, |y| upsample_forward(x_view, 2, y));
    outcomes.image("upsample dx", &start, 5.0, |dx| upsample_backward(enlarged_image.view(), 2, dx));

    let pieces = random((BATCH, HEIGHT, WIDTH, 3 * CHANNELS), 7);
    let pieces_image = Image::new(&pieces, layout);
    outcomes.image("maxout", &start, 0.0, |y| maxout_forward(pieces_image.view(), 3, y));
    outcomes.image("maxout dx", &pieces, 2.0, |dx| maxout_backward(pieces_image.view(), 3, dy_view, dx));

    let epsilon = T::from_f64(f64::from(1e-3f32));
    let (scale, shift) = (vector(8), vector(9));
    let (given_mean, given_variance) = (vector(14), vector(15) + T::from_f64(1.5));
    for (activation, names, names_given) in [
        (
            BatchNormActivation::None,
            ["batch_norm", "batch_norm mean", "batch_norm variance", "batch_norm dx", "dscale", "dshift"],
            ["batch_norm_eval", "batch_norm_eval dx", "dscale", "dshift"],
        ),
        (
            BatchNormActivation::Relu,
            ["batch_norm, rectified", "mean", "variance", "batch_norm dx, rectified", "dscale", "dshift"],
            ["batch_norm_eval, rectified", "batch_norm_eval dx, rectified", "dscale", "dshift"],
        ),
    ] {
        let parameters = BatchNormParameters { scale: scale.view(), shift: shift.view(), epsilon, activation };
        let (mut mean, mut variance) = (vector(10), vector(11));
        // Standard deviations are about 0.58, so normalized values and their derivatives are below
        // 2: factors of a few units. None is so close to 0 that ReLU would treat it differently in
        // the two types.
        outcomes.image(names[0], &start, 8.0 * ADDITIONS, |y| {
            batch_norm_forward(x_view, parameters, mean.view_mut(), variance.view_mut(), y);
        });
        outcomes.add(names[1], mean.clone(), ADDITIONS);
        outcomes.add(names[2], variance.clone(), 2.0 * ADDITIONS);
        let (mut dscale, mut dshift) = (vector(12), vector(13));
        outcomes.image(names[3], &start, 16.0 * ADDITIONS, |dx| {
            let (mean, variance, dscale, dshift) = (mean.view(), variance.view(), dscale.view_mut(), dshift.view_mut());
            let statistics = BatchNormStatistics { mean, variance };
            let accumulation = Accumulation::Add;
            let gradients = BatchNormGradients { accumulation, dx: dx.reborrow(), dscale, dshift };
            batch_norm_backward(x_view, dy_view, parameters, statistics, gradients);
        });
        outcomes.add(names[4], dscale, 4.0 * ADDITIONS * pixels);
        outcomes.add(names[5], dshift, ADDITIONS * pixels);

        let statistics = BatchNormStatistics { mean: given_mean.view(), variance: given_variance.view() };
        outcomes.image(names_given[0], &start, 16.0, |y| {
            batch_norm_eval_forward(x_view, parameters, statistics, y);
        });
        let (mut dscale, mut dshift) = (vector(16), vector(17));
        outcomes.image(names_given[1], &start, 8.0, |dx| {
            let (dscale, dshift) = (dscale.view_mut(), dshift.view_mut());
            let accumulation = Accumulation::Add;
            let gradients = BatchNormGradients { accumulation, dx: dx.reborrow(), dscale, dshift };
            batch_norm_eval_backward(x_view, dy_view, parameters, statistics, gradients);
        });
        outcomes.add(names_given[2], dscale, 4.0 * ADDITIONS * pixels);
        outcomes.add(names_given[3], dshift, ADDITIONS * pixels);
    }

    for (beta, names) in
        [(0.75, ["local_response_norm", "local_response_norm dx"]), (0.6, ["local_response_norm, 0.6", "dx, 0.6"])]
    {
        let parameters = LocalResponseNormParameters { size: 5, alpha: 0.5, beta, k: 1.0 };
        outcomes.image(names[0], &start, 12.0, |y| local_response_norm_forward(x_view, parameters, y));
        outcomes.image(names[1], &start, 32.0, |dx| local_response_norm_backward(x_view, dy_view, parameters, dx));
    }

    for (window, names) in [
        (Window::square(3, 1, 1), ["max_pool, 3/1", "max_pool dx, 3/1", "average_pool", "dx", "l2_pool", "dx"]),
        (Window::square(3, 2, 1), ["max_pool, 3/2", "max_pool dx, 3/2", "average_pool", "dx", "l2_pool", "dx"]),
        (Window::square(5, 3, 0), ["max_pool, 5/3", "max_pool dx, 5/3", "average_pool", "dx", "l2_pool", "dx"]),
    ] {
        let [rows, columns] = window.output([HEIGHT, WIDTH]).unwrap();
        let out = random((BATCH, rows, columns, CHANNELS), 18);
        let out_image = Image::new(&out, layout);
        let area = (window.kernel[0] * window.kernel[1]) as f64;
        outcomes.image(names[0], &out, 0.0, |y| max_pool_forward(x_view, window, y));
        outcomes.image(names[1], &start, area * area, |dx| max_pool_backward(x_view, out_image.view(), window, dx));
        outcomes.image(names[2], &out, area + 2.0, |y| average_pool_forward(x_view, window, y));
        outcomes.image(names[3], &start, 2.0 * area, |dx| average_pool_backward(out_image.view(), window, dx));
        let mut y = out.clone();
        l2_pool_forward(x_view, window, y.view_mut());
        outcomes.add(names[4], y.clone(), area * area.sqrt());
        let y = Image::new(&y, layout);
        outcomes.image(names[5], &start, 2.0 * (area + 8.0) * area, |dx| {
            l2_pool_backward(x_view, y.view(), out_image.view(), window, dx);
        });
    }

    let mut y = random((BATCH, CHANNELS), 19);
    outcomes.image("global_average_pool dx", &start, 3.0, |dx| global_average_pool_backward(y.view(), dx));
    global_average_pool_forward(x_view, y.view_mut());
    outcomes.add("global_average_pool", y, ADDITIONS);

    products(&mut outcomes, &x_view, &dy_view);
    outcomes.list
}

/// Matrix products and operations on rows.
fn products<T: Scalar>(outcomes: &mut Outcomes<T>, x: &ArrayView4<'_, T>, dy: &ArrayView4<'_, T>) {
    let window = Window::square(3, 2, 1);
    let [rows, columns] = window.output([HEIGHT, WIDTH]).unwrap();
    let terms = (9 * CHANNELS) as f64;
    let pixels = (BATCH * rows * columns) as f64;
    let mut scratch = Scratch::default();
    let start = random((BATCH, HEIGHT, WIDTH, CHANNELS), 3);
    let out = random((BATCH, rows, columns, CHANNELS), 20);
    let out_image = Image::new(&out, outcomes.layout);
    let weight = random((3, 3, CHANNELS, CHANNELS), 21);
    outcomes.image("convolution", &out, terms * terms, |y| {
        convolution_forward(*x, weight.view(), window, y, &mut scratch);
    });
    outcomes.image("convolution dx", &start, terms * terms, |dx| {
        convolution_backward_input(out_image.view(), weight.view(), window, Accumulation::Add, dx, &mut scratch);
    });
    let mut dweight: Array4<T> = random(weight.raw_dim(), 22);
    convolution_backward_weight(*x, out_image.view(), window, dweight.view_mut(), &mut scratch);
    outcomes.add("convolution dweight", dweight, pixels * pixels);

    let weight = random((3, 3, CHANNELS), 23);
    outcomes.image("depthwise", &out, 81.0, |y| depthwise_forward(*x, weight.view(), window, y));
    outcomes.image("depthwise dx", &start, 100.0, |dx| {
        depthwise_backward_input(out_image.view(), weight.view(), window, dx);
    });
    let mut dweight = weight.clone();
    depthwise_backward_weight(*x, out_image.view(), window, dweight.view_mut());
    outcomes.add("depthwise dweight", dweight, pixels * pixels);

    let row_matrix =
        |image: &ArrayView4<'_, T>| image.to_owned().into_shape_with_order((BATCH * HEIGHT, WIDTH * CHANNELS)).unwrap();
    let (x, dy) = (row_matrix(x), row_matrix(dy));
    let (n, inputs) = x.dim();
    let weight: Array2<T> = random((inputs, 37), 24);
    let dy_narrow = dy.slice(s![.., ..37]).to_owned();
    let mut y = dy_narrow.clone();
    linear_forward(x.view(), weight.view(), y.view_mut(), &mut scratch);
    outcomes.add("linear", y, (inputs * inputs) as f64);
    let mut dx = x.clone();
    linear_backward_input(dy_narrow.view(), weight.view(), Accumulation::Add, dx.view_mut(), &mut scratch);
    outcomes.add("linear dx", dx, 38.0 * 38.0);
    let mut dweight = weight.clone();
    linear_backward_weight(x.view(), dy_narrow.view(), dweight.view_mut(), &mut scratch);
    outcomes.add("linear dweight", dweight, ((n + 1) * (n + 1)) as f64);

    // Rows of 609 elements have norms of about 14.
    let mut y = x.clone();
    l2_normalize_forward(x.view(), y.view_mut());
    outcomes.add("l2_normalize", y.clone(), 1.0);
    let mut dx = x.clone();
    l2_normalize_backward(x.view(), y.view(), dy.view(), dx.view_mut());
    outcomes.add("l2_normalize dx", dx, 4.0);
}

#[test]
fn single_precision_agrees_with_double_precision() {
    let single = every_operation::<f32>(Layout::Dense);
    let double = every_operation::<f64>(Layout::Dense);
    for (single, double) in single.iter().zip(&double) {
        let bound = single.units * f64::from(f32::EPSILON);
        let error = single
            .value
            .iter()
            .zip(&double.value)
            .fold(0.0, |largest: f64, (single, double)| largest.max((f64::from(*single) - double).abs()));
        assert!(error <= bound && single.value.iter().all(|v| v.is_finite()), "{}: {error:e} > {bound:e}", single.name);
    }
}

#[test]
fn any_number_of_threads_computes_the_same_bits() {
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| every_operation::<f32>(Layout::Dense))
    };
    let one = run(1);
    for threads in [2, 5] {
        assert_same_bits(&one, &run(threads), &format!("on 1 and on {threads} threads"));
    }
}

#[test]
fn any_layout_computes_the_same_bits() {
    let dense = every_operation::<f32>(Layout::Dense);
    for layout in [Layout::Channels, Layout::Crop] {
        assert_same_bits(&dense, &every_operation::<f32>(layout), &format!("as {layout:?}"));
    }
}

#[track_caller]
fn assert_same_bits(left: &[Outcome<f32>], right: &[Outcome<f32>], case: &str) {
    for (left, right) in left.iter().zip(right) {
        assert_eq!(left.value.mapv(f32::to_bits), right.value.mapv(f32::to_bits), "{} {case}", left.name);
    }
}

/// With this many pixels a naive running sum in `f32` would stop growing.
#[test]
fn long_sums_stay_exact() {
    let dy = Array4::<f32>::ones((5, 2048, 2048, 1));
    let mut dbias = Array1::zeros(1);
    bias_backward(dy.view(), dbias.view_mut());
    assert_eq!(dbias[0], (5 * 2048 * 2048) as f32);
}
