//! Batch normalization with ReLU in the same pass against the two operations in sequence, bit by
//! bit.

use facenet_tensor::{
    Accumulation, BatchNormActivation, BatchNormGradients, BatchNormParameters, BatchNormStatistics, Scalar,
    batch_norm_backward, batch_norm_eval_backward, batch_norm_eval_forward, batch_norm_forward, channels, channels_mut,
    relu_backward, relu_forward,
};
use ndarray::{Array, Array1, Array4, ArrayView4, Dimension, ShapeBuilder};
use ndarray_rand::RandomExt;
use ndarray_rand::rand_distr::Uniform;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// Guard channels on either side of the image.
const MARGIN: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Statistics {
    Batch,
    Given,
}

fn random<T: Scalar, D: Dimension>(shape: impl ShapeBuilder<Dim = D>, seed: u64) -> Array<T, D> {
    Array::random_using(shape, Uniform::new(-1.0, 1.0), &mut ChaCha8Rng::seed_from_u64(seed)).mapv(T::from_f64)
}

fn bits<T: Scalar, D: Dimension>(values: &Array<T, D>) -> Array<u64, D> {
    values.mapv(|value| Scalar::to_f64(value).to_bits())
}

/// Operands that are channel slices of wider images.
struct Case<T> {
    x: Array4<T>,
    dy: Array4<T>,
    /// What the input gradient is added to.
    dx: Array4<T>,
    scale: Array1<T>,
    shift: Array1<T>,
    statistics: Statistics,
    count: usize,
}

impl<T: Scalar> Case<T> {
    fn new([n, height, width, count]: [usize; 4], statistics: Statistics) -> Self {
        let shape = [n, height, width, count + 2 * MARGIN];
        let [x, dy, dx] = [1, 2, 3].map(|seed| random(shape, seed));
        let (mut scale, mut shift) = (random(count, 4), random(count, 5));
        // One channel is 0, negative or positive throughout; the others are mixed.
        let constant = count / 2;
        scale[constant] = T::zero();
        shift[constant] = [T::zero(), -T::one(), T::one()][count % 3];
        Self { x, dy, dx, scale, shift, statistics, count }
    }

