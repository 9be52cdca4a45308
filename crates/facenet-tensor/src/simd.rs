//! Code compiled for several instruction sets, chosen at run time.
#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "calling a function compiled for features that were just detected")
)]

use std::env;
use std::sync::OnceLock;

/// An instruction set that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What every processor of the target has.
    Portable,
    /// The 128-bit vectors of 64-bit Arm processors, with fused multiply-add.
    Neon,
    /// 256-bit vectors with fused multiply-add.
    Avx2,
    /// 512-bit vectors.
    Avx512,
}

/// The variable of the environment that keeps kernels from using all that the processor has.
const VECTORS: &str = "FACENET_VECTORS";

/// The best instruction set of this processor, or the one that the environment allows: `FACENET_VECTORS=avx2`, say, as the
/// names of [`Level`] in lower case. It is looked at once; names that are none mean nothing.
pub fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(|| allowed(env::var(VECTORS).ok().as_deref()).min(detect()))
}

fn allowed(name: Option<&str>) -> Level {
    match name {
        Some("portable") => Level::Portable,
        Some("neon") => Level::Neon,
        Some("avx2") => Level::Avx2,
        _ => Level::Avx512,
    }
}

#[cfg(target_arch = "x86_64")]
fn detect() -> Level {
    let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    if avx2 && has_avx512() {
        Level::Avx512
    } else if avx2 {
        Level::Avx2
    } else {
        Level::Portable
    }
}

#[cfg(target_arch = "aarch64")]
fn detect() -> Level {
    // Every such processor has it, and so all code is compiled for it.
    Level::Neon
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn detect() -> Level {
    Level::Portable
}

/// Runs `body` compiled for the best instruction set: `body` is inlined into a function that may use it.
///
/// Write `vectorize(#[inline(always)] || ..)`, and the same for closures called inside: a body that isn't inlined is
/// compiled for the portable set. Without explicit `mul_add` nothing is fused, so every level computes the same bits.
#[inline]
pub(crate) fn vectorize<R>(body: impl FnOnce() -> R) -> R {
    match level() {
        // SAFETY: `level` returned a level above `Portable` only after detecting its features on this processor.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { avx512(body) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { avx2(body) },
        _ => body(),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
fn avx512<R>(body: impl FnOnce() -> R) -> R {
    body()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2<R>(body: impl FnOnce() -> R) -> R {
    body()
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
    fn the_environment_only_takes_away() {
        for (name, expected) in [("portable", Level::Portable), ("neon", Level::Neon), ("avx2", Level::Avx2)] {
            assert_eq!(allowed(Some(name)), expected);
        }
        for all in [None, Some("avx512"), Some(""), Some("AVX2")] {
            assert_eq!(allowed(all).min(detect()), detect());
        }
    }
}
