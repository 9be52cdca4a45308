//! Checkpoints: round trips, and malformed files.

use std::collections::{BTreeMap, HashMap};
use std::error::Error as _;
use std::io;

use facenet_network::{
    Adam, Checkpoint, Description, Error, Initializer, Network, OptimizerConfig, Parameters, Plan, TrainingState,
};
use ndarray_rand::rand::{Rng, SeedableRng};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

const DESCRIPTION: &str = r#"
    name = "tiny"
    input = [5, 4]
    embedding = 3
    layers = [
        { layer = "convolution", name = "first", kernel = 3, padding = 1, channels = 2, activation = "prelu" },
        { layer = "pool", kind = "max", kernel = 2, stride = 2 },
        { layer = "fully_connected", name = "second", channels = 5, normalization = "bias" },
    ]
"#;

/// Values of all magnitudes and both signs, and a negative zero.
fn fill(parameters: &mut Parameters<f32>, seed: u64) {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    for value in &mut parameters.values {
        *value = generator.gen_range(-1.0_f32..1.0) * 10.0_f32.powi(generator.gen_range(-44..38));
    }
    parameters.values[1] = -0.0;
}

fn checkpoint(training: bool) -> Checkpoint {
    let description = Description::from_toml(DESCRIPTION).unwrap();
    let plan = Plan::new(&description).unwrap();
    let mut parameters = Parameters::zeros(plan.parameters());
    fill(&mut parameters, 1);
    let mut statistics = Initializer::HeNormal.initialize(plan.statistics(), 0);
    fill(&mut statistics, 2);
    let variance = statistics.table().entries().iter().position(|entry| entry.name.ends_with("variance")).unwrap();
    statistics.entry_mut(variance).copy_from_slice(&[0.0, 3.5]);
    let training = training.then(|| {
        let optimizer = OptimizerConfig::Adam(Adam::default()).build::<f32>(plan.parameters());
        let optimizer_state = optimizer.state().into_iter().zip(3..).map(|((name, buffer), seed)| {
            let mut buffer = buffer.clone();
            fill(&mut buffer, seed);
            (name.to_owned(), buffer)
        });
        let recipe = "rate = 0.05\nname = \"Müller's \\ recipe\"\u{1}\n".to_owned();
        TrainingState {
            seed: u64::MAX - 1,
            step: u64::MAX,
            recipe,
            dataset: "some".to_owned(),
            history: "long".to_owned(),
            optimizer_state: optimizer_state.collect(),
        }
    });
    let calibration = Some("threshold = 1.5 \"\u{1}\"\n".to_owned());
    Checkpoint { description, parameters, statistics, calibration, training }
}

fn written(checkpoint: &Checkpoint) -> Vec<u8> {
    let mut bytes = Vec::new();
    checkpoint.write(&mut bytes).unwrap();
    bytes
}

fn bits(parameters: &Parameters<f32>) -> Vec<u32> {
    parameters.values.iter().map(|value| value.to_bits()).collect()
}

/// The parts of a file, to be modified and written by the safetensors crate.
struct Parts {
    metadata: HashMap<String, String>,
    tensors: BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>,
}

impl Parts {
    fn of(checkpoint: &Checkpoint) -> Self {
        let bytes = written(checkpoint);
        let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let tensors = file
            .iter()
            .map(|(name, tensor)| (name.to_owned(), (tensor.dtype(), tensor.shape().to_vec(), tensor.data().to_vec())));
        Self { metadata: metadata.metadata().clone().unwrap(), tensors: tensors.collect() }
    }

    fn bytes(&self) -> Vec<u8> {
        let tensors = self
            .tensors
            .iter()
            .map(|(name, (dtype, shape, data))| (name, TensorView::new(*dtype, shape.clone(), data).unwrap()));
        safetensors::serialize(tensors, Some(self.metadata.clone())).unwrap()
    }

    fn read(&self) -> Result<Checkpoint, Error> {
        Checkpoint::from_bytes(&self.bytes())
    }

    fn set(&mut self, name: &str, index: usize, value: f32) {
        let (_, _, data) = self.tensors.get_mut(name).unwrap();
        data[4 * index..4 * index + 4].copy_from_slice(&value.to_le_bytes());
    }
}

