//! Weights files: recognizing the format, importing the tensors, errors.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use facenet_network::{Checkpoint, Description, Error as NetworkError, Initializer, NameMap, Network, built_in};
use facenet_recognition::{
    Calibration, Error, ForeignNetwork, calibration_text, read_checkpoint, read_weights, weights_sha256,
    write_checkpoint,
};

const DESCRIPTION: &str = r#"
name = "mine"
input = [5, 4]
embedding = 2
layers = [
    { layer = "convolution", name = "conv", kernel = [3, 2], channels = 4 },
    { layer = "global_average_pool" },
]
"#;

const MAP: &str = r#"
network = "mine"

[tensors]
"conv.weight" = "features.0.weight"
"conv.batch_norm.scale" = "features.1.weight"
"conv.batch_norm.shift" = "features.1.bias"
"conv.batch_norm.mean" = "features.1.running_mean"
"conv.batch_norm.variance" = "features.1.running_var"
"embedding.weight" = "head.weight"
"#;

/// The name, shape and first element of each tensor; elements increase by 1.
const TENSORS: [(&str, &[usize], f32); 6] = [
    ("features.0.weight", &[4, 3, 3, 2], 1000.0),
    ("features.1.weight", &[4], 10.0),
    ("features.1.bias", &[4], 20.0),
    ("features.1.running_mean", &[4], 30.0),
    ("features.1.running_var", &[4], 40.0),
    ("head.weight", &[2, 4], 100.0),
];

fn description() -> Description {
    Description::from_toml(DESCRIPTION).unwrap()
}

fn map() -> NameMap {
    NameMap::from_toml(MAP).unwrap()
}

fn mine() -> ForeignNetwork {
    ForeignNetwork { network: Some(description()), map: Some(map()), tensors: None }
}

fn network() -> Network<f32> {
    Network::new(description(), Initializer::HeNormal, 3).unwrap()
}

/// A safetensors file: the length of the header, the header, the elements.
fn safetensors(tensors: &[(&str, &[usize], f32)]) -> Vec<u8> {
    let (mut header, mut data) = (BTreeMap::new(), Vec::<u8>::new());
    for &(name, shape, first) in tensors {
        let start = data.len();
        let count = shape.iter().product::<usize>();
        data.extend((0..count).flat_map(|index| (first + index as f32).to_le_bytes()));
        let info = serde_json::json!({ "dtype": "F32", "shape": shape, "data_offsets": [start, data.len()] });
        header.insert(name, info);
    }
    let header = serde_json::to_vec(&header).unwrap();
    [&(header.len() as u64).to_le_bytes(), &*header, &*data].concat()
}

/// All parameters and statistics by name.
fn entries(network: &Checkpoint) -> BTreeMap<&str, &[f32]> {
    let groups = [&network.parameters, &network.statistics].into_iter();
    let entries = groups.flat_map(|group| {
        group.table().entries().iter().enumerate().map(|(index, entry)| (&*entry.name, group.entry(index)))
    });
    entries.collect()
}

/// The error of reading `path`, which names the file `blamed`.
fn refused(path: &Path, foreign: &ForeignNetwork, blamed: &Path) -> Error {
    let error = read_weights(path, foreign).unwrap_err();
    assert!(error.to_string().contains(blamed.to_str().unwrap()), "{} in {error}", blamed.display());
    error
}

#[test]
fn a_checkpoint_describes_its_network() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let calibration = Calibration { threshold: 1.3, slope: 0.1 + 0.2 };
    let calibrated = Checkpoint { calibration: Some(calibration_text(&calibration)), ..Checkpoint::from(network()) };
    for (checkpoint, expected) in [(Checkpoint::from(network()), None), (calibrated, Some(calibration))] {
        write_checkpoint(&path, &checkpoint).unwrap();
        let read = read_weights(&path, &ForeignNetwork::default()).unwrap();
        assert_eq!(read, checkpoint);
        assert_eq!(facenet_recognition::calibration(&read, &path).unwrap(), expected);
        assert_eq!(weights_sha256(&Network::from_checkpoint(read).unwrap()), weights_sha256(&network()));
    }
}

