//! The program as its users see it: what it prints where, how it ends, which files it leaves.

use std::fs;
use std::path::Path;

use facenet_data::SyntheticFaces;
use facenet_network::{NETWORKS, paper_network};
use facenet_tests::{Finished, Program, TINY_RECIPE, data, write_people, write_picture};
use serde_json::Value;
use tempfile::TempDir;

/// A folder with `people`, eight with three pictures each, and `tiny.toml`.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_people(&folder.path().join("people"), 8, 3);
    fs::write(folder.path().join("tiny.toml"), TINY_RECIPE).unwrap();
    folder
}

fn xtask(folder: &Path, arguments: &[&str]) -> Finished {
    Program::new(env!("CARGO_BIN_EXE_xtask"), folder).run(arguments)
}

/// A command that succeeds and says nothing beside its result.
fn done(folder: &Path, arguments: &[&str]) -> String {
    let finished = xtask(folder, arguments);
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""), "{arguments:?}: {finished:?}");
    finished.stdout
}

/// The result of a command that prints one line, a JSON document.
fn json(folder: &Path, arguments: &[&str]) -> Value {
    let text = done(folder, &[arguments, &["--json"]].concat());
    assert_eq!((text.lines().count(), text.ends_with('\n')), (1, true), "{text}");
    serde_json::from_str(&text).unwrap()
}

const TINY: [&str; 4] = ["--dataset", "people", "--recipe", "tiny.toml"];

#[test]
fn every_command_explains_itself() {
    let folder = tempfile::tempdir().unwrap();
    let overview = done(folder.path(), &["--help"]);
    for (command, options) in [
        (
            "run",
            &["--dataset", "--data", "--steps", "--minutes", "--seed", "--threads", "--out", "--quick", "--json"][..],
        ),
        (
            "train",
            &["--dataset", "--recipe", "--network", "--normalization", "--dimension", "--resume", "--out", "--json"],
        ),
        ("networks", &["--normalization", "--dimension", "--json"]),
        ("download", &["--data", "--mirror", "--offline", "--json"]),
        ("evaluate", &["lfw", "pairs"]),
        ("import", &["--network", "--map", "--out", "--json"]),
        ("gradcheck", &["--json"]),
    ] {
        assert!(overview.lines().any(|line| line.trim_start().starts_with(&format!("{command} "))), "{overview}");
        let help = done(folder.path(), &[command, "--help"]);
        assert!(help.contains(&format!("Usage: cargo xtask {command}")), "{help}");
        for option in options {
            assert!(help.contains(option), "{option} in {help}");
        }
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "help leaves no files");
}

#[test]
fn wrong_use_ends_with_two() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &[][..],
        &["walk"],
        &["run", "--fast"],
        &["run", "orl"],
        &["run", "--dataset"],
        &["run", "--steps", "0"],
        &["run", "--steps", "-3"],
        &["run", "--steps", "many"],
        &["run", "--minutes", "0"],
        &["run", "--minutes", "nan"],
        &["run", "--minutes", "inf"],
        &["run", "--threads", "0"],
        &["run", "--threads", "100000"],
        &["run", "--seed", "-1"],
        &["run", "--seed", "18446744073709551616"],
        &["run", "--resume", "checkpoint.safetensors", "--steps", "3"],
        &["train", "--resume", "checkpoint.safetensors", "--steps", "3"],
        &["train", "--resume", "checkpoint.safetensors", "--recipe", "tiny.toml"],
        &["train", "--resume", "checkpoint.safetensors", "--seed", "1"],
        &["train", "--resume", "checkpoint.safetensors", "--network", "nn1"],
        &["train", "--resume", "checkpoint.safetensors", "--normalization", "none"],
        &["run", "--resume", "checkpoint.safetensors", "--dimension", "64"],
        &["run", "--network", "nn5"],
        &["run", "--dimension", "0"],
        &["train", "--dimension", "65537"],
        &["train", "--normalization", "layer"],
        &["networks", "nn5"],
        &["networks", ""],
        &["networks", "nn1", "nn2"],
        &["networks", "--normalization", "bias"],
        &["networks", "--markdown", "--json"],
        &["gradcheck", "--seed", "1"],
        &["import"],
        &["import", "one.pt", "other.pt"],
        &["import", "one.pt", "--network", "nn5"],
        &["import", "one.pt", "--steps", "3"],
        &["bench", "pipeline"],
        &["bench", "pipeline", "people", "--pictures", "0"],
        &["bench", "pipeline", "people", "--weights", "one.pt", "--network", "nn1"],
        &["evaluate"],
        &["evaluate", "--weights", "one.pt"],
        &["evaluate", "orl", "--weights", "one.pt"],
        &["evaluate", "lfw"],
        &["evaluate", "lfw", "--weights", "one.pt", "--view", "3"],
        &["evaluate", "lfw", "--weights", "one.pt", "--threads", "0"],
        &["evaluate", "pairs", "list.txt", "--images", "people"],
        &["evaluate", "pairs", "list.txt", "--weights", "one.pt"],
        &["evaluate", "pairs", "--images", "people", "--weights", "one.pt"],
    ] {
        let Finished { code, stdout, stderr } = xtask(folder.path(), arguments);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}: {stderr}");
        let explains = stderr.contains("Usage: cargo xtask") || stderr.contains("try '--help'");
        assert!(explains && !stderr.contains("panicked"), "{arguments:?}: {stderr}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "wrong use leaves no files");
}