/// A file with an arbitrary header.
fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

fn is_syntax(bytes: &[u8]) -> bool {
    matches!(Checkpoint::from_bytes(bytes), Err(Error::CheckpointSyntax { .. }))
}

#[test]
fn checkpoints_round_trip_bit_by_bit() {
    for training in [false, true] {
        let checkpoint = checkpoint(training);
        let read = Checkpoint::from_bytes(&written(&checkpoint)).unwrap();
        assert_eq!(checkpoint, read);
        assert_eq!(bits(&checkpoint.parameters), bits(&read.parameters));
        assert_eq!(bits(&checkpoint.statistics), bits(&read.statistics));
        assert_eq!(read.training.is_some(), training);
        for (buffer, again) in checkpoint
            .training
            .iter()
            .flat_map(|t| &t.optimizer_state)
            .zip(read.training.iter().flat_map(|t| &t.optimizer_state))
        {
            assert_eq!(bits(&buffer.1), bits(&again.1));
        }
    }
}

#[test]
fn the_template_is_part_of_the_description() {
    let mut checkpoint = checkpoint(false);
    assert_eq!(checkpoint.description.preprocessing.template, None);
    // Values without short decimal representations.
    let template = [[1.0 / 3.0, 0.1], [2.7, 0.1], [1.5, 2.0_f32.sqrt()], [0.7, 3.1], [2.3, f32::EPSILON]];
    checkpoint.description.preprocessing.template = Some(template);
    let read = Checkpoint::from_bytes(&written(&checkpoint)).unwrap();
    assert_eq!(read.description.preprocessing.template, Some(template));
    assert_eq!(read, checkpoint);
}

#[test]
fn training_without_optimizer_state() {
    let mut checkpoint = checkpoint(true);
    checkpoint.training.as_mut().unwrap().optimizer_state.clear();
    assert_eq!(Checkpoint::from_bytes(&written(&checkpoint)).unwrap(), checkpoint);
}

#[test]
fn the_calibration_is_optional() {
    for (training, calibration) in [(false, None), (false, Some("")), (true, None), (true, Some("1"))] {
        let checkpoint = Checkpoint { calibration: calibration.map(str::to_owned), ..checkpoint(training) };
        let parts = Parts::of(&checkpoint);
        assert_eq!(parts.metadata.get("calibration").map(String::as_str), calibration);
        assert_eq!(parts.read().unwrap(), checkpoint);
    }
}

#[test]
fn networks_round_trip() {
    let description = Description::from_toml(DESCRIPTION).unwrap();
    let network: Network<f32> = Network::new(description, Initializer::HeNormal, 1).unwrap();
    let checkpoint = Checkpoint::from(network.clone());
    assert_eq!((&checkpoint.calibration, &checkpoint.training), (&None, &None));
    let again = Network::from_checkpoint(checkpoint).unwrap();
    assert_eq!(again.description(), network.description());
    assert_eq!((again.parameters, again.statistics), (network.parameters, network.statistics));
}

#[test]
fn equal_checkpoints_give_equal_bytes() {
    let bytes = written(&checkpoint(true));
    for _ in 0..8 {
        assert_eq!(bytes, written(&checkpoint(true)));
    }
    assert_eq!(bytes, written(&Checkpoint::from_bytes(&bytes).unwrap()));
}

#[test]
fn the_safetensors_crate_reads_and_writes_the_same_files() {
    let checkpoint = checkpoint(true);
    let parts = Parts::of(&checkpoint);
    assert_eq!(parts.metadata["format"], "facenet-checkpoint");
    assert_eq!(parts.metadata["step"], u64::MAX.to_string());
    let names: Vec<_> = parts.tensors.keys().filter(|name| !name.starts_with("optimizer")).collect();
    let expected = [
        "embedding.weight",
        "first.batch_norm.mean",
        "first.batch_norm.scale",
        "first.batch_norm.shift",
        "first.batch_norm.variance",
        "first.slope",
        "first.weight",
        "second.bias",
        "second.weight",
    ];
    assert_eq!(names, expected);
    assert!(parts.tensors.contains_key("optimizer.second_moment/first.slope"));
    assert_eq!(parts.tensors["first.weight"].1, [3, 3, 3, 2]);
    assert_eq!(parts.read().unwrap(), checkpoint);
    let header = u64::from_le_bytes(written(&checkpoint)[..8].try_into().unwrap());
    assert_eq!(header % 8, 0, "tensor data is aligned");
}