#[test]
fn invalid_calibrations_are_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    for text in [
        "",
        "threshold = 1.3",
        "threshold = 1.3\nslope = 14.0\nodds = 1.0",
        "threshold = '1.3'\nslope = 14.0",
        "threshold = nan\nslope = 14.0",
        "threshold = 1.3\nslope = 0.0",
        "threshold = 1.3\nslope = inf",
        "threshold = 40.0\nslope = 14.0",
    ] {
        let checkpoint = Checkpoint { calibration: Some(text.to_owned()), ..Checkpoint::from(network()) };
        write_checkpoint(&path, &checkpoint).unwrap();
        let errors = [refused(&path, &ForeignNetwork::default(), &path), read_checkpoint(&path).unwrap_err()];
        for error in errors {
            let expected = matches!(error, Error::CalibrationSyntax { .. } | Error::Calibration { .. });
            assert!(expected && error.to_string().contains("calibration"), "{text}: {error}");
        }
    }
}

#[test]
fn safetensors_of_another_program_are_imported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("foreign.safetensors");
    fs::write(&path, safetensors(&TENSORS)).unwrap();
    let network = read_weights(&path, &mine()).unwrap();
    assert_eq!(network.description, description());
    assert_eq!((&network.calibration, &network.training), (&None, &None));
    let entries = entries(&network);
    assert_eq!(entries.len(), TENSORS.len());
    // [kh, kw, in, out] here, [out, in, kh, kw] in the file.
    let weights = entries["conv.weight"];
    for (index, &weight) in weights.iter().enumerate() {
        let (row, column, input, output) = (index / 24, index / 12 % 2, index / 4 % 3, index % 4);
        assert_eq!(weight, 1000.0 + (output * 18 + input * 6 + row * 2 + column) as f32, "{index}");
    }
    assert_eq!(weights.len(), 72);
    assert_eq!(entries["conv.batch_norm.scale"], [10.0, 11.0, 12.0, 13.0]);
    assert_eq!(entries["conv.batch_norm.shift"], [20.0, 21.0, 22.0, 23.0]);
    assert_eq!(entries["conv.batch_norm.mean"], [30.0, 31.0, 32.0, 33.0]);
    assert_eq!(entries["conv.batch_norm.variance"], [40.0, 41.0, 42.0, 43.0]);
    assert_eq!(entries["embedding.weight"], [100.0, 104.0, 101.0, 105.0, 102.0, 106.0, 103.0, 107.0]);
}

/// Both formats of `torch.save` are recognized by their first bytes, whatever the file name.
#[test]
fn state_dictionaries_of_pytorch_are_imported() {
    let description = Description::from_toml(
        r#"
        name = "small"
        input = [1, 2]
        embedding = 3
        layers = [{ layer = "convolution", name = "conv", kernel = [1, 2], channels = 2 }]
        "#,
    );
    let map = NameMap::from_toml(
        r#"
        network = "small"
        ignored = ["half", "bfloat16", "double", "channels_last", "shared.middle", "shared.even", "expanded", "scalar", "empty"]

        [tensors]
        "conv.weight" = "conv.weight"
        "conv.batch_norm.scale" = "bn.weight"
        "conv.batch_norm.shift" = "bn.bias"
        "conv.batch_norm.mean" = "bn.running_mean"
        "conv.batch_norm.variance" = "bn.running_var"
        "embedding.weight" = "transposed"
        "#,
    );
    let foreign = ForeignNetwork { network: Some(description.unwrap()), map: Some(map.unwrap()), tensors: None };
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("../facenet-network/tests/pytorch_files");
    for name in ["zip.pt", "legacy.pt"] {
        let network = read_weights(&files.join(name), &foreign).unwrap();
        let entries = entries(&network);
        for (index, &weight) in entries["conv.weight"].iter().enumerate() {
            let (column, input, output) = (index / 6, index / 2 % 3, index % 2);
            assert_eq!(weight, (output * 6 + input * 2 + column) as f32 / 4.0 - 1.0, "{name}, {index}");
        }
        assert_eq!(entries["conv.batch_norm.mean"], [-3.0, 0.75]);
        assert_eq!(entries["conv.batch_norm.variance"], [4.0, 0.0625]);
        assert_eq!(entries["embedding.weight"], [0.0, 0.25, 0.5, 0.75, 1.0, 1.25]);
    }
    // A truncated file is an error that names it.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.bin");
    for name in ["zip.pt", "legacy.pt"] {
        let bytes = fs::read(files.join(name)).unwrap();
        for length in [2, 4, 30, bytes.len() / 2, bytes.len() - 1] {
            fs::write(&path, &bytes[..length]).unwrap();
            assert!(matches!(refused(&path, &foreign, &path), Error::Weights { .. }), "{name}, {length}");
        }
    }
}

