//! Import of foreign weights: formats, layouts, errors.

use std::collections::BTreeMap;
use std::time::Instant;

use facenet_network::{
    Description, Error, ForeignTensor, ForeignTensors, Initializer, LANDMARK_NETWORK, Mode, NETWORKS, NameMap, Network,
    Plan, Workspace, built_in, import, import_truncated,
};
use ndarray::{Array4, ArrayD, IxDyn};
use ndarray_rand::rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const DESCRIPTION: &str = r#"
name = "made_up"
input = [7, 6]
embedding = 3
layers = [
    { layer = "convolution", name = "first", kernel = [3, 2], channels = 5, activation = "prelu" },
    { layer = "depthwise", name = "second", kernel = 2, stride = 2, activation = "prelu_shared" },
    { layer = "convolution", name = "third", kernel = 1, channels = 4, normalization = "bias" },
    { layer = "global_average_pool" },
]
"#;

/// Tensors have the names of their entries and other layouts. The first convolution has a bias; the
/// inputs of the second convolution are permuted.
const MAP: &str = r#"
network = "made_up"
ignored = ["classifier"]

[tensors]
"first.weight" = "1"
"first.batch_norm.scale" = "first.batch_norm.scale"
"first.batch_norm.shift" = "first.batch_norm.shift"
"first.batch_norm.mean" = { tensor = "first.batch_norm.mean", minus = "first.bias" }
"first.batch_norm.variance" = "first.batch_norm.variance"
"first.slope" = "first.slope"
"second.weight" = "second.weight"
"second.batch_norm.scale" = "second.batch_norm.scale"
"second.batch_norm.shift" = "second.batch_norm.shift"
"second.batch_norm.mean" = "second.batch_norm.mean"
"second.batch_norm.variance" = "second.batch_norm.variance"
"second.slope" = "second.slope"
"third.weight" = { tensor = "third.weight", inputs = [[3, 2], [1, 2], [0, 1]] }
"third.bias" = "third.bias"
"embedding.weight" = "embedding.weight"
"#;

fn description() -> Description {
    Description::from_toml(DESCRIPTION).unwrap()
}

fn map() -> NameMap {
    NameMap::from_toml(MAP).unwrap()
}

/// A network with parameters and statistics away from their initial values.
fn network() -> Network<f32> {
    let mut network: Network<f32> = Network::new(description(), Initializer::HeNormal, 1).unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(2);
    network.parameters.values.iter_mut().for_each(|value| *value = random.gen_range(-1.0..1.0));
    network.statistics.values.iter_mut().for_each(|value| *value = random.gen_range(0.1..1.0));
    network
}

/// All entries by name.
fn entries(network: &Network<f32>) -> BTreeMap<String, ArrayD<f32>> {
    let tables = [&network.parameters, &network.statistics];
    let entries = tables.into_iter().flat_map(|parameters| {
        parameters.table().entries().iter().enumerate().map(|(index, entry)| {
            let values = ArrayD::from_shape_vec(IxDyn(&entry.shape), parameters.entry(index).to_vec()).unwrap();
            (entry.name.clone(), values)
        })
    });
    entries.collect()
}

fn tensor(values: &ArrayD<f32>, shape: &[usize]) -> ForeignTensor {
    assert_eq!(values.len(), shape.iter().product::<usize>());
    ForeignTensor { shape: shape.to_vec(), values: values.iter().copied().collect() }
}

/// The network as another framework would write it.
fn foreign(network: &Network<f32>) -> ForeignTensors {
    let mut tensors = BTreeMap::new();
    for (name, values) in entries(network) {
        let shape = values.shape().to_vec();
        // Cycles through the layouts of per-channel tensors.
        let channels = |turn: usize| match turn % 4 {
            0 => vec![shape[0]],
            1 => vec![1, shape[0]],
            2 => vec![1, shape[0], 1, 1],
            _ => vec![shape[0], 1, 1],
        };
        let theirs = match &*name {
            "first.weight" => {
                let values = values.permuted_axes(vec![3, 2, 0, 1]).as_standard_layout().into_owned();
                tensors.insert("1".to_owned(), tensor(&values, &[5, 3, 3, 2]));
                continue;
            }
            "second.weight" => {
                let values = values.permuted_axes(vec![2, 0, 1]).as_standard_layout().into_owned();
                tensor(&values, &[5, 1, 1, 2, 2])
            }
            "third.weight" => {
                // Their inputs are our inputs 4, 2, 3, 0, 1.
                let values = values.select(ndarray::Axis(2), &[4, 2, 3, 0, 1]);
                let values = values.permuted_axes(vec![3, 2, 0, 1]).as_standard_layout().into_owned();
                tensor(&values, &[4, 5, 1, 1])
            }
            "embedding.weight" => {
                let values = values.permuted_axes(vec![1, 0]).as_standard_layout().into_owned();
                tensor(&values, &[3, 4])
            }
            "first.batch_norm.mean" => {
                let bias = ArrayD::from_shape_fn(IxDyn(&[5]), |at| at[0] as f32 - 2.0);
                tensors.insert("first.bias".to_owned(), tensor(&bias, &[1, 5, 1, 1]));
                tensor(&(values + bias), &[5])
            }
            _ => tensor(&values, &channels(tensors.len())),
        };
        tensors.insert(name, theirs);
    }
    tensors.insert("classifier".to_owned(), ForeignTensor { shape: vec![2], values: vec![f32::NAN; 2] });
    ForeignTensors { tensors, non_float: BTreeMap::from([("counter".to_owned(), "I64".to_owned())]) }
}