#[test]
fn a_network_is_timed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("tiny.toml"),
        r#"
name = "tiny"
input = [20, 20]
embedding = 8
normalization = "bias"
layers = [{ layer = "convolution", name = "first", kernel = 3, channels = 8 }, { layer = "global_average_pool" }]
"#,
    )
    .unwrap();
    for mode in ["infer", "train"] {
        let bench =
            ["bench", "--network", "tiny.toml", "--mode", mode, "--batch", "9", "--threads", "2", "--seconds", "0"];
        let result = json(folder.path(), &bench);
        let numbers =
            [("program", Value::from("facenet")), ("network", Value::from("tiny")), ("mode", Value::from(mode))];
        for (name, expected) in numbers.into_iter().chain([
            ("batch", Value::from(9)),
            ("threads", Value::from(2)),
            ("runs", Value::from(5)),
        ]) {
            assert_eq!(result[name], expected, "{name}: {result}");
        }
        for name in ["images_per_second", "cpu_seconds_per_image", "gflops_per_cpu_second"] {
            assert!(result[name].as_f64().is_some_and(|number| number >= 0.0), "{name}: {result}");
        }
        assert!(result["best_images_per_second"].as_f64() >= result["images_per_second"].as_f64(), "{result}");
        let text = done(folder.path(), &bench);
        assert!(text.contains("images per second") && text.contains("9 at a time on 2 threads"), "{text}");
    }
    let layers = ["bench", "layers", "--network", "tiny.toml", "--batch", "2", "--passes", "3"];
    let result = json(folder.path(), &layers);
    let names: Vec<&str> =
        result["layers"].as_array().unwrap().iter().map(|row| row["layer"].as_str().unwrap()).collect();
    assert_eq!(
        names.iter().map(|name| name.split(' ').next().unwrap()).collect::<Vec<_>>(),
        ["first", "global_average_pool", "embedding"]
    );
    let shares: f64 =
        result["layers"].as_array().unwrap().iter().map(|row| row["share_of_time"].as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() < 1e-9, "{result}");
    assert!(result["peak_gflops"].as_f64().unwrap() > 0.1, "{result}");
    assert!(done(folder.path(), &layers).contains("of the peak"));
}

#[test]
fn the_way_from_pictures_to_embeddings_is_timed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("tiny.toml"),
        r#"
