//! The tests of a file again, for each instruction set below the best: which one is used is chosen once per process.

use std::env;
use std::process::Command;

use facenet_tensor::{Level, level};

#[test]
fn lower_levels_pass_the_same_tests() {
    let names = match level() {
        Level::Avx512 => &["avx2", "portable"][..],
        Level::Avx2 | Level::Neon => &["portable"],
        Level::Portable => &[],
    };
    for name in names {
        let mut tests = Command::new(env::current_exe().unwrap());
        let output = tests.args(["--skip", "lower_levels"]).env("FACENET_VECTORS", name).output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stdout));
    }
}
