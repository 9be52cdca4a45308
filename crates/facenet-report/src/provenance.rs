//! The provenance of a result.

use std::env::consts::{ARCH, OS};

use facenet_tensor::{SimdLevel, simd_level};
use jiff::{Timestamp, Unit};
use serde::Serialize;

/// What was run, when, by which program and on which machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Provenance {
    /// The command line: `cargo xtask run --dataset orl`.
    pub command: String,
    /// The time of the start: `2026-03-05T09:30:00Z`.
    pub started: String,
    /// The program with its version and compiler.
    pub program: String,
    /// Architecture, operating system and SIMD level: `x86_64 linux, AVX-512`.
    pub machine: String,
}

impl Provenance {
    /// The provenance of a command that starts now, on this machine.
    #[must_use]
    pub fn now(command: impl Into<String>, program: impl Into<String>) -> Self {
        let now = Timestamp::now();
        let simd = match simd_level() {
            SimdLevel::Portable => "portable SIMD",
            SimdLevel::Neon => "NEON",
            SimdLevel::Avx2 => "AVX2",
            SimdLevel::Avx512 => "AVX-512",
        };
        Self {
            command: command.into(),
            started: now.round(Unit::Second).unwrap_or(now).to_string(),
            program: program.into(),
            machine: format!("{ARCH} {OS}, {simd}"),
        }
    }
}
