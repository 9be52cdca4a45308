//! Frozen networks against the networks they were frozen from.

use facenet_network::{
    DETECTOR, Description, FrozenNetwork, Initializer, LANDMARK_NETWORK, Mode, NETWORKS, Network, NormalizationScheme,
    Workspace, built_in,
};
use facenet_tensor::Scalar;
use ndarray::{Array2, Array4, Axis, s};
use ndarray_rand::RandomExt;
use ndarray_rand::rand::SeedableRng;
use ndarray_rand::rand_distr::Uniform;
use rand_chacha::ChaCha8Rng;

/// A network away from its initial parameters, at which shifts, slopes and running statistics have
/// no effect.
fn network(description: Description) -> Network<f32> {
    let mut network: Network<f32> = Network::new(description, Initializer::HeNormal, 3).unwrap();
    for (parameters, seed) in [(&mut network.parameters, 4), (&mut network.statistics, 5)] {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        for index in 0..parameters.table().entries().len() {
            if parameters.table().entries()[index].name.ends_with(".weight") {
                continue;
            }
            let values = parameters.entry_mut(index);
            let shift = Array2::random_using((1, values.len()), Uniform::new(-0.2f32, 0.2), &mut random);
            values.iter_mut().zip(&shift).for_each(|(value, shift)| *value += shift);
        }
    }
    network
}

fn faces<T: Scalar>(description: &Description, batch: usize) -> Array4<T> {
    let [height, width] = description.input;
    let uniform = Uniform::new(-1.5, 1.5);
    Array4::random_using((batch, height, width, 3), uniform, &mut ChaCha8Rng::seed_from_u64(1)).mapv(T::from_f64)
}

/// The largest difference between two sets of embeddings, whose rows have length 1.
fn largest_difference<T: Scalar>(one: &Array2<T>, other: &Array2<T>) -> f64 {
    let differences = one.iter().zip(other).map(|(one, other)| (Scalar::to_f64(*one) - Scalar::to_f64(*other)).abs());
    differences.fold(0.0, f64::max)
}

fn trainable<T: Scalar>(network: &Network<T>, x: &Array4<T>) -> Array2<T> {
    network.forward(x.view(), Mode::Eval, &mut Workspace::new(network.plan())).to_owned()
}

#[test]
fn frozen_networks_give_the_same_embeddings() {
    let batch_norm = ["nn2", "nn4"].map(|name| built_in(name).unwrap().with_normalization(NormalizationScheme::Batch));
    let descriptions = NETWORKS.iter().map(|name| built_in(name).unwrap()).chain(batch_norm.map(Result::unwrap));
    for description in descriptions {
        let network = network(description);
        let x = faces(network.description(), 2);
        let frozen = FrozenNetwork::new(&network);
        let expected = trainable(&network, &x);
        let embeddings = frozen.forward(x.view(), &mut frozen.workspace()).to_owned();
        let difference = largest_difference(&embeddings, &expected);
        let name = &network.description().name;
        println!(
            "{name}: {difference:e}, {} of {} activations",
            frozen.activation_count(),
            network.plan().activation_count()
        );
        assert!(embeddings.iter().all(|value| value.is_finite()) && difference < 1e-5, "{name}: {difference}");
        assert!(
            largest_difference(&expected, &expected.slice(s![..;-1, ..]).to_owned()) > 1e-3,
            "{name} tells faces apart"
        );
        assert!(frozen.activation_count() < network.plan().activation_count() / 2, "{name} shares memory");
    }
}

const EVERY_LAYER: &str = r#"
name = "every_layer"
input = [13, 15]
embedding = 5
embedding_normalization = "batch_norm"
layers = [
    { layer = "convolution", name = "conv1", kernel = [3, 1], stride = [1, 2], padding = [1, 0], channels = 4, activation = "prelu_shared" },
    { layer = "local_response_norm", size = 3, alpha = 0.5, beta = 0.75, k = 1.0 },
    { layer = "dropout", rate = 0.5 },
    { layer = "depthwise", name = "depthwise2", kernel = 3, padding = 1, normalization = "bias", activation = "prelu" },
    { layer = "branches", branches = [
        [],
        [{ layer = "dropout", rate = 0.5 }],
        [{ layer = "pool", kind = "average", kernel = 3, stride = 2 }, { layer = "zero_pad", size = [13, 8] }],
        [{ layer = "residual", name = "inner", layers = [{ layer = "squeeze_excitation", name = "gate", channels = 3 }] }],
    ] },
    { layer = "convolution", name = "conv3", kernel = 1, channels = 6, normalization = "none", activation = "sigmoid" },
    { layer = "maxout", pieces = 2 },
    { layer = "inception", name = "inception4", branch_1x1 = 2, branch_3x3 = [2, 3], branch_5x5 = [2, 2], branch_pool = { kind = "l2", projection = 2, stride = 3, padding = 0 } },
    { layer = "residual", name = "residual5", repeat = 2, scale = 0.5, activation = "prelu", layers = [
        { layer = "depthwise", name = "depthwise", kernel = 3, padding = 1, activation = "none" },
    ] },
    { layer = "fully_connected", name = "full6", channels = 6, activation = "prelu" },
    { layer = "branches", name = "heads", branches = [
        [{ layer = "fully_connected", name = "left", channels = 3 }],
        [{ layer = "fully_connected", name = "right", channels = 2, normalization = "none", activation = "none" }],
    ] },
]
"#;