/// A disk with room for `room` bytes.
struct Disk {
    written: Vec<u8>,
    room: usize,
}

impl io::Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let fits = bytes.len().min(self.room - self.written.len());
        if fits == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.written.extend(&bytes[..fits]);
        Ok(fits)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_disk_that_fills_up_at_any_byte_is_an_error() {
    let checkpoint = checkpoint(true);
    let whole = written(&checkpoint);
    for room in 0..=whole.len() {
        let mut disk = Disk { written: Vec::new(), room };
        match checkpoint.write(&mut disk) {
            Ok(()) => assert_eq!(room, whole.len()),
            Err(error) => assert_eq!((error.kind(), room < whole.len()), (io::ErrorKind::StorageFull, true)),
        }
        assert!(disk.written == whole[..room], "{room}");
    }
}

#[test]
fn files_in_memory_need_not_be_aligned() {
    let parts = Parts::of(&checkpoint(true));
    let bytes = parts.bytes();
    for shift in 0..4 {
        let shifted = [&vec![0; shift], &*bytes].concat();
        assert_eq!(Checkpoint::from_bytes(&shifted[shift..]).unwrap(), checkpoint(true));
    }
}

#[test]
fn truncated_and_lengthened_files_are_refused() {
    let mut bytes = written(&checkpoint(true));
    for length in 0..bytes.len() {
        assert!(is_syntax(&bytes[..length]), "{length}");
    }
    bytes.push(0);
    assert!(is_syntax(&bytes));
}

#[test]
fn wrong_header_bytes_never_panic() {
    let bytes = written(&checkpoint(true));
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    for index in 0..8 + header {
        let mut wrong = bytes.clone();
        for byte in [0, b'0', b'9', b'"', b'{', b'}', b'-', b'a', b' ', b'\\', 0xff, bytes[index] ^ 1] {
            wrong[index] = byte;
            // If the file is still valid, with another name or step, it can be written.
            if let Ok(checkpoint) = Checkpoint::from_bytes(&wrong) {
                written(&checkpoint);
            }
        }
    }
}

proptest! {
    #[test]
    fn wrong_bytes_never_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut bytes = written(&checkpoint(true));
        for (index, byte) in changes {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        if let Ok(checkpoint) = Checkpoint::from_bytes(&bytes) {
            written(&checkpoint);
        }
    }

    #[test]
    fn garbage_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), header in "\\PC{0,80}") {
        prop_assert!(is_syntax(&bytes));
        prop_assert!(is_syntax(&file(&header, &bytes)));
    }
}

#[test]
fn hostile_headers_are_refused() {
    let tensor = |name: &str, dtype: &str, shape: &str, start: u64, end: u64| {
        format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{start},{end}]}}"#)
    };
    // Eight tensors of 2^61 - 1 bytes and one of 0: adding the header's length to their sum
    // overflows.
    let large = (1_u64 << 61) - 1;
    let tensors: Vec<_> = (0..8_u64)
        .map(|index| tensor(&format!("x{index}"), "U8", &format!("[{large}]"), index * large, (index + 1) * large))
        .collect();
    let full = tensor("x", "U8", "[7]", 8 * large, 8 * large + 7);
    let headers = [
        String::new(),
        "{}x".to_owned(),
        "[]".to_owned(),
        "[".repeat(100_000),
        r#"{"a":"#.repeat(100_000),
        format!("{{{}}}", tensors.join(",")),
        format!("{{{},{full}}}", tensors.join(",")),
        format!("{{{}}}", tensor("x", "F32", "[4294967296, 4294967296]", 0, 0)),
        format!("{{{}}}", tensor("x", "F32", "[2305843009213693952]", 0, u64::MAX)),
        format!("{{{}}}", tensor("x", "F32", "[1]", 4, 0)),
        format!("{{{}}}", tensor("x", "F32", "[1]", 4, 8)),
        format!("{{{}}}", tensor("x", "F32", "[-1]", 0, 4)),
        format!("{{{}}}", tensor("x", "F33", "[1]", 0, 4)),
        format!("{{{}}}", tensor("x", "F4", "[1]", 0, 1)),
        format!("{{{},{}}}", tensor("x", "F32", "[1]", 0, 4), tensor("y", "F32", "[1]", 0, 4)),
        r#"{"__metadata__":{"format":1}}"#.to_owned(),
    ];
    for header in headers {
        assert!(is_syntax(&file(&header, &[0; 4])), "{header:.100}");
    }
    for length in [1 << 40, u64::MAX - 7, u64::MAX] {
        assert!(is_syntax(&[&length.to_le_bytes(), &b"{}      "[..]].concat()), "{length}");
    }
}