name = "tiny"
input = [20, 20]
embedding = 8
normalization = "bias"
preprocessing = { template = [[6.0, 8.0], [13.0, 8.0], [9.5, 12.0], [7.0, 15.0], [12.0, 15.0]] }
layers = [{ layer = "convolution", name = "first", kernel = 3, channels = 8 }, { layer = "global_average_pool" }]
"#,
    )
    .unwrap();
    let pictures = folder.path().join("pictures");
    fs::create_dir(&pictures).unwrap();
    let world = SyntheticFaces::new(1);
    for number in 1..=5 {
        write_picture(&pictures.join(format!("{number}.jpg")), &world.portrait(1, number, [48, 40]));
    }
    let points = "13\t18\t26\t18\t20\t26\t15\t34\t25\t34";
    fs::write(pictures.join("points.txt"), format!("1.jpg\t{points}\n3.jpg\t{points}\n5.jpg\t{points}\n")).unwrap();
    let bench = ["bench", "pipeline", "pictures", "--network", "tiny.toml", "--landmarks", "pictures/points.txt"];
    let bench = [&bench[..], &["--pictures", "4", "--batch", "3", "--threads", "2", "--seconds", "0"]].concat();
    let result = json(folder.path(), &bench);
    for (name, expected) in [("pictures", 4), ("batch", 3), ("threads", 2), ("rounds", 3)] {
        assert_eq!(result[name], expected, "{name}: {result}");
    }
    let framings = &result["framings"];
    assert_eq!((&framings["landmark_list"], &framings["center_crop"]), (&2.into(), &2.into()), "{result}");
    let number = |name: &str| result[name].as_f64().unwrap();
    for name in ["pictures_per_second", "network_pictures_per_second", "worst_ratio", "cpu_milliseconds"] {
        assert!(number(name) > 0.0, "{name}: {result}");
    }
    assert!(number("worst_ratio") <= number("ratio") && number("ratio") <= number("best_ratio"), "{result}");
    let stages = ["decoding", "alignment", "network"];
    let sum = |of: &str| stages.map(|stage| result[of][stage].as_f64().unwrap()).iter().sum::<f64>();
    // Three divisions and two additions, each rounded.
    assert!((sum("shares") - 1.0).abs() < 1e-9 && sum("stage_cpu_milliseconds") > 0.0, "{result}");
    let text = done(folder.path(), &bench);
    assert!(text.contains("pictures per second") && stages.iter().all(|stage| text.contains(stage)), "{text}");

    fs::write(pictures.join("1.jpg"), "no picture").unwrap();
    let finished = xtask(folder.path(), &bench);
    assert!(finished.code == Some(1) && finished.stderr.contains("1.jpg"), "{finished:?}");
    fs::create_dir(folder.path().join("nothing")).unwrap();
    let finished = xtask(folder.path(), &["bench", "pipeline", "nothing"]);
    assert!(finished.code == Some(1) && finished.stderr.contains("holds no pictures"), "{finished:?}");
}

#[test]
fn gradients_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let result = json(folder.path(), &["gradcheck"]);
    assert_eq!(result["passed"], true);
    let bound = result["bound"].as_f64().unwrap();
    assert!(bound > 0.0 && bound <= 1e-6, "{bound}");
    let gradients = result["gradients"].as_array().unwrap();
    for (operation, gradient) in [
        ("convolution", "dweight"),
        ("depthwise", "dx"),
        ("batch_norm", "dx"),
        ("l2_normalize", "dx"),
        ("triplet_loss", "dembeddings"),
    ] {
        let found = gradients.iter().find(|row| row["operation"] == operation && row["gradient"] == gradient);
        let row = found.unwrap_or_else(|| panic!("{operation}, {gradient}: {result}"));
        assert!(row["relative_error"].as_f64().unwrap() < 1e-6, "{row}");
    }
    let text = done(folder.path(), &["gradcheck"]);
    assert!(text.lines().count() > gradients.len() && !text.contains("FAILED"), "{text}");
}

/// Every field that the scores of a method have.
fn assert_scores(scores: &Value) {
    for (group, field) in [
        ("/verification", "pairs"),
        ("/verification", "accuracy"),
        ("/verification", "standard_error"),
        ("/verification", "auc"),
        ("/verification", "eer"),
        ("/verification", "threshold"),
        ("/identification", "rank1"),
        ("/clustering/kmeans", "pairwise_f"),
        ("/clustering/kmeans", "bcubed_f"),
        ("/clustering/kmeans", "nmi"),
        ("/clustering/agglomerative", "pairwise_f"),
        ("/clustering/agglomerative", "bcubed_f"),
        ("/clustering/agglomerative", "nmi"),
    ] {
        let value = scores.pointer(&format!("{group}/{field}")).and_then(Value::as_f64);
        assert!(value.is_some_and(|value| value >= 0.0), "{group}/{field} in {scores}");
    }
}