fn assert_same(found: &Network<f32>, expected: &Network<f32>, tolerance: f32) {
    let (found, expected) = (entries(found), entries(expected));
    for ((name, found), (other, expected)) in found.iter().zip(&expected) {
        assert_eq!(name, other);
        let difference =
            found.iter().zip(expected).map(|(found, expected)| (found - expected).abs()).fold(0.0, f32::max);
        assert!(difference <= tolerance, "{name}: {difference}");
    }
}

#[test]
fn every_layout_is_transposed() {
    let network = network();
    let imported = import(description(), &foreign(&network), &map()).unwrap();
    assert_eq!(imported.parameters, network.parameters);
    // The mean is rounded by an addition and a subtraction.
    assert_same(&imported, &network, 1e-6);
    // The other layouts of depthwise and fully connected weights.
    let mut tensors = foreign(&network);
    tensors.tensors.get_mut("second.weight").unwrap().shape = vec![5, 1, 2, 2];
    tensors.tensors.get_mut("embedding.weight").unwrap().shape = vec![3, 4, 1, 1];
    assert_eq!(import(description(), &tensors, &map()).unwrap().parameters, network.parameters);
}

/// Scales and statistics are folded into weights and shifts by the formula of batch normalization.
#[test]
fn folded_batch_normalization_gives_the_same_embeddings() {
    let network = network();
    let mut tensors = foreign(&network);
    let (mut map, own, epsilon) = (map(), entries(&network), network.description().batch_norm.epsilon);
    map.folded = true;
    for (layer, weight) in [("first", "1"), ("second", "second.weight")] {
        let field = |field: &str| &own[&format!("{layer}.batch_norm.{field}")];
        let factor: Vec<f64> = (field("scale").iter().zip(field("variance")))
            .map(|(&scale, &variance)| f64::from(scale) / (f64::from(variance) + epsilon).sqrt())
            .collect();
        let weight = tensors.tensors.get_mut(weight).unwrap();
        let taps = weight.values.len() / factor.len();
        for (values, factor) in weight.values.chunks_mut(taps).zip(&factor) {
            values.iter_mut().for_each(|value| *value = (f64::from(*value) * factor) as f32);
        }
        let shift = tensors.tensors.get_mut(&format!("{layer}.batch_norm.shift")).unwrap();
        for ((shift, &mean), factor) in shift.values.iter_mut().zip(field("mean")).zip(&factor) {
            *shift = (f64::from(*shift) - f64::from(mean) * factor) as f32;
        }
        for gone in ["scale", "mean", "variance"] {
            let name = format!("{layer}.batch_norm.{gone}");
            tensors.tensors.remove(&name);
            map.tensors.remove(&name);
        }
    }
    tensors.tensors.remove("first.bias");
    let folded = import(description(), &tensors, &map).unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let x = Array4::from_shape_simple_fn((4, 7, 6, 3), || random.gen_range(-2.0f32..2.0));
    let embed =
        |network: &Network<f32>| network.forward(x.view(), Mode::Eval, &mut Workspace::new(network.plan())).to_owned();
    let (found, expected) = (embed(&folded), embed(&network));
    assert!(
        found.iter().zip(&expected).all(|(found, expected)| (found - expected).abs() < 1e-5),
        "{found}\n{expected}"
    );
    // Shifts are always required, and scales unless the map says that they are folded.
    let mut without = map.clone();
    without.tensors.remove("first.batch_norm.shift");
    let result = import(description(), &tensors, &without);
    assert!(matches!(&result, Err(Error::NameMapEntry { name, .. }) if name == "first.batch_norm.shift"), "{result:?}");
    map.folded = false;
    let result = import(description(), &tensors, &map);
    assert!(matches!(&result, Err(Error::NameMapEntry { name, .. }) if name == "first.batch_norm.scale"), "{result:?}");
}

