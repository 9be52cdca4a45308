//! Ordinary loops compiled for several instruction sets.
#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "calls functions compiled for features that were just detected")
)]

use crate::simd::level::{SimdLevel, simd_level};

/// Runs `body` compiled for the best instruction set: it is inlined into a function with those
/// target features.
///
/// Write `vectorize(#[inline(always)] || ..)`, and mark closures called inside likewise: a body
/// that is not inlined is compiled for the portable set. Nothing is fused without an explicit
/// `mul_add`, so all levels compute the same bits.
#[inline]
pub fn vectorize<R>(body: impl FnOnce() -> R) -> R {
    match simd_level() {
        // SAFETY: `simd_level` exceeds `Portable` only if the features were detected on this
        // processor.
        #[cfg(target_arch = "x86_64")]
        SimdLevel::Avx512 => unsafe { avx512(body) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        SimdLevel::Avx2 => unsafe { avx2(body) },
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
