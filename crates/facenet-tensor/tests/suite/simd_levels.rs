//! Reruns the tests of fast kernels for each lower instruction set; the choice is made once per process.

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
        let output = tests.args(["convolution::", "packed::", "guard_pages::"]).env("FACENET_VECTORS", name).output();
        let output = output.unwrap();
        let report = String::from_utf8_lossy(&output.stdout);
        assert!(!report.contains("running 0 tests"), "{report}");
        assert!(output.status.success(), "{name}: {report}");
    }
}