/// A change to tensors or map, and the expected error.
type Change = (fn(&mut ForeignTensors, &mut NameMap), &'static str);

#[test]
fn errors_name_the_tensor_or_entry() {
    fn inputs(map: &mut NameMap, ranges: &[[usize; 2]]) {
        map.tensors.get_mut("third.weight").unwrap().inputs = Some(ranges.to_vec());
    }
    let changes: &[Change] = &[
        (|_, map| map.network = "nn1".to_owned(), "the name map is for network nn1, not for made_up"),
        (|_, map| drop(map.tensors.remove("third.bias")), "name map entry for third.bias: missing"),
        (
            |_, map| drop(map.tensors.insert("fourth.bias".to_owned(), map.tensors["third.bias"].clone())),
            "name map entry for fourth.bias: the network has no parameter or statistic of that name",
        ),
        (|tensors, _| drop(tensors.tensors.remove("1")), "name map entry for first.weight: the file has no tensor 1"),
        (
            |tensors, _| drop(tensors.tensors.remove("first.bias")),
            "name map entry for first.batch_norm.mean: the file has no tensor first.bias",
        ),
        (|_, map| map.ignored.clear(), "the file has a tensor classifier, which the name map neither uses nor ignores"),
        (
            |_, map| map.tensors.get_mut("third.bias").unwrap().tensors = vec!["counter".to_owned()],
            "tensor counter has element type I64, which is not a floating-point type",
        ),
        (
            |tensors, _| tensors.tensors.get_mut("1").unwrap().shape = vec![3, 5, 3, 2],
            "tensor 1 is [3, 5, 3, 2], expected a layout of first.weight [3, 2, 3, 5]",
        ),
        (
            |tensors, _| tensors.tensors.get_mut("second.weight").unwrap().shape = vec![1, 5, 2, 2],
            "tensor second.weight is [1, 5, 2, 2], expected a layout of second.weight [2, 2, 5]",
        ),
        (
            |tensors, _| tensors.tensors.get_mut("embedding.weight").unwrap().shape = vec![4, 3],
            "tensor embedding.weight is [4, 3], expected a layout of embedding.weight [4, 3]",
        ),
        (
            |tensors, _| tensors.tensors.get_mut("third.bias").unwrap().shape = vec![4, 1],
            "tensor third.bias is [4, 1], expected a layout of third.bias [4]",
        ),
        (
            // Fewer values than the shape says.
            |tensors, _| tensors.tensors.get_mut("third.bias").unwrap().values.truncate(3),
            "tensor third.bias cannot be read: it has 3 values for shape [1, 4, 1, 1]",
        ),
        (
            |tensors, _| tensors.tensors.get_mut("second.slope").unwrap().values[0] = f32::INFINITY,
            "tensor second.slope contains a value that is not finite",
        ),
        (
            |tensors, _| tensors.tensors.get_mut("first.bias").unwrap().values[4] = f32::NAN,
            "tensor first.bias contains a value that is not finite",
        ),
        (
            |tensors, _| {
                tensors.tensors.get_mut("first.bias").unwrap().values[4] = f32::MIN;
                tensors.tensors.get_mut("first.batch_norm.mean").unwrap().values[4] = f32::MAX;
            },
            "tensor first.batch_norm.mean contains a value that is not finite",
        ),
        (
            |tensors, _| tensors.tensors.get_mut("second.batch_norm.variance").unwrap().values[1] = -1e-9,
            "tensor second.batch_norm.variance contains a negative variance",
        ),
        (|_, map| inputs(map, &[[0, 4]]), "name map entry for third.weight: input 4 of 5 is in no range"),
        (|_, map| inputs(map, &[[0, 3], [2, 2]]), "name map entry for third.weight: [2, 2] is empty or overlaps"),
        (|_, map| inputs(map, &[[0, 5], [1, 0]]), "name map entry for third.weight: [1, 0] is empty or overlaps"),
        (|_, map| inputs(map, &[[3, 3]]), "name map entry for third.weight: [3, 3] is not within 5 inputs"),
        (
            |_, map| inputs(map, &[[9, usize::MAX]]),
            "name map entry for third.weight: [9, 18446744073709551615] is not within 5 inputs",
        ),
    ];
    let network = network();
    for (change, expected) in changes {
        let (mut tensors, mut map) = (foreign(&network), map());
        change(&mut tensors, &mut map);
        let error = import(description(), &tensors, &map).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}\nexpected:\n{expected}");
    }
}