#[test]
fn a_run_prints_one_document() {
    let folder = tempfile::tempdir().unwrap();
    let result = json(folder.path(), &["run", "--quick", "--steps", "2", "--seed", "3", "--threads", "2"]);
    assert_eq!((&result["dataset"], &result["network"]), (&"synthetic".into(), &"compact_inception".into()));
    assert_eq!((&result["seed"], &result["threads"], &result["stopped_by"]), (&3.into(), &2.into(), &"steps".into()));
    assert!(result["seconds_total"].as_f64().unwrap() >= result["train"]["seconds"].as_f64().unwrap());
    assert_eq!(result["weights_sha256"].as_str().unwrap().len(), 64);
    let train = &result["train"];
    assert_eq!((&train["people"], &train["images"], &train["steps"]), (&30.into(), &180.into(), &2.into()));
    // 30 people with 6 pictures, 10 and 10 with 5.
    let faces = &result["faces"];
    assert_eq!((&faces["aligned"], &faces["cropped"], &faces["painted"]), (&0.into(), &0.into(), &280.into()));
    assert!(faces["seconds_loading"].as_f64().unwrap() > 0.0);
    assert_scores(&result);
    assert_scores(&result["pixels"]);

    // Without --out: runs/<dataset>.
    let out = folder.path().join("runs/synthetic");
    let kept: Value = serde_json::from_slice(&fs::read(out.join("result.json")).unwrap()).unwrap();
    assert_eq!(kept, result);
    let checkpoint = facenet_recognition::read_checkpoint(&out.join("checkpoint.safetensors")).unwrap();
    assert_eq!((checkpoint.description.name.as_str(), checkpoint.training.unwrap().step), ("compact_inception", 2));
    assert!(out.join("report.html").is_file());
    assert_eq!(fs::read_dir(&out).unwrap().count(), 3);
}

#[test]
fn a_run_prints_a_table() {
    let folder = folder();
    let text = done(folder.path(), &[&["run", "--out", "out/here"][..], &TINY].concat());
    assert!(text.starts_with("people: tiny trained on "), "{text}");
    for row in [
        "faces cropped: 24\n",
        "people never seen",
        "verification: accuracy",
        "identification: rank 1",
        "k-means",
        "agglomerative: B-cubed F",
        "raw pixels",
        "embeddings",
        "6 steps",
        "all steps done",
        "out/here/result.json",
    ] {
        assert!(text.contains(row), "{row} in {text}");
    }
    assert!(folder.path().join("out/here/checkpoint.safetensors").is_file());
    assert!(!text.contains('\u{1b}'), "no colours outside a terminal");
}

#[test]
fn results_tell_which_faces_are_aligned() {
    let folder = folder();
    let recipe = TINY_RECIPE.replace(
        "embedding = 8",
        "embedding = 8\npreprocessing = { template = [[5, 6], [10, 6], [7.5, 9], [5.5, 12], [9.5, 12]] }",
    );
    fs::write(folder.path().join("template.toml"), recipe).unwrap();
    let list = ["p1/1.png", "p8/3.png"].map(|picture| format!("{picture} 6 7 11 7 8.5 10 6.5 13 10.5 13\n"));
    fs::write(folder.path().join("people/landmarks.txt"), list.concat()).unwrap();
    let counts = |command: &str, recipe: &str| {
        let result = json(folder.path(), &[command, "--dataset", "people", "--recipe", recipe, "--steps", "1"]);
        ["aligned", "cropped", "painted"].map(|field| result["faces"][field].as_u64().unwrap())
    };
    assert_eq!(counts("run", "template.toml"), [2, 22, 0]);
    assert_eq!(counts("train", "template.toml"), [2, 22, 0]);
    assert_eq!(counts("train", "tiny.toml"), [0, 24, 0]);
    let arguments = ["--dataset", "people", "--recipe", "template.toml", "--steps", "1"];
    for command in ["run", "train"] {
        let text = done(folder.path(), &[&[command][..], &arguments].concat());
        assert!(text.contains("faces aligned by landmarks: 2, cropped: 22\n"), "{text}");
    }
}

#[test]
fn minutes_stop_early_and_training_goes_on() {
    let folder = folder();
    let train = |arguments: &[&str]| json(folder.path(), &[&["train", "--dataset", "people"], arguments].concat());
    let whole = train(&["--recipe", "tiny.toml", "--out", "whole"]);
    assert_eq!((&whole["stopped_by"], &whole["train"]["steps"]), (&"steps".into(), &6.into()));
    assert_eq!(whole["checkpoint"], "whole/checkpoint.safetensors");

    let cut = train(&["--recipe", "tiny.toml", "--out", "cut", "--minutes", "0.0000001"]);
    assert_eq!((&cut["stopped_by"], &cut["train"]["steps"]), (&"minutes".into(), &1.into()));
    assert_ne!(cut["weights_sha256"], whole["weights_sha256"]);
    let resumed = train(&["--resume", "cut/checkpoint.safetensors", "--out", "cut"]);
    assert_eq!((&resumed["stopped_by"], &resumed["train"]["steps"]), (&"steps".into(), &6.into()));
    assert_eq!(resumed["weights_sha256"], whole["weights_sha256"]);
    let [whole, cut] = ["whole", "cut"].map(|out| fs::read(folder.path().join(out).join("checkpoint.safetensors")));
    assert!(whole.unwrap() == cut.unwrap(), "one checkpoint, byte by byte");

    // Once all is done there is nothing to go on with, and nothing changes.
    let again = train(&["--resume", "cut/checkpoint.safetensors", "--out", "again"]);
    assert_eq!(again["weights_sha256"], resumed["weights_sha256"]);

    let text = done(folder.path(), &[&["train", "--out", "text", "--steps", "2"][..], &TINY].concat());
    assert!(text.contains("2 steps") && text.contains("text/checkpoint.safetensors written"), "{text}");
}

