//! Results depend on the seed but not on the number of threads.

use facenet_tests::Program;
use serde_json::Value;

/// The result of a quick run, without threads, times and provenance.
fn quick_run(arguments: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let xtask = Program::new(env!("CARGO_BIN_EXE_xtask"), folder.path());
    let finished = xtask.run([&["run", "--quick", "--json", "--out", "."], arguments].concat());
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let mut result: Value = serde_json::from_str(&finished.stdout).unwrap();
    let fields = result.as_object_mut().unwrap();
    assert!(fields.remove("threads").is_some() && fields.remove("seconds_total").is_some());
    assert!(fields.remove("provenance").is_some());
    assert!(fields["faces"].as_object_mut().unwrap().remove("seconds_loading").is_some());
    assert!(fields["train"].as_object_mut().unwrap().remove("seconds").is_some());
    result
}

#[test]
fn threads_make_no_difference() {
    let [one, two] = ["1", "2"].map(|threads| quick_run(&["--threads", threads]));
    assert_eq!(one["train"]["steps"], 20);
    assert_eq!(one["weights_sha256"], two["weights_sha256"]);
    assert_eq!(one, two);
}

#[test]
fn another_seed_is_another_run() {
    let [first, again, other] = ["5", "5", "6"].map(|seed| quick_run(&["--steps", "2", "--seed", seed]));
    assert_eq!(first, again);
    assert_ne!(first["weights_sha256"], other["weights_sha256"]);
    // The seed decides the people too.
    assert_ne!(first["pixels"], other["pixels"]);
}