#[test]
fn tensors_of_later_layers_may_be_missing() {
    let network = network();
    let truncated =
        |layer: &str, tensors: &ForeignTensors, map: &NameMap| import_truncated(description(), layer, tensors, map);
    let whole = truncated("third", &foreign(&network), &map()).unwrap();
    assert_eq!(*whole.description(), description().truncated_after("third").unwrap());
    // The convolution's 4x4x5 output, halved in height and width.
    let part = truncated("second", &foreign(&network), &map()).unwrap();
    assert_eq!(part.plan().dimension(), 2 * 2 * 5);
    let all = entries(&network);
    for imported in [&whole, &part] {
        for (name, found) in entries(imported) {
            assert!(found.iter().zip(&all[&name]).all(|(found, expected)| (found - expected).abs() <= 1e-6), "{name}");
        }
    }
    assert_eq!(entries(&part).len(), 12);

    let mut tensors = foreign(&network);
    for later in ["third.weight", "third.bias"] {
        tensors.tensors.remove(later);
    }
    // Not read.
    tensors.tensors.get_mut("embedding.weight").unwrap().values.fill(f32::NAN);
    let again = truncated("second", &tensors, &map()).unwrap();
    assert_eq!((&again.parameters, &again.statistics), (&part.parameters, &part.statistics));

    let changes: &[(&str, Change)] = &[
        ("third", (|_, _| {}, "name map entry for third.weight: the file has no tensor third.weight")),
        ("fourth", (|_, _| {}, "made_up has no layer fourth")),
        ("embedding", (|_, _| {}, "made_up has no layer embedding")),
        (
            "second",
            (
                |tensors, _| drop(tensors.tensors.remove("second.slope")),
                "name map entry for second.slope: the file has no tensor second.slope",
            ),
        ),
        ("second", (|_, map| drop(map.tensors.remove("first.slope")), "name map entry for first.slope: missing")),
        (
            "second",
            (
                |tensors, _| drop(tensors.tensors.insert("more".to_owned(), tensors.tensors["1"].clone())),
                "the file has a tensor more, which the name map neither uses nor ignores",
            ),
        ),
        ("second", (|_, map| map.network = "nn1".to_owned(), "the name map is for network nn1, not for made_up")),
    ];
    for (layer, (change, expected)) in changes {
        let (mut tensors, mut map) = (tensors.clone(), map());
        change(&mut tensors, &mut map);
        assert_eq!(truncated(layer, &tensors, &map).unwrap_err().to_string(), *expected);
    }
}

#[test]
fn name_maps_are_not_trusted() {
    let longest = format!("network = '{}'\ntensors = {{}}", "x".repeat(1 << 20));
    assert!(matches!(NameMap::from_toml(&longest), Err(Error::TooLarge { what: "bytes of name map", .. })));
    for text in [
        "",
        "network = 'x'",
        "network = 'x'\nunknown = 1\n[tensors]",
        "network = 'x'\nfolded = 1\n[tensors]",
        "network = 'x'\n[tensors]\na = 1",
        "network = 'x'\n[tensors]\na.b = 'x'",
        "network = 'x'\n[tensors]\na = { minus = 'x' }",
        "network = 'x'\n[tensors]\na = { tensor = 'x', plus = 'y' }",
        "network = 'x'\n[tensors]\na = { tensor = 'x', inputs = [[1, 2, 3]] }",
        "network = 'x'\n[tensors]\na = { tensor = 'x', inputs = [[-1, 2]] }",
        "network = 'x'\n[tensors]\na = 'x'\na = 'y'",
    ] {
        let result = NameMap::from_toml(text);
        assert!(matches!(result, Err(Error::NameMapSyntax { .. })), "{text}: {result:?}");
    }
}

/// One source for each entry, except for folded scales and statistics.
#[test]
fn built_in_maps_are_complete() {
    let mut found = 0;
    let networks = NETWORKS.into_iter().chain([LANDMARK_NETWORK]);
    for (name, map) in networks.flat_map(|name| NameMap::built_in(name).into_iter().map(move |map| (name, map))) {
        found += 1;
        assert_eq!(map.network, name);
        let plan = Plan::new(&built_in(name).unwrap()).unwrap();
        let entries = plan.parameters().entries().iter().chain(plan.statistics().entries());
        let foldable =
            |name: &str| ["scale", "mean", "variance"].iter().any(|end| name.ends_with(&format!("batch_norm.{end}")));
        let mut expected: Vec<_> =
            entries.map(|entry| &entry.name).filter(|name| !(map.folded && foldable(name))).collect();
        expected.sort();
        assert!(expected.into_iter().eq(map.tensors.keys()), "{name}");
        let mut used: Vec<_> = map.tensors.values().flat_map(|source| &source.tensors).collect();
        let count = used.len();
        used.sort();
        used.dedup();
        assert_eq!(used.len(), count, "{name} uses no tensor twice");
    }
    assert_eq!(found, 6);
}