#[test]
fn files_of_no_known_format_are_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["absent.safetensors", "absent.pt", "absent.xml"] {
        assert!(matches!(refused(&path(name), &mine(), &path(name)), Error::Read { .. }), "{name}");
    }
    assert!(matches!(refused(folder.path(), &mine(), folder.path()), Error::Read { .. }));
    for (name, bytes) in [("empty", &b""[..]), ("text.pt", b"not a weights file at all"), ("zeros", &[0; 64])] {
        fs::write(path(name), bytes).unwrap();
        let error = refused(&path(name), &mine(), &path(name));
        assert!(matches!(error, Error::Weights { .. }), "{name}: {error}");
    }
    // A missing .bin is named itself.
    fs::write(path("model.xml"), "<net version=\"10\"></net>").unwrap();
    assert!(matches!(refused(&path("model.xml"), &mine(), &path("model.bin")), Error::Read { .. }));
    fs::create_dir(path("model.bin")).unwrap();
    assert!(matches!(refused(&path("model.xml"), &mine(), &path("model.bin")), Error::Read { .. }));
}

#[test]
fn truncated_files_are_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.safetensors");
    let mut checkpoint = Vec::new();
    Checkpoint::from(network()).write(&mut checkpoint).unwrap();
    for (whole, step, foreign) in [(safetensors(&TENSORS), 1, mine()), (checkpoint, 7, ForeignNetwork::default())] {
        for length in (0..whole.len()).step_by(step).chain([whole.len() - 1]) {
            fs::write(&path, &whole[..length]).unwrap();
            let error = refused(&path, &foreign, &path);
            assert!(matches!(error, Error::Weights { .. }), "{length} bytes: {error}");
        }
        fs::write(&path, &whole).unwrap();
        read_weights(&path, &foreign).unwrap();
    }
}

#[test]
fn unknown_networks_are_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("foreign.safetensors");
    fs::write(&path, safetensors(&TENSORS)).unwrap();
    let refused =
        |network, map: Option<NameMap>| refused(&path, &ForeignNetwork { network, map, tensors: None }, &path);
    // No built-in map matches; none is built in for the network; the map's network is not built in.
    assert!(matches!(refused(None, None), Error::UnknownWeights { .. }));
    assert!(matches!(refused(Some(description()), None), Error::NoNameMap { .. }));
    assert!(matches!(refused(None, Some(map())), Error::MapOfUnknownNetwork { .. }));
    let error = refused(built_in("nn4_small2"), Some(map()));
    assert!(
        matches!(&error, Error::Weights { source: NetworkError::NetworkMismatch { map, network }, .. }
            if (&**map, &**network) == ("mine", "nn4_small2")),
        "{error}"
    );
    // The network has a built-in map, whose tensors are missing.
    let error = refused(built_in("mobilefacenet_y1"), None);
    assert!(matches!(error, Error::Weights { source: NetworkError::NoMatchingTensors { .. }, .. }), "{error}");
}