#[test]
fn metadata_is_checked_field_by_field() {
    let base = checkpoint(true);
    for field in ["format", "version", "description", "seed", "step", "recipe", "pictures"] {
        let mut parts = Parts::of(&base);
        parts.metadata.remove(field);
        let result = parts.read();
        assert!(matches!(&result, Err(Error::CheckpointMetadata { field: named }) if *named == field), "{result:?}");
    }
    // Files of older versions have no history.
    let mut parts = Parts::of(&base);
    parts.metadata.remove("history");
    assert_eq!(parts.read().unwrap().training.unwrap().history, "");
    for (field, value) in [
        ("format", "pt"),
        ("version", "2"),
        ("seed", "1.5"),
        ("step", "-1"),
        ("step", ""),
        ("step", "18446744073709551616"),
    ] {
        let mut parts = Parts::of(&base);
        parts.metadata.insert(field.to_owned(), value.to_owned());
        let result = parts.read();
        assert!(matches!(&result, Err(Error::CheckpointMetadata { field: named }) if *named == field), "{result:?}");
    }
    let none = file("{}", &[]);
    assert!(matches!(Checkpoint::from_bytes(&none), Err(Error::CheckpointMetadata { field: "format" })));
}

#[test]
fn descriptions_are_not_trusted() {
    let read = |description: String| {
        let mut parts = Parts::of(&checkpoint(false));
        parts.metadata.insert("description".to_owned(), description);
        parts.read().unwrap_err()
    };
    for text in ["x", "name = 1", &"[".repeat(200_000), &format!("{}a = 1", "a.".repeat(100_000))] {
        assert!(matches!(read(text.to_owned()), Error::DescriptionSyntax { .. }), "{text:.100}");
    }
    let replaced = |from: &str, to: &str| read(DESCRIPTION.replace(from, to));
    assert!(matches!(replaced("kernel = 3", "kernel = 0"), Error::OutOfRange { field: "kernel", .. }));
    assert!(matches!(replaced("[5, 4]", "[4096, 4097]"), Error::OutOfRange { field: "width", .. }));
    // More parameters than the file has, within the limits.
    assert!(
        matches!(replaced("channels = 5", "channels = 60000"), Error::TensorShape { name, .. } if name == "second.weight")
    );
    let huge = r#"
        name = "huge"
        input = [64, 64]
        embedding = 1
        layers = [{ layer = "fully_connected", name = "huge", channels = 65536, normalization = "none" }]
    "#;
    assert!(matches!(read(huge.to_owned()), Error::MissingTensor { name } if name == "huge.weight"));
    let long = DESCRIPTION.replace("tiny", &"x".repeat(1 << 20));
    assert!(matches!(read(long), Error::TooLarge { what: "bytes of description", .. }));
    let mut parts = Parts::of(&checkpoint(true));
    parts.metadata.insert("recipe".to_owned(), "x".repeat(1 << 20));
    assert!(matches!(parts.read(), Err(Error::TooLarge { what: "bytes of recipe", .. })));
    let mut parts = Parts::of(&checkpoint(false));
    parts.metadata.insert("calibration".to_owned(), "x".repeat(1 << 20));
    assert!(matches!(parts.read(), Err(Error::TooLarge { what: "bytes of calibration", .. })));
}