#[test]
fn every_kind_of_layer_freezes_in_f64() {
    let network = network(Description::from_toml(EVERY_LAYER).unwrap()).cast::<f64>();
    let x = faces(network.description(), 3);
    let frozen = FrozenNetwork::new(&network);
    let embeddings = frozen.forward(x.view(), &mut frozen.workspace()).to_owned();
    let difference = largest_difference(&embeddings, &trainable(&network, &x));
    assert!(difference < 1e-14, "{difference}");
}

#[test]
fn networks_without_embeddings_freeze() {
    let openface = built_in("openface_nn4_small2_v1").unwrap();
    let detector = built_in(DETECTOR).unwrap().with_input([64, 96]);
    for description in
        [openface.truncated_after("inception_3b").unwrap(), built_in(LANDMARK_NETWORK).unwrap(), detector]
    {
        let network = network(description).cast::<f64>();
        let x = faces(network.description(), 2);
        let frozen = FrozenNetwork::new(&network);
        let expected = trainable(&network, &x);
        let found = frozen.forward(x.view(), &mut frozen.workspace()).to_owned();
        let largest = expected.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
        assert!(
            largest.is_finite() && largest_difference(&found, &expected) < 1e-13 * largest,
            "{}",
            network.description().name
        );
        assert!(largest_difference(&expected, &expected.slice(s![..;-1, ..]).to_owned()) > 1e-3 * largest);
    }
}

/// Convolutions whose results are read by a later layer as well as by the sum that follows them.
#[test]
fn layers_that_are_read_twice_freeze() {
    let text = r#"
        name = "read_twice"
        input = [8, 8]
        normalization = "bias"
        layers = [
            { layer = "convolution", name = "first", kernel = 1, channels = 4, activation = "none" },
            { layer = "convolution", name = "second", kernel = 3, padding = 1, channels = 4, activation = "none" },
            { layer = "sum", with = "first" },
            { layer = "sum", with = "second" },
            { layer = "squeeze_excitation", name = "gate", channels = 2 },
            { layer = "sum", with = "first" },
            { layer = "sum", with = "gate" },
        ]
        [[outputs]]
        name = "second_output"
        from = "second"
        layers = []
        [[outputs]]
        name = "gate_output"
        from = "gate"
        layers = [{ layer = "upsample", factor = 2 }]
    "#;
    let network = network(Description::from_toml(text).unwrap()).cast::<f64>();
    let x = faces(network.description(), 9);
    let frozen = FrozenNetwork::new(&network);
    let found = frozen.forward(x.view(), &mut frozen.workspace()).to_owned();
    let difference = largest_difference(&found, &trainable(&network, &x));
    assert!(difference < 1e-13, "{difference}");
}

/// Pairs of convolutions, and their pooling, whose results between them are read by a later layer.
#[test]
fn separable_convolutions_that_are_read_within_freeze() {
    let text = r#"
        name = "read_within"
        input = [8, 10]
        normalization = "bias"
        layers = [
            { layer = "convolution", name = "first", kernel = 1, channels = 4 },
            { layer = "depthwise", name = "depthwise", kernel = 3, padding = 1 },
            { layer = "sum", with = "first" },
            { layer = "separable", name = "pooled", channels = 5 },
            { layer = "pool", kind = "max", kernel = 2, stride = 2 },
            { layer = "upsample", factor = 2 },
            { layer = "sum", with = "pooled" },
            { layer = "separable", name = "joined", channels = 3 },
            { layer = "pool", kind = "max", kernel = 2, stride = 2 },
        ]
    "#;
    let network = network(Description::from_toml(text).unwrap()).cast::<f64>();
    let x = faces(network.description(), 5);
    let frozen = FrozenNetwork::new(&network);
    let expected = trainable(&network, &x);
    let mut operations = 0;
    let mut workspace = frozen.workspace();
    let found = frozen.forward_observed(x.view(), &mut workspace, &mut |_| operations += 1).to_owned();
    assert!(largest_difference(&found, &expected) < 1e-13);
    // Two chunks of: first, depthwise, sum, pooled, pool, upsample, sum, joined with its pool.
    assert_eq!(operations % 8, 0, "{operations} operations");
    let in_place = frozen.forward(x.view().slice(s![.., .., .., ..;-1]), &mut workspace).to_owned();
    let reversed = x.slice(s![.., .., .., ..;-1]).to_owned();
    assert_eq!(in_place, frozen.forward(reversed.view(), &mut workspace), "channels in memory in another order");
}

#[test]
fn a_workspace_serves_batches_of_any_size() {
    let network = network(built_in("nns2").unwrap());
    let frozen = FrozenNetwork::new(&network);
    // More faces than one chunk.
    let x = faces(network.description(), 19);
    let mut workspace = frozen.workspace();
    let all = frozen.forward(x.view(), &mut workspace).to_owned();
    for (row, face) in x.axis_chunks_iter(Axis(0), 1).enumerate() {
        assert_eq!(frozen.forward(face, &mut workspace).row(0), all.row(row), "alone and in a batch");
    }
    assert_eq!(frozen.forward(x.view(), &mut workspace), all);
    let none = faces(network.description(), 0);
    assert_eq!(frozen.forward(none.view(), &mut workspace).shape(), [0, all.ncols()]);
}

#[test]
#[should_panic(expected = "the workspace was made for another network")]
fn a_workspace_of_another_network_panics() {
    let [nn4, nns2] = ["nn4_small2", "nns2"].map(|name| FrozenNetwork::new(&network(built_in(name).unwrap())));
    nns2.forward(faces(nns2.description(), 1).view(), &mut nn4.workspace());
}
