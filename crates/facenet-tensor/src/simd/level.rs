//! Which instruction set the kernels use, chosen at run time.

use std::env;
use std::sync::OnceLock;

/// A SIMD instruction set that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SimdLevel {
    /// What every processor of the target supports.
    Portable,
    /// 128-bit vectors of 64-bit Arm, with fused multiply-add.
    Neon,
    /// 256-bit vectors, with fused multiply-add.
    Avx2,
    /// 512-bit vectors.
    Avx512,
}

/// The environment variable that caps the level.
const LEVEL_VARIABLE: &str = "FACENET_VECTORS";

/// The best instruction set of this processor, capped by the environment variable `FACENET_VECTORS`
/// (a [`SimdLevel`] in lower case, for example `avx2`). The variable is read once; unknown names
/// are ignored.
pub fn simd_level() -> SimdLevel {
    static LEVEL: OnceLock<SimdLevel> = OnceLock::new();
    *LEVEL.get_or_init(|| cap(env::var(LEVEL_VARIABLE).ok().as_deref()).min(detect()))
}

fn cap(name: Option<&str>) -> SimdLevel {
    match name {
        Some("portable") => SimdLevel::Portable,
        Some("neon") => SimdLevel::Neon,
        Some("avx2") => SimdLevel::Avx2,
        _ => SimdLevel::Avx512,
    }
}

#[cfg(target_arch = "x86_64")]
fn detect() -> SimdLevel {
    let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    if avx2 && has_avx512() {
        SimdLevel::Avx512
    } else if avx2 {
        SimdLevel::Avx2
    } else {
        SimdLevel::Portable
    }
}

#[cfg(target_arch = "aarch64")]
fn detect() -> SimdLevel {
    // Part of the baseline: all code for this architecture is compiled for it.
    SimdLevel::Neon
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn detect() -> SimdLevel {
    SimdLevel::Portable
}

#[cfg(target_arch = "x86_64")]
fn has_avx512() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512bw")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_can_only_lower_the_level() {
        for (name, expected) in
            [("portable", SimdLevel::Portable), ("neon", SimdLevel::Neon), ("avx2", SimdLevel::Avx2)]
        {
            assert_eq!(cap(Some(name)), expected);
        }
        for uncapped in [None, Some("avx512"), Some(""), Some("AVX2")] {
            assert_eq!(cap(uncapped).min(detect()), detect());
        }
    }
}
