//! `networks`, and `train` with `--network`.

use std::fs;

use facenet_network::{NETWORKS, paper_network};
use facenet_tests::Finished;
use serde_json::Value;
use tempfile::TempDir;

use crate::command_line::program::{TINY, done, folder, json, xtask};
use crate::command_line::train::assert_scores;

#[test]
fn networks_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let all = json(folder.path(), &["networks"]);
    let networks = all["networks"].as_array().unwrap();
    let names: Vec<&str> = networks.iter().map(|network| network["name"].as_str().unwrap()).collect();
    assert_eq!(names, NETWORKS);
    for network in networks {
        assert!(network.get("rows").is_none(), "{network}");
        assert!(network["paper"].is_object() && network["activations"].as_u64().unwrap() > 100_000, "{network}");
    }
    let nn2 = &networks[1];
    assert_eq!(nn2["input"], serde_json::json!([224, 224]));
    assert_eq!((&nn2["dimension"], &nn2["weights"]), (&128.into(), &7_448_256.into()));
    assert_eq!((&nn2["biases"], &nn2["multiply_adds"]), (&8_048.into(), &1_596_530_688.into()));
    assert_eq!(nn2["parameters"], 7_448_256 + 8_048);
    assert_eq!((&nn2["paper"]["parameters"], &nn2["paper"]["multiply_adds"]), (&"7.5M".into(), &"1.6B".into()));
    let first = &nn2["paper"]["rows"][0];
    let expected =
        serde_json::json!({ "layer": "conv1", "block": "conv1", "parameters": "9K", "multiply_adds": "119M" });
    assert_eq!((first, nn2["paper"]["rows"].as_array().unwrap().len()), (&expected, 13));
    // What the paper does not state is absent.
    let [nn3, nn4] = [2, 3].map(|index| &networks[index]["paper"]);
    assert!(nn3["source"].is_string() && nn3.as_object().unwrap().len() == 1, "{nn3}");
    assert_eq!((&nn4["multiply_adds"], nn4.get("rows")), (&"285M".into(), None));
    assert_eq!(networks[11]["paper"], serde_json::json!({}));

    // A single network has rows, which add up.
    let one = json(folder.path(), &["networks", "nn2"])["networks"].clone();
    assert_eq!(one.as_array().unwrap().len(), 1);
    let rows = one[0]["rows"].as_array().unwrap().clone();
    for field in ["weights", "biases", "multiply_adds"] {
        let sum: u64 = rows.iter().map(|row| row[field].as_u64().unwrap()).sum();
        assert_eq!(sum, nn2[field].as_u64().unwrap(), "{field}");
    }
    assert_eq!(rows.last().unwrap()["output"], serde_json::json!([1, 1, 128]));
    let mut without = one[0].clone();
    without.as_object_mut().unwrap().remove("rows");
    assert_eq!(without, *nn2);

    // Batch normalization has scales beside its shifts.
    let changed = json(folder.path(), &["networks", "nn2", "--normalization", "batch", "--dimension", "64"]);
    let changed = &changed["networks"][0];
    assert_eq!((&changed["dimension"], &changed["weights"]), (&64.into(), &(7_448_256 - 64 * 1024).into()));
    let layers = |network: &Value| network["rows"].as_array().unwrap().len();
    assert_eq!(layers(changed) + 2, layers(&one[0]), "two rows of local response normalization less");
}

#[test]
fn networks_are_printed_as_tables() {
    let folder = tempfile::tempdir().unwrap();
    let text = done(folder.path(), &["networks"]);
    for name in NETWORKS {
        assert_eq!(text.lines().filter(|line| line.split(' ').next() == Some(name)).count(), 1, "{name} in {text}");
    }
    for name in ["nn1", "nn2"] {
        let text = done(folder.path(), &["networks", name]);
        for printed in paper_network(name).unwrap().rows {
            let line = text.lines().find(|line| line.split(' ').next() == Some(printed.block)).unwrap();
            let cells: Vec<&str> = line.split_whitespace().collect();
            let number = |cell: &str| cell.replace(',', "").parse::<u64>().unwrap();
            let [weights, biases] = [2, 3].map(|column| number(cells[column]));
            assert_eq!(number(cells[5]), weights + biases, "{line}");
            assert_eq!((cells[6], cells[8]), (printed.parameters, printed.multiply_adds), "{line}");
            assert!(number(cells[7]) > number(cells[4]) || cells[1].starts_with("1x1x"), "{line}");
        }
        assert!(text.lines().any(|line| line.starts_with("total ") && line.ends_with(" 1.6B")), "{text}");
    }
    let text = done(folder.path(), &["networks", "nns1"]);
    assert!(text.contains("26M parameters, 220M multiply-adds") && text.contains("stand-in"), "{text}");

    let Finished { code, stdout, stderr } = xtask(folder.path(), &["networks", "nn5"]);
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert!(NETWORKS.iter().all(|name| stderr.contains(name)), "{stderr}");
}

/// What `cargo xtask networks --markdown` prints.
const NETWORKS_PAGE: &str = include_str!("../../../../docs/networks.md");

