//! Whole networks: precision, threads, batches, modes.

use facenet_network::{DETECTOR, Description, Initializer, Mode, Network, Parameters, Workspace, built_in};
use facenet_tensor::Scalar;
use ndarray::{Array2, Array4, ArrayView4, Axis, s};
use ndarray_rand::RandomExt;
use ndarray_rand::rand::SeedableRng;
use ndarray_rand::rand_distr::Uniform;
use rand_chacha::ChaCha8Rng;

/// A compact inception network for smaller faces, so that the naive operations take seconds.
fn small() -> Description {
    Description { input: [33, 31], ..built_in("compact_inception").unwrap() }
}

fn network() -> Network<f32> {
    Network::new(small(), Initializer::HeNormal, 5).unwrap()
}

fn faces(batch: usize) -> Array4<f32> {
    Array4::random_using((batch, 33, 31, 3), Uniform::new(-1.5, 1.5), &mut ChaCha8Rng::seed_from_u64(1))
}

const TRAIN: Mode = Mode::Train { seed: 3, step: 4 };

fn gradients<T: Scalar>(network: &Network<T>, x: ArrayView4<'_, T>, mode: Mode) -> (Array2<T>, Parameters<T>) {
    gradients_in(network, x, mode, &mut Workspace::new(network.plan()))
}

fn gradients_in<T: Scalar>(
    network: &Network<T>,
    x: ArrayView4<'_, T>,
    mode: Mode,
    workspace: &mut Workspace<T>,
) -> (Array2<T>, Parameters<T>) {
    let mut gradients = Parameters::zeros(network.plan().parameters());
    let embeddings = network.forward(x, mode, workspace).to_owned();
    let dembeddings = Array2::from_shape_fn(embeddings.raw_dim(), |(row, column)| {
        T::from_f64(((row * 7 + column * 3) % 11) as f64 / 11.0 - 0.4)
    });
    network.backward(dembeddings.view(), workspace, &mut gradients);
    (embeddings, gradients)
}

#[test]
fn f32_agrees_with_f64_entry_by_entry() {
    let (network, x) = (network(), faces(4));
    for mode in [TRAIN, Mode::Eval] {
        let (embeddings, fast) = gradients(&network, x.view(), mode);
        let (exact, naive) = gradients(&network.cast::<f64>(), x.mapv(f64::from).view(), mode);
        let difference = embeddings.iter().zip(&exact).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
        assert!(difference < 1e-5, "{mode:?}: embeddings differ by {difference}");
        for (index, entry) in fast.table().entries().iter().enumerate() {
            let norm = |values: &[f64]| values.iter().map(|value| value * value).sum::<f64>().sqrt();
            let differences: Vec<f64> =
                fast.entry(index).iter().zip(naive.entry(index)).map(|(a, b)| f64::from(*a) - b).collect();
            let error = norm(&differences) / norm(naive.entry(index)).max(1e-6);
            // Winograd convolutions have larger rounding errors than direct sums, and a ReLU whose
            // input is nearly 0 may be active in one precision and inactive in the other.
            assert!(error < 3e-3, "{mode:?}: the gradient of {} is off by {error}", entry.name);
        }
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let (network, x) = (network(), faces(9));
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| gradients(&network, x.view(), TRAIN))
    };
    let one = on(1);
    assert_eq!(one, on(2));
    assert_eq!(one, on(5));
}

#[test]
fn embeddings_have_unit_length_and_depend_on_their_own_face_only() {
    let (network, x) = (network(), faces(7));
    let mut workspace = Workspace::new(network.plan());
    let together = network.forward(x.view(), Mode::Eval, &mut workspace).to_owned();
    for row in together.outer_iter() {
        assert!((row.dot(&row) - 1.0).abs() < 1e-5);
    }
    for face in 0..7 {
        let alone = network.forward(x.slice(s![face..=face, .., .., ..]), Mode::Eval, &mut workspace);
        assert_eq!(alone.index_axis(Axis(0), 0), together.index_axis(Axis(0), face), "face {face}");
    }
}

#[test]
fn a_reused_workspace_does_not_affect_results() {
    let network = network();
    let mut workspace = Workspace::new(network.plan());
    for batch in [5, 2, 6] {
        let x = faces(batch);
        let reused = gradients_in(&network, x.view(), TRAIN, &mut workspace);
        assert_eq!(reused, gradients(&network, x.view(), TRAIN));
    }
}

#[test]
fn running_statistics_converge_to_those_of_the_batch() {
    let (mut network, x) = (network(), faces(8));
    let mut workspace = Workspace::new(network.plan());
    let trained = network.forward(x.view(), TRAIN, &mut workspace).to_owned();
    let before = network.forward(x.view(), Mode::Eval, &mut workspace).to_owned();
    for _ in 0..300 {
        network.forward(x.view(), TRAIN, &mut workspace);
        network.update_statistics(&workspace);
    }
    let after = network.forward(x.view(), Mode::Eval, &mut workspace).to_owned();
    let distance = |a: &Array2<f32>| (a - &trained).mapv(|value| value * value).sum();
    // The remaining difference is that of the unbiased variance.
    assert!(distance(&after) < 0.05 * distance(&before), "{} of {}", distance(&after), distance(&before));
}