#[test]
fn missing_tensors_are_errors() {
    let base = checkpoint(true);
    for removed in Parts::of(&base).tensors.keys() {
        let mut parts = Parts::of(&base);
        parts.tensors.remove(removed);
        let result = parts.read();
        assert!(matches!(&result, Err(Error::MissingTensor { name }) if name == removed), "{removed}: {result:?}");
    }
}

#[test]
fn unknown_tensors_are_errors() {
    let unknown = [
        "third.weight",
        "optimizer",
        "optimizer.momentum",
        "optimizer.momentum/",
        "optimizer.momentum/third.weight",
        "optimizer.momentum/first.batch_norm.mean",
        "optimizer.momentum/x/first.weight",
        "Optimizer.momentum/first.weight",
    ];
    for added in unknown {
        let mut parts = Parts::of(&checkpoint(true));
        parts.tensors.insert(added.to_owned(), (Dtype::F32, vec![0], vec![]));
        let result = parts.read();
        assert!(matches!(&result, Err(Error::UnknownTensor { name }) if name == added), "{added}: {result:?}");
    }
    let mut parts = Parts::of(&checkpoint(true));
    parts.metadata.retain(|field, _| !["seed", "step", "recipe", "pictures", "history"].contains(&field.as_str()));
    assert!(matches!(parts.read(), Err(Error::UnknownTensor { name }) if name.starts_with("optimizer.")));
}

#[test]
fn wrong_shapes_and_types_are_errors() {
    for name in ["second.weight", "optimizer.first_moment/second.weight"] {
        let wrong = [
            (Dtype::F32, vec![5, 8], 160),
            (Dtype::F32, vec![40], 160),
            (Dtype::F32, vec![8, 5, 1], 160),
            (Dtype::F32, vec![8, 4], 128),
            (Dtype::F32, vec![], 4),
            (Dtype::F16, vec![8, 5], 80),
            (Dtype::F64, vec![8, 5], 320),
            (Dtype::I32, vec![8, 5], 160),
        ];
        for (dtype, shape, bytes) in wrong {
            let mut parts = Parts::of(&checkpoint(true));
            assert_eq!(parts.tensors[name].1, [8, 5]);
            let expected = format!("tensor {name} is {dtype} {shape:?}, expected F32 [8, 5]");
            parts.tensors.insert(name.to_owned(), (dtype, shape, vec![0; bytes]));
            assert_eq!(parts.read().unwrap_err().to_string(), expected);
        }
    }
}

#[test]
fn values_must_be_finite_and_variances_not_negative() {
    let base = checkpoint(true);
    for named in Parts::of(&base).tensors.keys() {
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut parts = Parts::of(&base);
            parts.set(named, 1, value);
            let result = parts.read();
            assert!(matches!(&result, Err(Error::NotFinite { name }) if name == named), "{named}: {result:?}");
        }
    }
    let mut parts = Parts::of(&base);
    parts.set("first.batch_norm.variance", 1, -1e-30);
    assert!(matches!(parts.read(), Err(Error::NegativeVariance { name }) if name == "first.batch_norm.variance"));
}

/// The error of a refused write, which must not have written anything.
fn refusal(checkpoint: &Checkpoint) -> Error {
    let mut bytes = Vec::new();
    let error = checkpoint.write(&mut bytes).unwrap_err();
    assert!(bytes.is_empty());
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    *error.into_inner().unwrap().downcast().unwrap()
}

