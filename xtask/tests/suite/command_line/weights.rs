//! `import` and `evaluate`.

use std::fs;

use facenet_data::SyntheticFaces;
use facenet_tests::{Finished, write_image};
use tempfile::TempDir;

use crate::command_line::program::{done, json, xtask};

const WEIGHTS_PAGE: &str = include_str!("../../../../docs/weights.md");

/// The tensors of the example in docs/weights.md, in PyTorch's names and layouts.
const EXAMPLE: [(&str, &[usize]); 12] = [
    ("features.0.weight", &[16, 3, 5, 5]),
    ("features.0.bias", &[16]),
    ("features.1.weight", &[16]),
    ("features.1.bias", &[16]),
    ("features.1.running_mean", &[16]),
    ("features.1.running_var", &[16]),
    ("features.3.weight", &[32, 16, 3, 3]),
    ("features.4.weight", &[32]),
    ("features.4.bias", &[32]),
    ("features.4.running_mean", &[32]),
    ("features.4.running_var", &[32]),
    ("head.weight", &[24, 32]),
];

/// A folder with the example of docs/weights.md: `mine.toml`, `map.toml`, matching weights and a
/// pair list.
fn folder_with_weights() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let examples: Vec<&str> =
        WEIGHTS_PAGE.split("```toml\n").skip(1).map(|block| block.split_once("```").unwrap().0).collect();
    assert_eq!(examples.len(), 2);
    fs::write(path("mine.toml"), examples[0]).unwrap();
    fs::write(path("map.toml"), examples[1]).unwrap();

    let (mut header, mut data) = (serde_json::Map::new(), Vec::<u8>::new());
    let classifier = ("classifier.weight", &[9, 24][..]);
    for (index, (name, shape)) in EXAMPLE.into_iter().chain([classifier]).enumerate() {
        let start = data.len();
        // Sine waves of many frequencies, positive for variances.
        let values = (0..shape.iter().product::<usize>()).map(|at| ((at * (index + 3)) as f32).sin());
        let offset = if name.ends_with("running_var") { 1.5 } else { 0.0 };
        data.extend(values.flat_map(|value| (value + offset).to_le_bytes()));
        let info = serde_json::json!({ "dtype": "F32", "shape": shape, "data_offsets": [start, data.len()] });
        header.insert(name.to_owned(), info);
    }
    let header = serde_json::to_vec(&header).unwrap();
    fs::write(path("mine.safetensors"), [&(header.len() as u64).to_le_bytes(), &*header, &*data].concat()).unwrap();

    let world = SyntheticFaces::new(1);
    for person in 1..=4 {
        let own = path("people").join(format!("p{person}"));
        fs::create_dir_all(&own).unwrap();
        for number in 1..=2 {
            let image = world.portrait(person, number, [50, 40]);
            write_image(&own.join(format!("p{person}_000{number}.png")), &image);
        }
    }
    let list = "2 2\np1 1 2\np2 1 2\np1 1 p2 1\np1 2 p2 2\np3 1 2\np4 1 2\np3 1 p4 1\np3 2 p4 2\n";
    fs::write(path("pairs.txt"), list.replace(' ', "\t")).unwrap();
    folder
}