    fn parameters(&self, activation: BatchNormActivation) -> BatchNormParameters<'_, T> {
        let epsilon = T::from_f64(1e-3);
        BatchNormParameters { scale: self.scale.view(), shift: self.shift.view(), epsilon, activation }
    }

    fn view<'a>(&self, wide: &'a Array4<T>) -> ArrayView4<'a, T> {
        channels(wide.view(), MARGIN..MARGIN + self.count)
    }

    /// The output inside its wider image, and the mean and variance used.
    fn forward(&self, activation: BatchNormActivation) -> (Array4<T>, [Array1<T>; 2]) {
        let mut wide = self.dx.clone();
        let y = channels_mut(wide.view_mut(), MARGIN..MARGIN + self.count);
        let (mut mean, mut variance) = (random(self.count, 6), random(self.count, 7) + T::from_f64(1.5));
        let (x, parameters) = (self.view(&self.x), self.parameters(activation));
        match self.statistics {
            Statistics::Batch => batch_norm_forward(x, parameters, mean.view_mut(), variance.view_mut(), y),
            Statistics::Given => {
                let statistics = BatchNormStatistics { mean: mean.view(), variance: variance.view() };
                batch_norm_eval_forward(x, parameters, statistics, y);
            }
        }
        (wide, [mean, variance])
    }

    /// The gradients at `x` (inside its wider image), at the scale and at the shift, given the
    /// gradient at the output.
    fn backward(
        &self,
        activation: BatchNormActivation,
        dy: &Array4<T>,
        [mean, variance]: &[Array1<T>; 2],
        accumulation: Accumulation,
        start: &Array4<T>,
    ) -> (Array4<T>, [Array1<T>; 2]) {
        let mut wide = start.clone();
        let dx = channels_mut(wide.view_mut(), MARGIN..MARGIN + self.count);
        let [mut dscale, mut dshift] = [8, 9].map(|seed| random(self.count, seed));
        let backward = match self.statistics {
            Statistics::Batch => batch_norm_backward,
            Statistics::Given => batch_norm_eval_backward,
        };
        backward(
            self.view(&self.x),
            self.view(dy),
            self.parameters(activation),
            BatchNormStatistics { mean: mean.view(), variance: variance.view() },
            BatchNormGradients { accumulation, dx, dscale: dscale.view_mut(), dshift: dshift.view_mut() },
        );
        (wide, [dscale, dshift])
    }

    fn check(&self, name: &str) {
        let (y, statistics) = self.forward(BatchNormActivation::Relu);
        let (mut expected, expected_statistics) = self.forward(BatchNormActivation::None);
        relu_forward(channels_mut(expected.view_mut(), MARGIN..MARGIN + self.count));
        assert_eq!(bits(&y), bits(&expected), "y, {name}");
        assert_eq!(statistics.each_ref().map(bits), expected_statistics.each_ref().map(bits), "statistics, {name}");

        let mut dz = self.dy.clone();
        relu_backward(self.view(&y), channels_mut(dz.view_mut(), MARGIN..MARGIN + self.count));
        assert_ne!(dz, self.dy, "ReLU has no effect, {name}");
        let (none, relu) = (BatchNormActivation::None, BatchNormActivation::Relu);
        for accumulation in [Accumulation::Set, Accumulation::Add] {
            let (dx, sums) = self.backward(relu, &self.dy, &statistics, accumulation, &self.dx);
            let (expected_dx, expected_sums) = self.backward(none, &dz, &statistics, accumulation, &self.dx);
            assert_eq!(bits(&dx), bits(&expected_dx), "dx, {accumulation:?}, {name}");
            assert_eq!(sums.each_ref().map(bits), expected_sums.each_ref().map(bits), "sums, {accumulation:?}, {name}");
        }

        // Setting equals adding to zeros, whatever was there before.
        for activation in [none, relu] {
            let set = |start| self.backward(activation, &self.dy, &statistics, Accumulation::Set, start).0;
            let mut zeros = self.dx.clone();
            channels_mut(zeros.view_mut(), MARGIN..MARGIN + self.count).fill(T::zero());
            let added = self.backward(activation, &self.dy, &statistics, Accumulation::Add, &zeros).0;
            assert_eq!(set(&self.dx), added, "{activation:?}, {name}");
            let mut poisoned = self.dx.clone();
            channels_mut(poisoned.view_mut(), MARGIN..MARGIN + self.count).fill(T::from_f64(f64::NAN));
            assert_eq!(set(&poisoned), added, "{activation:?}, {name}");
        }
    }
}

#[test]
fn fused_relu_computes_the_same_bits_as_a_separate_pass() {
    for statistics in [Statistics::Batch, Statistics::Given] {
        for count in [1, 2, 3, 7, 15, 16, 17, 31, 64, 77] {
            for [n, height, width] in [[2, 5, 3], [3, 29, 31]] {
                let shape = [n, height, width, count];
                Case::<f32>::new(shape, statistics).check(&format!("f32, {shape:?}, {statistics:?}"));
                Case::<f64>::new(shape, statistics).check(&format!("f64, {shape:?}, {statistics:?}"));
            }
        }
    }
}

/// The derivative of ReLU at 0 is taken as 0, as in [`relu_backward`].
#[test]
fn an_output_of_0_has_gradient_0() {
    let (x, dy) = (random::<f32, _>((2, 3, 3, 5), 1), random((2, 3, 3, 5), 2));
    let zero = Array1::zeros(5);
    let activation = BatchNormActivation::Relu;
    let parameters = BatchNormParameters { scale: zero.view(), shift: zero.view(), epsilon: 1e-3, activation };
    let (mean, variance) = (Array1::zeros(5), Array1::ones(5));
    let (mut dscale, mut dshift) = (zero.clone(), zero.clone());
    batch_norm_eval_backward(
        x.view(),
        dy.view(),
        parameters,
        BatchNormStatistics { mean: mean.view(), variance: variance.view() },
        BatchNormGradients {
            accumulation: Accumulation::Set,
            dx: Array4::zeros(x.raw_dim()).view_mut(),
            dscale: dscale.view_mut(),
            dshift: dshift.view_mut(),
        },
    );
    assert_eq!([dscale, dshift], [zero.clone(), zero]);
}