#[test]
fn invalid_checkpoints_are_not_written() {
    let mut wrong = checkpoint(false);
    wrong.parameters.values[7] = f32::NAN;
    assert!(matches!(refusal(&wrong), Error::NotFinite { name } if name == "first.weight"));

    let mut wrong = checkpoint(true);
    wrong.training.as_mut().unwrap().optimizer_state[1].1.values[0] = f32::INFINITY;
    assert!(matches!(refusal(&wrong), Error::NotFinite { name } if name == "optimizer.second_moment/first.weight"));

    let mut wrong = checkpoint(false);
    wrong.statistics.values[2] = -1.0;
    assert!(matches!(refusal(&wrong), Error::NegativeVariance { name } if name == "first.batch_norm.variance"));

    let mut wrong = checkpoint(true);
    let state = &mut wrong.training.as_mut().unwrap().optimizer_state;
    state.push(state[0].clone());
    assert!(matches!(refusal(&wrong), Error::DuplicateName { name } if name == "optimizer.first_moment/first.weight"));

    let mut wrong = checkpoint(false);
    wrong.description.name = "x".repeat(1 << 20);
    assert!(matches!(refusal(&wrong), Error::TooLarge { what: "bytes of description", .. }));

    let mut wrong = checkpoint(true);
    wrong.training.as_mut().unwrap().recipe = "x".repeat((1 << 18) + 1);
    assert!(matches!(refusal(&wrong), Error::TooLarge { what: "bytes of recipe", .. }));

    let mut wrong = checkpoint(true);
    wrong.training.as_mut().unwrap().dataset = "x".repeat((1 << 18) + 1);
    assert!(matches!(refusal(&wrong), Error::TooLarge { what: "bytes of dataset", .. }));

    let mut wrong = checkpoint(true);
    wrong.training.as_mut().unwrap().history = "x".repeat((1 << 18) + 1);
    assert!(matches!(refusal(&wrong), Error::TooLarge { what: "bytes of history", .. }));

    let mut wrong = checkpoint(false);
    wrong.calibration = Some("x".repeat((1 << 18) + 1));
    assert!(matches!(refusal(&wrong), Error::TooLarge { what: "bytes of calibration", .. }));

    let mut wrong = checkpoint(false);
    wrong.description.embedding = Some(0);
    assert!(matches!(refusal(&wrong), Error::OutOfRange { field: "channels", .. }));
}

#[test]
#[should_panic = "parameters of another network than tiny"]
fn parameters_of_another_network_panic() {
    let mut wrong = checkpoint(false);
    wrong.description.embedding = wrong.description.embedding.map(|dimension| dimension + 1);
    let _ = wrong.write(&mut Vec::new());
}

#[test]
#[should_panic = "optimizer state a/b contains a slash"]
fn optimizer_state_with_a_slash_panics() {
    let mut wrong = checkpoint(true);
    wrong.training.as_mut().unwrap().optimizer_state[0].0 = "a/b".to_owned();
    let _ = wrong.write(&mut Vec::new());
}

#[test]
fn errors_of_the_writer_are_passed_on() {
    let error = checkpoint(true).write(&mut &mut [0; 100][..]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WriteZero);
    assert!(error.source().is_none());
}

#[test]
fn a_checkpoint_continues_training_bit_by_bit() {
    let base = checkpoint(false);
    let table = base.parameters.table();
    let gradients = Initializer::HeNormal.initialize::<f32>(table, 1);
    let config = OptimizerConfig::default();
    let mut whole = Initializer::HeUniform.initialize::<f32>(table, 2);
    let mut optimizer = config.build(table);
    (0..3).for_each(|step| optimizer.update(&mut whole, &gradients, 0.1, step));

    let optimizer_state =
        optimizer.state().into_iter().map(|(name, buffer)| (name.to_owned(), buffer.clone())).collect();
    let training = Some(TrainingState {
        seed: 2,
        step: 3,
        recipe: String::new(),
        dataset: String::new(),
        history: String::new(),
        optimizer_state,
    });
    let bytes = written(&Checkpoint { parameters: whole.clone(), training, ..base.clone() });
    (3..6).for_each(|step| optimizer.update(&mut whole, &gradients, 0.1, step));

    let Checkpoint { mut parameters, training, .. } = Checkpoint::from_bytes(&bytes).unwrap();
    let training = training.unwrap();
    let mut resumed = config.build(parameters.table());
    for ((name, buffer), (saved_name, saved)) in resumed.state_mut().into_iter().zip(training.optimizer_state) {
        assert_eq!(name, saved_name);
        *buffer = saved;
    }
    (training.step..6).for_each(|step| resumed.update(&mut parameters, &gradients, 0.1, step));
    assert_eq!(bits(&whole), bits(&parameters));
}