/// OpenFace's PyTorch module and Keras-OpenFace differ in names only, not in tensors or the order
/// of channels.
#[test]
fn both_maps_of_openface_agree() {
    let [keras, pytorch] = &NameMap::built_in("openface_nn4_small2_v1")[..] else { panic!("two maps") };
    let tensors = pytorch.tensors.values().flat_map(|source| source.tensors.iter().chain(&source.minus));
    let names: std::collections::BTreeSet<&String> = tensors.collect();
    // Three before the inception blocks; three blocks with all branches, two without 1x1 and
    // projection, two without 5x5.
    let convolutions = 3 + 3 * 6 + 2 * 4 + 2 * 4;
    assert_eq!(names.len(), 6 * convolutions + 2, "weight and bias; scale, shift, mean, variance");
    for name in ["conv1.weight", "bn3.running_var", "incept3a.branches.0.0.weight", "incept3a.branches.0.3.bias"] {
        assert!(names.contains(&name.to_owned()), "{name}");
    }
    // A pooling branch without projection has no tensors; without a 5x5 branch it is the second.
    for (name, there) in [
        ("incept3c.branches.2.1.weight", false),
        ("incept3b.branches.2.1.weight", true),
        ("incept3b.branches.3.0.weight", true),
        ("incept5a.branches.1.1.weight", true),
        ("incept5a.branches.2.0.weight", true),
        ("ln.bias", true),
    ] {
        assert_eq!(names.contains(&name.to_owned()), there, "{name}");
    }
    for (name, source) in &keras.tensors {
        let other = &pytorch.tensors[name];
        assert_eq!((&source.inputs, source.minus.is_some()), (&other.inputs, other.minus.is_some()), "{name}");
    }
}

/// A small safetensors file with a tensor of each kind.
fn safetensors() -> Vec<u8> {
    let header = concat!(
        r#"{"__metadata__":{"format":"pt"},"#,
        r#""half":{"dtype":"F16","shape":[1,2],"data_offsets":[0,4]},"#,
        r#""counter":{"dtype":"I64","shape":[],"data_offsets":[4,12]},"#,
        r#""single":{"dtype":"F32","shape":[2],"data_offsets":[12,20]},"#,
        r#""double":{"dtype":"F64","shape":[1],"data_offsets":[20,28]},"#,
        r#""brain":{"dtype":"BF16","shape":[1,1,1],"data_offsets":[28,30]}}"#,
    );
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend([0x00, 0x3c, 0x01, 0x80]);
    bytes.extend(7u64.to_le_bytes());
    bytes.extend([0.1f32, -2.0].map(f32::to_le_bytes).concat());
    bytes.extend(0.1f64.to_le_bytes());
    bytes.extend([0xc0, 0x3f]);
    bytes
}

const XML: &str = r#"<?xml version="1.0" ?>
<!-- constants: floating point, and a shape -->
<net name="small" version="11">
    <layers>
        <layer id="0" name="data" type="Parameter" version="opset1"><data shape="1,3" element_type="f32"/></layer>
        <layer id="1" name="half &lt;1&gt;" type="Const" version="opset1">
            <data element_type="f16" shape="1, 2" offset="0" size="4"/>
            <output><port id="0" precision="FP16"><dim>1</dim><dim>2</dim></port></output>
        </layer>
        <layer id="2" name="shape" type="Const"><data element_type="i64" shape="" offset="4" size="8"/></layer>
        <layer id="3" name="single" type="Const"><data element_type="f32" shape="2" offset="12" size="8"/></layer>
        <layer id="4" name="scalar" type="Const"><data element_type="f32" shape="" offset="12" size="4"></data></layer>
    </layers>
</net>
"#;

fn bin() -> Vec<u8> {
    let mut bytes = vec![0x00, 0x3c, 0x01, 0x80];
    bytes.extend(7u64.to_le_bytes());
    bytes.extend([0.1f32, -2.0].map(f32::to_le_bytes).concat());
    bytes
}