#[test]
fn foreign_weights_are_imported_and_evaluated() {
    let folder = folder_with_weights();
    let foreign = ["--network", "mine.toml", "--map", "map.toml"];
    let imported = json(folder.path(), &[&["import", "mine.safetensors"][..], &foreign].concat());
    assert_eq!((&imported["file"], &imported["network"]), (&"mine.safetensors".into(), &"mine".into()));
    assert_eq!(imported["parameters"], 5 * 5 * 3 * 16 + 2 * 16 + 3 * 3 * 16 * 32 + 2 * 32 + 32 * 24);
    assert_eq!(imported["weights_sha256"].as_str().unwrap().len(), 64);
    assert_eq!(imported["checkpoint"], "runs/mine/checkpoint.safetensors");
    let checkpoint =
        facenet_recognition::read_checkpoint(&folder.path().join("runs/mine/checkpoint.safetensors")).unwrap();
    assert!(checkpoint.description.name == "mine" && checkpoint.training.is_none());
    let text = done(folder.path(), &[&["import", "mine.safetensors", "--out", "out/here"][..], &foreign].concat());
    assert!(text.contains("weights of mine, 6,672 parameters"), "{text}");
    assert!(text.ends_with("out/here/checkpoint.safetensors written\n"), "{text}");

    // The checkpoint needs no name map; the file does, and gives the same scores.
    let pairs = ["evaluate", "pairs", "pairs.txt", "--images", "people", "--weights"];
    let result = json(folder.path(), &[&pairs[..], &["out/here/checkpoint.safetensors"]].concat());
    let mut keys: Vec<&str> = result.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    let expected = "accuracy auc calibration doubtful eer faces network pairs pairs_of seconds standard_deviation standard_error thresholds val_at_far weights_sha256";
    assert_eq!(keys.join(" "), expected);
    assert_eq!(
        (&result["network"], &result["pairs"], &result["faces"]["cropped"]),
        (&"mine".into(), &8.into(), &8.into())
    );
    assert_eq!(result["thresholds"].as_array().unwrap().len(), 2);
    assert!(result["calibration"].is_null());
    for field in ["accuracy", "auc", "eer", "standard_error", "standard_deviation"] {
        assert!(result[field].as_f64().is_some_and(|value| (0.0..=1.0).contains(&value)), "{field} in {result}");
    }
    let rates = result["val_at_far"].as_array().unwrap();
    for (rate, far) in rates.iter().zip([0.001, 0.01, 0.1]) {
        assert!(rate["far"] == far && rate["val"].is_null() && rate["achieved_far"].is_null(), "not resolved: {rate}");
    }
    assert_eq!(rates.len(), 3);
    let mut direct = json(folder.path(), &[&pairs[..], &["mine.safetensors"], &foreign].concat());
    direct["seconds"] = result["seconds"].clone();
    assert_eq!(direct, result);

    let text = done(folder.path(), &[&pairs[..], &["out/here/checkpoint.safetensors", "--threads", "1"]].concat());
    for row in
        ["mine: 8 pairs, faces cropped: 8, ", "accuracy  ", "validation rate at FAR 0.001 ", "over 2 folds", "± is"]
    {
        assert!(text.contains(row), "{row} in {text}");
    }
}

#[test]
fn unusable_weights_are_errors() {
    let folder = folder_with_weights();
    let write = |name: &str, part: &str, by: &str| {
        let map = fs::read_to_string(folder.path().join("map.toml")).unwrap();
        assert_eq!(map.matches(part).count(), 1, "{part}");
        fs::write(folder.path().join(name), map.replace(part, by)).unwrap();
    };
    write("syntax.toml", "ignored = [", "ignore = [");
    write("tensor.toml", "\"head.weight\"", "\"feet.weight\"");
    let evaluate = ["evaluate", "pairs", "pairs.txt", "--images", "people", "--weights", "mine.safetensors"];
    for command in [&["import", "mine.safetensors"][..], &evaluate] {
        for (arguments, named) in [
            (
                &[][..],
                "error: the tensors of mine.safetensors match no built-in network\nhelp: pass the network with --network NAME",
            ),
            (
                &["--map", "map.toml"],
                "error: mine.safetensors: the name map is for mine, which is not a built-in network\nhelp: ",
            ),
            (&["--network", "nn2", "--map", "map.toml"], "error: mine.safetensors: "),
            (&["--network", "mine.toml", "--map", "absent.toml"], "error: can't read absent.toml: "),
            (&["--network", "mine.toml", "--map", "syntax.toml"], "error: in syntax.toml: "),
            (&["--network", "mine.toml", "--map", "tensor.toml"], "feet.weight"),
        ] {
            let Finished { code, stdout, stderr } = xtask(folder.path(), &[command, arguments].concat());
            assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
            assert!(stderr.starts_with("error: ") && stderr.contains(named), "{named} in {stderr}");
        }
    }
    assert!(!folder.path().join("runs").exists(), "a failed import leaves no files");
}