#[test]
fn tensors_that_do_not_match_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("foreign.safetensors");
    let refused = |tensors: &[(&str, &[usize], f32)], named: &str| {
        fs::write(&path, safetensors(tensors)).unwrap();
        let error = refused(&path, &mine(), &path).to_string();
        assert!(error.contains(named), "{named} in {error}");
    };
    refused(&TENSORS[..5], "head.weight");
    refused(&[&TENSORS[..], &[("classifier", &[2], 0.0)]].concat(), "classifier");
    refused(&[&TENSORS[..5], &[("head.weight", &[4, 2], 0.0)]].concat(), "head.weight");
    refused(&[&TENSORS[..5], &[("head.weight", &[2, 4], f32::NAN)]].concat(), "head.weight");
    let negative = ("features.1.running_var", &[4][..], -1.0);
    refused(&[&TENSORS[..4], &[negative], &TENSORS[5..]].concat(), "features.1.running_var");
}

/// A file with the weights of two networks, each under a prefix of its own.
#[test]
fn the_place_of_the_tensors_can_be_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("two.safetensors");
    let names: Vec<_> = ["model", "model_ema"]
        .iter()
        .flat_map(|place| TENSORS.map(|(name, shape, first)| (format!("{place}.{name}"), shape, first)))
        .collect();
    let mut tensors: Vec<_> = names.iter().map(|(name, shape, first)| (&**name, *shape, *first)).collect();
    tensors[6].2 += 1.0;
    fs::write(&path, safetensors(&tensors)).unwrap();
    let error = refused(&path, &mine(), &path);
    assert!(matches!(error, Error::Weights { source: NetworkError::NoMatchingTensors { .. }, .. }), "{error}");
    for (place, first) in [("model", 1000.0), ("model_ema", 1001.0)] {
        let foreign = ForeignNetwork { tensors: Some(place.to_owned()), ..mine() };
        assert_eq!(entries(&read_weights(&path, &foreign).unwrap())["conv.weight"][0], first);
    }
    let foreign = ForeignNetwork { tensors: Some("teacher".to_owned()), ..mine() };
    let error = refused(&path, &foreign, &path);
    assert!(matches!(error, Error::Weights { source: NetworkError::NoTensorsAt { .. }, .. }), "{error}");
    // One of them alone has a prefix, which is removed.
    fs::write(&path, safetensors(&tensors[..6])).unwrap();
    assert_eq!(entries(&read_weights(&path, &mine()).unwrap())["conv.weight"][0], 1000.0);
}

#[test]
fn a_checkpoint_takes_no_network_or_map() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    write_checkpoint(&path, &Checkpoint::from(network())).unwrap();
    read_weights(&path, &ForeignNetwork::default()).unwrap();
    assert!(matches!(refused(&path, &mine(), &path), Error::NotForeign { .. }));
    let foreign = ForeignNetwork { tensors: Some("model".to_owned()), ..ForeignNetwork::default() };
    assert!(matches!(refused(&path, &foreign, &path), Error::NotForeign { .. }));
}

/// A safetensors file starts with the length of its header: 128 and 19,280 look like a pickle and a
/// zip archive.
#[test]
fn header_lengths_are_not_mistaken_for_other_formats() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("foreign.safetensors");
    let file = safetensors(&TENSORS);
    let length = usize::try_from(u64::from_le_bytes(file[..8].try_into().unwrap())).unwrap();
    let (header, data) = file[8..].split_at(length);
    for length in [length.next_multiple_of(256) + 128, 19_280] {
        let mut padded = (length as u64).to_le_bytes().to_vec();
        padded.extend(header);
        padded.resize(8 + length, b' ');
        padded.extend(data);
        fs::write(&path, padded).unwrap();
        read_weights(&path, &mine()).unwrap();
    }
}
