//! `run` and `train`.

use std::fs;

use facenet_tests::{Finished, Program, TINY_RECIPE, data};
use serde_json::Value;

use crate::command_line::program::{TINY, done, folder, json};

/// Checks for every score of a method.
pub fn assert_scores(scores: &Value) {
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
    // 30 people with 6 images, 10 and 10 with 5.
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
        "unseen people",
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
    assert!(!text.contains('\u{1b}'), "no color outside a terminal");
}

#[test]
fn results_count_aligned_faces() {
    let folder = folder();
    let recipe = TINY_RECIPE.replace(
        "embedding = 8",
        "embedding = 8\npreprocessing = { template = [[5, 6], [10, 6], [7.5, 9], [5.5, 12], [9.5, 12]] }",
    );
    fs::write(folder.path().join("template.toml"), recipe).unwrap();
    let list = ["p1/1.png", "p8/3.png"].map(|image| format!("{image} 6 7 11 7 8.5 10 6.5 13 10.5 13\n"));
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
        assert!(text.contains("faces aligned by the landmark list: 2, cropped: 22\n"), "{text}");
    }
}

#[test]
fn a_run_stopped_by_its_time_limit_can_be_resumed() {
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
    assert!(whole.unwrap() == cut.unwrap(), "the checkpoints are equal");

    // A finished run has no steps left: resuming changes nothing.
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