#[test]
fn data_sets_are_found_by_option_and_by_environment() {
    let Some(orl) = data("orl") else { return };
    let root = orl.parent().unwrap();
    let folder = folder();
    let xtask = Program::new(env!("CARGO_BIN_EXE_xtask"), folder.path());
    let arguments = ["train", "--dataset", "orl", "--recipe", "tiny.toml", "--json"];
    let by_environment = xtask.command(arguments).env("FACENET_DATA", root).output().unwrap();
    let by_option = xtask.command(arguments).env("FACENET_DATA", "nowhere").arg("--data").arg(root).output().unwrap();
    let [by_environment, by_option] = [by_environment, by_option].map(|output| {
        let finished = Finished::from(output);
        assert_eq!(finished.code, Some(0), "{finished:?}");
        serde_json::from_str::<Value>(&finished.stdout).unwrap()
    });
    assert_eq!((&by_option["train"]["people"], &by_option["train"]["images"]), (&26.into(), &260.into()));
    assert_eq!(by_environment["weights_sha256"], by_option["weights_sha256"]);
}

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
    // What the paper does not print is not there.
    let [nn3, nn4] = [2, 3].map(|index| &networks[index]["paper"]);
    assert!(nn3["source"].is_string() && nn3.as_object().unwrap().len() == 1, "{nn3}");
    assert_eq!((&nn4["multiply_adds"], nn4.get("rows")), (&"285M".into(), None));
    assert_eq!(networks[11]["paper"], serde_json::json!({}));

    // One of them, with its rows, which add up.
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

    // Changed: batch normalisation has scales beside its shifts.
    let changed = json(folder.path(), &["networks", "nn2", "--normalization", "batch", "--dimension", "64"]);
    let changed = &changed["networks"][0];
    assert_eq!((&changed["dimension"], &changed["weights"]), (&64.into(), &(7_448_256 - 64 * 1024).into()));
    let layers = |network: &Value| network["rows"].as_array().unwrap().len();
    assert_eq!(layers(changed) + 2, layers(&one[0]), "two rows of local response normalisation less");
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
        assert!(text.lines().any(|line| line.starts_with("in all ") && line.ends_with(" 1.6B")), "{text}");
    }
    let text = done(folder.path(), &["networks", "nns1"]);
    assert!(text.contains("26M parameters, 220M multiply-adds") && text.contains("stand-in"), "{text}");

    let Finished { code, stdout, stderr } = xtask(folder.path(), &["networks", "nn5"]);
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert!(NETWORKS.iter().all(|name| stderr.contains(name)), "{stderr}");
}

/// What `cargo xtask networks --markdown` writes.
const NETWORKS_PAGE: &str = include_str!("../../docs/networks.md");

