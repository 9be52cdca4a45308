//! The program as a user sees it: output, exit codes, files.

mod bench;
mod networks;
mod program;
mod train;
mod weights;

use std::fs;

use facenet_tests::Finished;

use crate::command_line::program::{done, json, xtask};

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
        &["bench", "pipeline", "people", "--photos", "0"],
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
