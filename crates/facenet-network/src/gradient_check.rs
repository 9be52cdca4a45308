//! Gradient checks of a whole network against central differences.

use facenet_tensor::{GRADIENT_BOUND, GradientCheck, central_difference, relative_error};
use ndarray::{Array, Array2, Array4, ArrayView1, Dimension, ShapeBuilder};
use ndarray_rand::RandomExt;
use ndarray_rand::rand::SeedableRng;
use ndarray_rand::rand_distr::Uniform;
use rand_chacha::ChaCha8Rng;

use crate::description::Description;
use crate::execution::mode::Mode;
use crate::execution::workspace::Workspace;
use crate::initializer::Initializer;
use crate::network::Network;
use crate::parameters::Parameters;

/// A network of a few hundred parameters with every kind of layer, normalization and activation.
const EVERY_LAYER: &str = r#"
name = "every_layer"
input = [11, 13]
embedding = 5
embedding_normalization = "batch_norm"
layers = [
    { layer = "convolution", name = "conv1", kernel = 3, stride = 2, padding = 1, channels = 4 },
    { layer = "local_response_norm", size = 3, alpha = 0.5, beta = 0.75, k = 1.0 },
    { layer = "depthwise", name = "depthwise2", kernel = 3, padding = 1, normalization = "bias", activation = "prelu" },
    { layer = "pool", kind = "average", kernel = 2 },
    { layer = "convolution", name = "conv3", kernel = [1, 3], padding = [0, 1], channels = 6, normalization = "none", activation = "none" },
    { layer = "maxout", pieces = 2 },
    { layer = "residual", name = "residual4", repeat = 2, scale = 0.3, activation = "prelu_shared", layers = [
        { layer = "branches", branches = [
            [{ layer = "convolution", name = "left", kernel = [3, 1], padding = [1, 0], channels = 2 }],
            [{ layer = "pool", kind = "max", kernel = 3 }, { layer = "zero_pad", size = [5, 6] }],
            [],
            [{ layer = "branches", name = "inner", branches = [
                [{ layer = "dropout", rate = 0.3 }],
                [{ layer = "convolution", name = "sloped", kernel = 1, channels = 2, activation = "prelu" }],
                [{ layer = "squeeze_excitation", name = "gate", channels = 2 }],
                [{ layer = "residual", name = "sum", scale = -0.5, layers = [{ layer = "pool", kind = "average", kernel = 3, padding = 1 }] }],
            ] }],
        ] },
        { layer = "convolution", name = "project", kernel = 1, channels = 3, normalization = "bias", activation = "none" },
        { layer = "squeeze_excitation", name = "gate", channels = 2, activation = "prelu" },
    ] },
    { layer = "inception", name = "inception5", branch_1x1 = 2, branch_3x3 = [2, 3], branch_5x5 = [2, 2], branch_pool = { kind = "l2", projection = 2, stride = 2, padding = 0 } },
    { layer = "dropout", rate = 0.3 },
    { layer = "inception", name = "inception6", stride = 2, branch_3x3 = [2, 3], branch_pool = { kind = "max" }, normalization = "bias", activation = "sigmoid" },
    { layer = "fully_connected", name = "full7", channels = 6, activation = "prelu" },
    { layer = "global_average_pool" },
]
"#;

/// A feature pyramid with an output at each of its two scales. Layers are read by several others, and a
/// sum by its own successor.
const FEATURE_PYRAMID: &str = r#"
name = "feature_pyramid"
input = [8, 12]
layers = [
    { layer = "block", name = "fine", layers = [
        { layer = "convolution", name = "stem", kernel = 3, stride = 2, padding = 1, channels = 4 },
        { layer = "separable", name = "unit", channels = 3 },
    ] },
    { layer = "pool", kind = "max", kernel = 2, stride = 2 },
    { layer = "convolution", name = "coarse", kernel = 1, channels = 3, normalization = "bias", activation = "none" },
    { layer = "sum", with = "coarse" },
    { layer = "upsample", factor = 2 },
    { layer = "sum", with = "fine" },
    { layer = "separable", name = "lateral", channels = 3, kernel = 1, activation = "prelu" },
]

[[outputs]]
name = "coarse_output"
from = "coarse"
layers = [{ layer = "branches", branches = [
    [{ layer = "separable", name = "score", channels = 1, normalization = "bias", activation = "sigmoid" }],
    [{ layer = "separable", name = "box", channels = 2, normalization = "none", activation = "none" }],
] }]

[[outputs]]
name = "fine_output"
from = "lateral"
layers = []
"#;

/// Checks the gradient of every parameter of networks with all kinds of layers in `f64`, in training and
/// with running statistics.
pub fn network_gradient_checks() -> Vec<GradientCheck> {
    [EVERY_LAYER, FEATURE_PYRAMID].into_iter().flat_map(checks).collect()
}

fn checks(description: &str) -> Vec<GradientCheck> {
    let description = Description::from_toml(description).expect("a valid description");
    let mut network: Network<f64> = Network::new(description, Initializer::HeNormal, 3).expect("a valid network");
    // Move away from the initial values, at which shifts, slopes and running statistics have no
    // effect.
    for (parameters, seed) in [(&mut network.parameters, 4), (&mut network.statistics, 5)] {
        let shift = random(parameters.values.len(), seed);
        parameters.values.iter_mut().zip(&shift).for_each(|(value, shift)| *value += 0.2 * shift);
    }
    let [height, width] = network.plan().input_size();
    let x: Array4<f64> = random((3, height, width, 3), 6);
    let dembeddings: Array2<f64> = random((3, network.plan().dimension()), 7);
    [("training", Mode::Train { seed: 1, step: 2 }), ("running statistics", Mode::Eval)]
        .into_iter()
        .map(|(case, mode)| {
            let mut workspace = Workspace::new(network.plan());
            let mut gradients = Parameters::zeros(network.plan().parameters());
            network.forward(x.view(), mode, &mut workspace);
            network.backward(dembeddings.view(), &mut workspace, &mut gradients);
            let mut probe = network.clone();
            let expected = central_difference(ArrayView1::from(&network.parameters.values), |values| {
                probe.parameters.values.copy_from_slice(values.as_slice().expect("standard layout"));
                (&probe.forward(x.view(), mode, &mut workspace) * &dembeddings).sum()
            });
            GradientCheck {
                operation: "network",
                gradient: "dparameters",
                case: format!("{} of {} parameters, {case}", network.description().name, expected.len()),
                relative_error: relative_error(ArrayView1::from(&gradients.values), expected.view()),
                bound: GRADIENT_BOUND,
            }
        })
        .collect()
}

/// Uniform in [-1, 1).
fn random<D: Dimension>(shape: impl ShapeBuilder<Dim = D>, seed: u64) -> Array<f64, D> {
    Array::random_using(shape, Uniform::new(-1.0, 1.0), &mut ChaCha8Rng::seed_from_u64(seed))
}