#[test]
fn the_page_of_networks_is_current() {
    let folder = tempfile::tempdir().unwrap();
    let page = done(folder.path(), &["networks", "--markdown"]);
    assert!(page == NETWORKS_PAGE, "docs/networks.md is not what `cargo xtask networks --markdown` writes");
    for name in NETWORKS {
        assert!(page.contains(&format!("\n## {name}\n")), "{name}");
    }
}

/// A folder with people and `mine.toml`, the example of docs/networks.md.
fn folder_with_a_network() -> TempDir {
    let folder = folder();
    let (_, rest) = NETWORKS_PAGE.split_once("```toml\n").unwrap();
    fs::write(folder.path().join("mine.toml"), rest.split_once("```").unwrap().0).unwrap();
    folder
}

#[test]
fn a_described_network_is_counted_and_trained() {
    let folder = folder_with_a_network();
    let counted = json(folder.path(), &["networks", "mine.toml", "--dimension", "7"]);
    let counted = &counted["networks"][0];
    assert_eq!(
        (&counted["name"], &counted["dimension"], &counted["paper"]),
        (&"mine".into(), &7.into(), &serde_json::json!({}))
    );
    let names: Vec<&str> =
        counted["rows"].as_array().unwrap().iter().map(|row| row["layer"].as_str().unwrap()).collect();
    assert_eq!(names[2..4], ["block2_1", "block2_2"]);
    let train = [&["train", "--network", "mine.toml", "--dimension", "7"][..], &TINY].concat();
    let trained = json(folder.path(), &train);
    assert_eq!((&trained["network"], &trained["train"]["steps"]), (&"mine".into(), &6.into()));
    let checkpoint =
        facenet_recognition::read_checkpoint(&folder.path().join("runs/people/checkpoint.safetensors")).unwrap();
    assert_eq!((checkpoint.description.input, checkpoint.description.embedding), ([64, 64], Some(7)));
}

#[test]
fn the_network_option_changes_the_recipe() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["run", "--quick", "--steps", "1", "--network", "nns2", "--normalization", "batch"];
    let result = json(folder.path(), &arguments);
    assert_eq!((&result["network"], &result["train"]["steps"]), (&"nns2".into(), &1.into()));
    assert_scores(&result);
    let train = |arguments: &[&str]| {
        let quick = ["train", "--quick", "--steps", "1", "--out", "train"];
        json(folder.path(), &[&quick[..], arguments].concat())
    };
    assert_eq!(train(&["--network", "nn4_small2", "--dimension", "64"])["network"], "nn4_small2");
    assert_eq!(train(&["--normalization", "none"])["network"], "compact_inception");
    let checkpoint = facenet_recognition::read_checkpoint(&folder.path().join("train/checkpoint.safetensors")).unwrap();
    assert!(checkpoint.statistics.values.is_empty(), "no batch normalization is left");
}

#[test]
fn errors_of_descriptions_name_file_and_layer() {
    let folder = folder_with_a_network();
    let mine = fs::read_to_string(folder.path().join("mine.toml")).unwrap();
    for (part, by, named) in [
        ("kernel = 5", "kernle = 5", "layer conv1: unknown field `kernle`"),
        ("kernel = 5", "kernel = 69", "layer conv1: a 69x69 window with padding 2x2 does not fit a 64x64 input"),
        ("kernel = 5", "kernel = 5000", "layer conv1: kernel is 5000, not between 1 and 1024"),
        ("padding = 2, channels = 32", "padding = 2, channels = 99", "layer block2_1: the residual branch maps"),
        ("padding = 2, channels = 32", "padding = 2, channels = 4000000000", "layer conv1: channels is 4000000000"),
        ("input = [64, 64]", "input = [64, 64000]", "input: width is 64000"),
        ("embedding = 64", "embedding = 6400000", "layer embedding: channels is 6400000"),
        ("repeat = 2", "repeat = 2000000000", "layer block2: repeat is 2000000000"),
        ("name = \"mine\"", "name = mine", "not a network description"),
    ] {
        assert_eq!(mine.matches(part).count(), 1, "{part}");
        fs::write(folder.path().join("wrong.toml"), mine.replace(part, by)).unwrap();
        for command in [&["networks", "wrong.toml"][..], &["train", "--network", "wrong.toml"]] {
            let Finished { code, stdout, stderr } = xtask(folder.path(), command);
            assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
            assert!(stderr.starts_with("error: in wrong.toml: ") && stderr.contains(named), "{named} in {stderr}");
        }
    }
    for (file, named) in
        [("absent.toml", "can't read absent.toml: "), ("people/", "can't read people/: not a regular file")]
    {
        let Finished { code, stderr, .. } = xtask(folder.path(), &["networks", file]);
        assert!(code == Some(1) && stderr.contains(named), "{stderr}");
    }
    let long = fs::File::create(folder.path().join("long.toml")).unwrap();
    long.set_len(1 << 33).unwrap();
    let Finished { code, stderr, .. } = xtask(folder.path(), &["networks", "long.toml"]);
    assert!(code == Some(1) && stderr.contains("can't read long.toml: longer than "), "{stderr}");
    let Finished { code, stderr, .. } =
        xtask(folder.path(), &["networks", "nn4_small2", "--normalization", "local_response"]);
    assert!(code == Some(1) && stderr.contains("nn4_small2 has no local response normalization"), "{stderr}");
}