#[test]
fn the_page_of_networks_is_what_the_program_writes() {
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
fn a_network_of_ones_own_is_counted_and_trained() {
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
fn a_network_goes_into_the_recipe() {
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
    assert!(checkpoint.statistics.values.is_empty(), "no batch normalisation is left");
}

#[test]
fn wrong_networks_are_refused_by_file_and_layer() {
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
    for (file, named) in [("absent.toml", "can't read absent.toml: "), ("people/", "can't read people/: a folder")] {
        let Finished { code, stderr, .. } = xtask(folder.path(), &["networks", file]);
        assert!(code == Some(1) && stderr.contains(named), "{stderr}");
    }
    let long = fs::File::create(folder.path().join("long.toml")).unwrap();
    long.set_len(1 << 33).unwrap();
    let Finished { code, stderr, .. } = xtask(folder.path(), &["networks", "long.toml"]);
    assert!(code == Some(1) && stderr.contains("can't read long.toml: it is longer than "), "{stderr}");
    let Finished { code, stderr, .. } =
        xtask(folder.path(), &["networks", "nn4_small2", "--normalization", "local_response"]);
    assert!(code == Some(1) && stderr.contains("nn4_small2 has no local response normalization"), "{stderr}");
}

const WEIGHTS_PAGE: &str = include_str!("../../docs/weights.md");

/// The tensors of the example in docs/weights.md, as PyTorch names and arranges them.
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

/// A folder with the example of docs/weights.md: `mine.toml`, `map.toml` and weights that they fit, and a list of pairs.
fn folder_with_weights() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let examples: Vec<&str> =
        WEIGHTS_PAGE.split("```toml\n").skip(1).map(|block| block.split_once("```").unwrap().0).collect();
    assert_eq!(examples.len(), 2);
    fs::write(path("mine.toml"), examples[0]).unwrap();
    fs::write(path("map.toml"), examples[1]).unwrap();

    let (mut header, mut numbers) = (serde_json::Map::new(), Vec::<u8>::new());
    let classifier = ("classifier.weight", &[9, 24][..]);
    for (index, (name, shape)) in EXAMPLE.into_iter().chain([classifier]).enumerate() {
        let start = numbers.len();
        // Waves of many frequencies, positive ones where they are variances.
        let values = (0..shape.iter().product::<usize>()).map(|at| ((at * (index + 3)) as f32).sin());
        let offset = if name.ends_with("running_var") { 1.5 } else { 0.0 };
        numbers.extend(values.flat_map(|value| (value + offset).to_le_bytes()));
        let info = serde_json::json!({ "dtype": "F32", "shape": shape, "data_offsets": [start, numbers.len()] });
        header.insert(name.to_owned(), info);
    }
    let header = serde_json::to_vec(&header).unwrap();
    fs::write(path("mine.safetensors"), [&(header.len() as u64).to_le_bytes(), &*header, &*numbers].concat()).unwrap();

    let world = SyntheticFaces::new(1);
    for person in 1..=4 {
        let own = path("people").join(format!("p{person}"));
        fs::create_dir_all(&own).unwrap();
        for number in 1..=2 {
            let picture = world.portrait(person, number, [50, 40]);
            write_picture(&own.join(format!("p{person}_000{number}.png")), &picture);
        }
    }
    let list = "2 2\np1 1 2\np2 1 2\np1 1 p2 1\np1 2 p2 2\np3 1 2\np4 1 2\np3 1 p4 1\np3 2 p4 2\n";
    fs::write(path("pairs.txt"), list.replace(' ', "\t")).unwrap();
    folder
}

#[test]
fn weights_of_another_program_are_imported_and_evaluated() {
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
    assert!(text.contains("the weights of mine, 6,672 learned numbers"), "{text}");
    assert!(text.ends_with("out/here/checkpoint.safetensors written\n"), "{text}");

    // The checkpoint needs no map; the file itself does, and gives the same.
    let pairs = ["evaluate", "pairs", "pairs.txt", "--images", "people", "--weights"];
    let result = json(folder.path(), &[&pairs[..], &["out/here/checkpoint.safetensors"]].concat());
    let mut keys: Vec<&str> = result.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    let expected = "accuracy auc calibration eer faces network pairs pairs_of seconds standard_deviation standard_error thresholds val_at_far weights_sha256";
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
        let [achieved, val] = ["achieved_far", "val"].map(|field| rate[field].as_f64().unwrap());
        assert!(rate["far"] == far && achieved <= far && (0.0..=1.0).contains(&val), "{rate}");
    }
    assert_eq!(rates.len(), 3);
    let mut direct = json(folder.path(), &[&pairs[..], &["mine.safetensors"], &foreign].concat());
    direct["seconds"] = result["seconds"].clone();
    assert_eq!(direct, result);

    let text = done(folder.path(), &[&pairs[..], &["out/here/checkpoint.safetensors", "--threads", "1"]].concat());
    for row in
        ["mine: 8 pairs, faces cropped: 8, ", "accuracy  ", "validation rate at FAR 0.001 ", "of 2 folds", "± is"]
    {
        assert!(text.contains(row), "{row} in {text}");
    }
}

#[test]
fn weights_that_will_not_do_are_refused() {
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
                "error: mine.safetensors has no tensors of a network known here\nhelp: say which network it is by --network NAME",
            ),
            (
                &["--map", "map.toml"],
                "error: mine.safetensors: the map of names is for mine, which is no built-in network\nhelp: ",
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
    assert!(!folder.path().join("runs").exists(), "nothing is left of what failed");
}