fn assert_tensors(found: &ForeignTensors, expected: &[(&str, &[usize], &[f32])], non_float: &[(&str, &str)]) {
    let own = |name: &str| name.to_owned();
    let tensors = expected
        .iter()
        .map(|(name, shape, values)| (own(name), ForeignTensor { shape: shape.to_vec(), values: values.to_vec() }));
    let non_float = non_float.iter().map(|(name, element)| (own(name), own(element)));
    assert_eq!(*found, ForeignTensors { tensors: tensors.collect(), non_float: non_float.collect() });
}

#[test]
fn every_element_type_is_read() {
    let half = [1.0, -(2.0f32.powi(-24))];
    let expected: &[(&str, &[usize], &[f32])] = &[
        ("half", &[1, 2], &half),
        ("single", &[2], &[0.1, -2.0]),
        ("double", &[1], &[0.1]),
        ("brain", &[1, 1, 1], &[1.5]),
    ];
    assert_tensors(&ForeignTensors::from_safetensors(&safetensors()).unwrap(), expected, &[("counter", "I64")]);
    let expected: &[(&str, &[usize], &[f32])] =
        &[("half <1>", &[1, 2], &half), ("single", &[2], &[0.1, -2.0]), ("scalar", &[], &[0.1])];
    let found = ForeignTensors::from_openvino(XML.as_bytes(), &bin()).unwrap();
    assert_tensors(&found, expected, &[("shape", "i64")]);
}

