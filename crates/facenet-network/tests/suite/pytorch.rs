//! Networks against PyTorch in both scalar types: embeddings, and the gradient of every parameter.
//!
//! `tests/pytorch/networks.py` computed the same networks from the same inputs and parameters, which both
//! sides derive from names. Its files have the norm of each tensor and its dot products with eight
//! fixed vectors, in f64.

use facenet_network::{Description, Mode, Network, NormalizationScheme, Parameters, Plan, Workspace, built_in};
use facenet_tensor::Scalar;
use ndarray::{Array2, Array4};
use serde::Deserialize;

use reference::{Tensor, named_values};

#[path = "../pytorch/reference.rs"]
mod reference;

/// One layer of each kind, for faces that are not square.
const SHALLOW: &str = r#"
name = "shallow"
input = [34, 30]
embedding = 16
embedding_normalization = "batch_norm"
layers = [
    { layer = "convolution", name = "conv1", kernel = 5, padding = 2, channels = 12 },
    { layer = "pool", kind = "max", kernel = 3, stride = 2, padding = 1 },
    { layer = "inception", name = "inception_2", branch_1x1 = 8, branch_3x3 = [6, 10], branch_5x5 = [4, 6], branch_pool = { kind = "l2", projection = 8 } },
    { layer = "inception", name = "inception_3", stride = 2, branch_3x3 = [8, 12], branch_5x5 = [4, 8], branch_pool = { kind = "max" } },
    { layer = "residual", name = "residual_4", scale = 0.5, activation = "relu", layers = [
        { layer = "convolution", name = "conv", kernel = [1, 3], padding = [0, 1], channels = 16, activation = "prelu" },
        { layer = "convolution", name = "project", kernel = 1, channels = 52, normalization = "bias", activation = "none" },
    ] },
    { layer = "squeeze_excitation", name = "squeeze_5", channels = 13 },
    { layer = "global_average_pool" },
]
"#;

#[test]
fn nn2_with_batch_normalization() {
    let description = built_in("nn2").unwrap().with_normalization(NormalizationScheme::Batch).unwrap();
    agrees("nn2", &description, Mode::Eval);
}

#[test]
fn nn2_with_local_response_normalization() {
    let description = built_in("nn2").unwrap().with_normalization(NormalizationScheme::LocalResponse).unwrap();
    agrees("nn2_local_response", &description, Mode::Eval);
}

#[test]
fn nn4_small2() {
    agrees("nn4_small2", &built_in("nn4_small2").unwrap(), Mode::Eval);
}

#[test]
fn inception_resnet_v1() {
    agrees("inception_resnet_v1", &built_in("inception_resnet_v1").unwrap(), Mode::Eval);
}

#[test]
fn a_shallow_network_in_training() {
    agrees("training", &Description::from_toml(SHALLOW).unwrap(), Mode::Train { seed: 1, step: 2 });
}

/// Results of PyTorch for one network.
#[derive(Deserialize)]
struct Reference {
    /// Indices of the faces in the batch, chosen so that all ReLUs and max pools select the same
    /// elements in `f32` and `f64`.
    faces: Vec<usize>,
    tensors: Vec<Tensor>,
}

fn agrees(case: &str, description: &Description, mode: Mode) {
    let path = format!("{}/tests/pytorch/{case}.json", env!("CARGO_MANIFEST_DIR"));
    let reference: Reference = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    compare::<f64>(case, description, mode, &reference, 1e-9);
    compare::<f32>(case, description, mode, &reference, 1e-4);
}

fn compare<T: Scalar>(case: &str, description: &Description, mode: Mode, reference: &Reference, bound: f64) {
    let computed = compute::<T>(description, mode, &reference.faces);
    let shapes = |tensors: &[Tensor]| -> Vec<(String, Vec<usize>)> {
        let mut shapes: Vec<_> = tensors.iter().map(|tensor| (tensor.name.clone(), tensor.shape.clone())).collect();
        shapes.sort();
        shapes
    };
    assert_eq!(shapes(&computed), shapes(&reference.tensors), "{case} consists of other tensors");
    let mut errors: Vec<(f64, &str)> = computed
        .iter()
        .map(|tensor| {
            let expected = reference.tensors.iter().find(|expected| expected.name == tensor.name).unwrap();
            (tensor.relative_error(expected), tensor.name.as_str())
        })
        .collect();
    errors.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let scalar_type = std::any::type_name::<T>();
    println!("{case} in {scalar_type}: {} tensors, the worst {} off by {:.1e}", errors.len(), errors[0].1, errors[0].0);
    // NaN is not in the range.
    errors.retain(|(error, _)| !(0.0..=bound).contains(error));
    assert!(errors.is_empty(), "{case} in {scalar_type}: off by more than {bound:e}: {errors:#?}");
}

/// The embeddings, and the gradients of their dot product with fixed values.
fn compute<T: Scalar>(description: &Description, mode: Mode, faces: &[usize]) -> Vec<Tensor> {
    let plan = Plan::new(description).unwrap();
    let [parameters, statistics] = [plan.parameters(), plan.statistics()].map(|table| {
        let mut parameters = Parameters::zeros(table);
        fill(&mut parameters);
        parameters
    });
    let network: Network<T> = Network::with_parameters(description.clone(), parameters, statistics).unwrap();

    let named = |name: &str| named_values(name).map(T::from_f64);
    let [height, width] = plan.input_size();
    let mut values = faces.iter().flat_map(|k| named(&format!("face {k}")).take(height * width * 3));
    let x = Array4::from_shape_simple_fn((faces.len(), height, width, 3), || values.next().unwrap());
    let mut values = named("dembeddings");
    let dembeddings = Array2::from_shape_simple_fn((faces.len(), plan.dimension()), || values.next().unwrap());

    let mut workspace = Workspace::new(&plan);
    let mut gradients = Parameters::zeros(plan.parameters());
    let embeddings = network.forward(x.view(), mode, &mut workspace);
    let embeddings = Tensor::of("embeddings".to_owned(), embeddings.shape(), embeddings.as_slice().unwrap());
    network.backward(dembeddings.view(), &mut workspace, &mut gradients);
    let entries = plan.parameters().entries().iter().enumerate();
    let gradients =
        entries.map(|(index, entry)| Tensor::of(format!("d:{}", entry.name), &entry.shape, gradients.entry(index)));
    std::iter::once(embeddings).chain(gradients).collect()
}

/// Fills every entry with values around a center that depends on its role. Weights preserve the
/// scale of activations.
fn fill<T: Scalar>(parameters: &mut Parameters<T>) {
    let table = parameters.table().clone();
    for (index, entry) in table.entries().iter().enumerate() {
        let (_, field) = entry.name.rsplit_once('.').unwrap();
        let (center, radius) = match field {
            "weight" => {
                let (_, inputs) = entry.shape.split_last().unwrap();
                (0.0, (6.0 / inputs.iter().product::<usize>() as f64).sqrt())
            }
            "bias" | "shift" | "mean" => (0.0, 0.1),
            "scale" => (1.0, 0.2),
            "variance" => (1.0, 0.5),
            "slope" => (0.25, 0.1),
            _ => panic!("unknown parameter {}", entry.name),
        };
        for (value, uniform) in parameters.entry_mut(index).iter_mut().zip(named_values(&entry.name)) {
            *value = T::from_f64(center + radius * uniform);
        }
    }
}