#[test]
#[should_panic(expected = "the last pass was not a training pass")]
fn updating_statistics_after_an_eval_pass_panics() {
    let mut network = network();
    let mut workspace = Workspace::new(network.plan());
    network.forward(faces(1).view(), Mode::Eval, &mut workspace);
    network.update_statistics(&workspace);
}

#[test]
#[should_panic(expected = "input [1, 32, 31, 3] of another size")]
fn faces_of_another_size_panic() {
    let network = network();
    network.forward(Array4::zeros((1, 32, 31, 3)).view(), Mode::Eval, &mut Workspace::new(network.plan()));
}

/// The remaining layers compute the same embeddings from the activations of a truncated network.
#[test]
fn a_truncated_network_outputs_the_activations_of_its_last_layer() {
    let layers = [
        "{ layer = 'convolution', name = 'first', kernel = 3, stride = 2, padding = 1, channels = 6 }",
        "{ layer = 'inception', name = 'second', branch_1x1 = 1, branch_3x3 = [2, 1], branch_pool = { kind = 'max', projection = 1 } }",
        "{ layer = 'convolution', name = 'third', kernel = 3, channels = 4 }, { layer = 'global_average_pool' }",
    ];
    let description = |input: &str, layers: &[&str]| {
        let layers = layers.join(", ");
        Description::from_toml(&format!("name = 'a'\ninput = {input}\nembedding = 5\nlayers = [{layers}]")).unwrap()
    };
    let whole = description("[33, 31]", &layers);
    let network: Network<f32> = Network::new(whole.clone(), Initializer::HeNormal, 5).unwrap();
    let mut first: Network<f32> =
        Network::new(whole.truncated_after("second").unwrap(), Initializer::HeNormal, 6).unwrap();
    let rest = description("[17, 16]", &layers[2..]);
    let mut rest: Network<f32> = Network::new(rest, Initializer::HeNormal, 7).unwrap();
    let (one, other) = network.parameters.values.split_at(first.parameters.values.len());
    first.parameters.values.copy_from_slice(one);
    rest.parameters.values.copy_from_slice(other);

    let x = faces(2);
    let evaluate = |network: &Network<f32>, x: &Array4<f32>| {
        network.forward(x.view(), Mode::Eval, &mut Workspace::new(network.plan())).to_owned()
    };
    let between = evaluate(&first, &x);
    assert_eq!(between.dim(), (2, 17 * 16 * 3));
    let between = between.into_shape_with_order((2, 17, 16, 3)).unwrap();
    assert_eq!(evaluate(&rest, &between), evaluate(&network, &x));
    // The gradient of the sum of the activations, against a difference quotient.
    let (mut first, x) = (first.cast::<f64>(), x.mapv(f64::from));
    let mut workspace = Workspace::new(first.plan());
    first.forward(x.view(), Mode::Eval, &mut workspace);
    let mut gradients = Parameters::zeros(first.plan().parameters());
    first.backward(Array2::ones((2, 17 * 16 * 3)).view(), &mut workspace, &mut gradients);
    let start = first.parameters.values.clone();
    let [more, less] = [1e-9, -1e-9].map(|step| {
        let moved = start.iter().zip(&gradients.values).map(|(value, gradient)| value + step * gradient);
        first.parameters.values = moved.collect();
        first.forward(x.view(), Mode::Eval, &mut workspace).sum()
    });
    let squares: f64 = gradients.values.iter().map(|value| value * value).sum();
    let found = (more - less) / 2e-9;
    assert!(squares > 1.0 && (found / squares - 1.0).abs() < 1e-5, "{found} and {squares}");
}

#[test]
fn a_network_takes_inputs_of_another_size_unless_it_is_fully_connected() {
    let detector = Network::<f32>::new(built_in(DETECTOR).unwrap(), Initializer::HeNormal, 1).unwrap();
    let small = detector.with_input([64, 96]).unwrap();
    assert_eq!(small.plan().input_size(), [64, 96]);
    assert_eq!(small.parameters.values, detector.parameters.values);
    assert_eq!(small.plan().outputs()[2].shape, [2, 3, 16]);
    let error = detector.with_input([48, 64]).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("the terms are"), "{error}");
    let text = "name = 'full'\ninput = [4, 6]\nlayers = [{ layer = 'fully_connected', name = 'all', channels = 2 }]";
    let full = Network::<f32>::new(Description::from_toml(text).unwrap(), Initializer::HeNormal, 1).unwrap();
    let error = full.with_input([6, 6]).map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "the fully connected layers of full need inputs of 4x6");
}
