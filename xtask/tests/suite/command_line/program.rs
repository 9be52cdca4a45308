//! Running `cargo xtask` on small inputs.

use std::fs;
use std::path::Path;

use facenet_tests::{Finished, Program, TINY_RECIPE, write_people};
use serde_json::Value;
use tempfile::TempDir;

/// A folder with `people` (eight with three images each) and `tiny.toml`.
pub fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_people(&folder.path().join("people"), 8, 3);
    fs::write(folder.path().join("tiny.toml"), TINY_RECIPE).unwrap();
    folder
}

pub fn xtask(folder: &Path, arguments: &[&str]) -> Finished {
    Program::new(env!("CARGO_BIN_EXE_xtask"), folder).run(arguments)
}

/// The output of a command that succeeds and writes nothing to standard error.
pub fn done(folder: &Path, arguments: &[&str]) -> String {
    let finished = xtask(folder, arguments);
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""), "{arguments:?}: {finished:?}");
    finished.stdout
}

/// The JSON document that a command prints on one line.
pub fn json(folder: &Path, arguments: &[&str]) -> Value {
    let text = done(folder, &[arguments, &["--json"]].concat());
    assert_eq!((text.lines().count(), text.ends_with('\n')), (1, true), "{text}");
    serde_json::from_str(&text).unwrap()
}

pub const TINY: [&str; 4] = ["--dataset", "people", "--recipe", "tiny.toml"];
