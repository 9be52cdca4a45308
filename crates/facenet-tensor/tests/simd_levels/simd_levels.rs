//! Reruns the tests of a file for each lower instruction set; the choice is made once per process.

use std::env;
use std::process::Command;

use facenet_tensor::{SimdLevel, simd_level};

#[test]
fn lower_simd_levels_pass_the_same_tests() {
    let names = match simd_level() {
        SimdLevel::Avx512 => &["avx2", "portable"][..],
        SimdLevel::Avx2 | SimdLevel::Neon => &["portable"],
        SimdLevel::Portable => &[],
    };
    for name in names {
        let mut tests = Command::new(env::current_exe().unwrap());
        let output = tests.args(["--skip", "lower_simd_levels"]).env("FACENET_VECTORS", name).output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stdout));
    }
}