#[test]
fn safetensors_files_are_not_trusted() {
    let read = |header: &str, data: usize| {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.resize(bytes.len() + data, 0);
        ForeignTensors::from_safetensors(&bytes)
    };
    assert_eq!(read("{}", 0).unwrap(), ForeignTensors::default());
    let tensor = |name: &str, dtype: &str, shape: &str, start: u64, end: u64| {
        format!(r#""{name}":{{"dtype":"{dtype}","shape":[{shape}],"data_offsets":[{start},{end}]}}"#)
    };
    let a = tensor("a", "F32", "2", 0, 8);
    assert!(read(&format!("{{{a}}}"), 8).is_ok());
    for (second, data) in [
        (tensor("b", "F32", "2", 4, 12), 12),
        (tensor("b", "F32", "2", 0, 8), 8),
        (tensor("b", "F32", "2", 12, 20), 20),
        (tensor("b", "F32", "2", 8, 16), 15),
        (tensor("b", "F32", "2", 8, 4), 8),
        (tensor("b", "F32", "2", 8, u64::MAX), 16),
        (tensor("b", "F32", "3", 8, 16), 16),
        (tensor("b", "F64", "2", 8, 16), 16),
        (tensor("b", "F99", "2", 8, 16), 16),
        (tensor("b", "C64", "1", 8, 16), 16),
        (tensor("b", "F8_E4M3", "8", 8, 16), 16),
        (tensor("b", "F8_E8M0", "8", 8, 16), 16),
        (tensor("b", "F6_E2M3", "8", 8, 14), 14),
        (tensor("b", "F4", "16", 8, 16), 16),
        (tensor("b", "F32", "-2", 8, 16), 16),
        (tensor("b", "F32", "9223372036854775808,2", 8, 8), 8),
        (tensor("b", "F32", "4611686018427387904,4,2", 8, 8), 8),
        (tensor("b", "F32", "1,1,1,1,1,1,1,1,2", 8, 16), 16),
        (r#""b":{"dtype":"F32","shape":[2]}"#.to_owned(), 16),
        (r#""b":7"#.to_owned(), 16),
    ] {
        let result = read(&format!("{{{a},{second}}}"), data);
        assert!(matches!(&result, Err(Error::MalformedTensor { name, .. }) if name == "b"), "{second}: {result:?}");
    }
    for (header, twice) in [
        (format!("{{{a},{a}}}"), "a"),
        (format!("{{{a},{}}}", tensor("\\u0061", "F32", "2", 8, 16)), "a"),
        (r#"{"__metadata__":{},"__metadata__":{}}"#.to_owned(), "__metadata__"),
    ] {
        let result = read(&header, 16);
        assert!(matches!(&result, Err(Error::DuplicateName { name }) if name == twice), "{header}: {result:?}");
    }
    let other = |dtype: &str| read(&format!("{{{}}}", tensor("b", dtype, "1", 0, 8)), 8);
    for dtype in ["BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64"] {
        assert_tensors(&other(dtype).unwrap(), &[], &[("b", dtype)]);
    }
    // JSON that is not a tensor takes no memory, however large or deep it is.
    let wide = format!("[{}0]", r#"{"":0},"#.repeat(2_000_000));
    let deep = ["[".repeat(1 << 20), "]".repeat(1 << 20)].concat();
    for value in [wide, deep] {
        assert!(read(&format!(r#"{{"__metadata__":{value},{a}}}"#), 8).is_ok());
        let unknown = a.replace("}", &format!(r#","unknown":{value}}}"#));
        assert!(read(&format!("{{{unknown}}}"), 8).is_ok());
        let result = read(&format!(r#"{{{a},"b":{value}}}"#), 8);
        assert!(matches!(&result, Err(Error::MalformedTensor { name, .. }) if name == "b"), "{value:.9}");
    }
    for (header, data) in [(format!("{{{a}}}"), 9), ("{".to_owned(), 0), ("[]".to_owned(), 0), ("[".repeat(1 << 20), 0)]
    {
        let result = read(&header, data);
        assert!(matches!(result, Err(Error::CheckpointSyntax { .. })), "{header:.100}: {result:?}");
    }
}

#[test]
fn openvino_files_are_not_trusted() {
    let read = |from: &str, to: &str| {
        assert!(XML.contains(from), "{from}");
        ForeignTensors::from_openvino(XML.replace(from, to).as_bytes(), &bin())
    };
    let single = r#"shape="2" offset="12" size="8""#;
    for to in [
        r#"shape="2" offset="13" size="8""#,
        r#"shape="2" offset="18446744073709551615" size="8""#,
        r#"shape="2" offset="12" size="18446744073709551608""#,
        r#"shape="2" offset="-1" size="8""#,
        r#"shape="3" offset="12" size="8""#,
        r#"shape="2,x" offset="12" size="8""#,
        r#"shape="2," offset="12" size="8""#,
        r#"shape="9223372036854775808,2" offset="0" size="0""#,
        r#"shape="1,1,1,1,1,1,1,1,2" offset="12" size="8""#,
        r#"offset="12" size="8""#,
        r#"shape="2" size="8""#,
        r#"shape="2" offset="12""#,
    ] {
        let result = read(single, to);
        assert!(matches!(&result, Err(Error::MalformedTensor { name, .. }) if name == "single"), "{to}: {result:?}");
    }
    let result = read(r#"<data element_type="f32" shape="2" offset="12" size="8"/>"#, "");
    assert!(matches!(&result, Err(Error::MalformedTensor { name, .. }) if name == "single"), "{result:?}");
    // A second data element, the same and others.
    let data = r#"<data element_type="f32" shape="2" offset="12" size="8"/>"#;
    for second in [data, r#"<data element_type="i64" shape="" offset="4" size="8"/>"#, "<data/>"] {
        let result = read(data, &[data, second].concat());
        assert!(
            matches!(&result, Err(Error::MalformedTensor { name, .. }) if name == "single"),
            "{second}: {result:?}"
        );
    }
    assert_eq!(read(data, &format!("{data}<rt_info>{data}</rt_info>")).unwrap().tensors.len(), 3);
    let result = read("\"scalar\"", "\"single\"");
    assert!(matches!(&result, Err(Error::DuplicateName { name }) if name == "single"), "{result:?}");
    let shape = r#"element_type="i64""#;
    let element = |element: &str| read(shape, &format!(r#"element_type="{element}""#));
    for integer in ["i4", "i8", "i64", "u1", "u4", "u64", "boolean"] {
        assert_eq!(element(integer).unwrap().non_float["shape"], integer);
    }
    for unread in ["f8e4m3", "f4e2m1", "nf4", "string", "undefined", "i128", "f128", ""] {
        let result = element(unread);
        assert!(matches!(&result, Err(Error::MalformedTensor { name, .. }) if name == "shape"), "{unread}: {result:?}");
    }
    let bomb = r#"<!DOCTYPE net [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><net"#;
    for (from, to) in [
        ("version=\"11\"", "version=\"7\""),
        ("version=\"11\"", ""),
        ("version=\"11\"", "version=\"11\" version=\"11\""),
        ("<net", bomb),
        ("&lt;1", "&unknown;"),
        ("name=\"single\"", "id=\"single\""),
        ("name=\"single\"", "name=\"single\" name=\"other\""),
        ("</net>", ""),
        ("</net>", "</net><net version=\"11\"></net>"),
        ("</net>", "</layers>"),
        ("<net ", "<nets "),
    ] {
        let result = read(from, to);
        assert!(matches!(result, Err(Error::ForeignSyntax { format: "OpenVINO", .. })), "{to}: {result:?}");
    }
    for xml in [&b""[..], b"<net version='10'", b"\xff\xfe", b"x"] {
        let result = ForeignTensors::from_openvino(xml, &[]);
        assert!(matches!(result, Err(Error::ForeignSyntax { .. })), "{xml:?}: {result:?}");
    }
    assert!(ForeignTensors::from_openvino(b"<net version='10'/>", &[]).is_ok());
    let deep = format!("<net version='10'>{}", "<a>".repeat(1 << 20));
    let result = ForeignTensors::from_openvino(deep.as_bytes(), &[]);
    assert!(matches!(result, Err(Error::TooLarge { what: "nested XML elements", .. })), "{result:?}");
    // Many attributes in one element take linear time.
    let attributes: String = (0..1 << 19).map(|number| format!(" a{number}=''")).collect();
    let wide = format!("<net{attributes} version='10'><layers{attributes}/></net>");
    let start = Instant::now();
    assert!(ForeignTensors::from_openvino(wide.as_bytes(), &[]).is_ok());
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
    // Many constants that share bytes.
    let layers: String = (0..10_000)
        .map(|name| {
            let data = r#"<data element_type="f32" shape="4096" offset="0" size="16384"/>"#;
            format!(r#"<layer name="{name}" type="Const">{data}</layer>"#)
        })
        .collect();
    let xml = format!("<net version='10'><layers>{layers}</layers></net>");
    let result = ForeignTensors::from_openvino(xml.as_bytes(), &[0; 16384]);
    assert!(matches!(result, Err(Error::TooLarge { what: "bytes of constants", .. })), "{result:?}");
}

/// Every byte changed to several others, and every truncation: an error or another valid file, in
/// bounded time.
#[test]
fn damaged_files_never_panic() {
    fn damage(bytes: &[u8], mut read: impl FnMut(&[u8]) -> bool) -> [usize; 2] {
        let (mut counts, mut copy) = ([0; 2], bytes.to_vec());
        for index in 0..bytes.len() {
            for change in [0x01, 0x02, 0x10, 0x20, 0x80, 0xff] {
                copy[index] ^= change;
                counts[usize::from(read(&copy))] += 1;
                copy[index] = bytes[index];
            }
            assert!(!read(&bytes[..index]), "cut to {index} bytes");
        }
        counts
    }
    let start = Instant::now();
    let counts = damage(&safetensors(), |bytes| ForeignTensors::from_safetensors(bytes).is_ok());
    assert!(counts.iter().all(|&count| count > 100), "{counts:?}");
    let whole = bin();
    let xml = XML.trim_end().as_bytes();
    let counts = damage(xml, |bytes| ForeignTensors::from_openvino(bytes, &whole).is_ok());
    assert!(counts.iter().all(|&count| count > 100), "{counts:?}");
    for length in 0..whole.len() {
        assert!(ForeignTensors::from_openvino(xml, &whole[..length]).is_err(), "cut to {length} bytes");
    }
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}

/// A fully connected layer after a 2x3 input with three channels, which other frameworks flatten as
/// [c, h, w].
#[test]
fn inputs_of_fully_connected_layers_are_transposed_to_channels_last() {
    let description = Description::from_toml("name = 'flat'\ninput = [2, 3]\nembedding = 2\nlayers = []").unwrap();
    let map = NameMap::from_toml("network = 'flat'\n[tensors]\n\"embedding.weight\" = 'fc'").unwrap();
    // The value of a weight encodes its output, channel, row and column.
    let theirs = |output: usize, channel: usize, row: usize, column: usize| {
        (output * 1_000 + channel * 100 + row * 10 + column) as f32
    };
    let mut values = Vec::new();
    for output in 0..2 {
        for (channel, row) in (0..3).flat_map(|channel| (0..2).map(move |row| (channel, row))) {
            values.extend((0..3).map(|column| theirs(output, channel, row, column)));
        }
    }
    let file = |values: Vec<f32>| ForeignTensors {
        tensors: BTreeMap::from([("fc".to_owned(), ForeignTensor { shape: vec![2, 18], values })]),
        non_float: BTreeMap::new(),
    };
    let network = import(description.clone(), &file(values.clone()), &map).unwrap();
    let mut ours = network.parameters.values.iter();
    for (row, column) in (0..2).flat_map(|row| (0..3).map(move |column| (row, column))) {
        for (channel, output) in (0..3).flat_map(|channel| (0..2).map(move |output| (channel, output))) {
            assert_eq!(ours.next(), Some(&theirs(output, channel, row, column)));
        }
    }
    values.push(0.0);
    let error = import(description, &file(values), &map).unwrap_err();
    assert!(matches!(&error, Error::MalformedTensor { name, .. } if name == "fc"), "{error}");
}
