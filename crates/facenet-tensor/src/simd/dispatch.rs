//! Runs kernels in the vectors of an instruction set.
#![expect(unsafe_code, reason = "calls functions compiled for an instruction set")]

#[cfg(target_arch = "x86_64")]
use crate::simd::avx;
use crate::simd::lanes::SimdKernel;
use crate::simd::level::SimdLevel;
#[cfg(target_arch = "aarch64")]
use crate::simd::neon::Neon;
use crate::simd::portable::Portable;

/// Runs a kernel in the vectors of an instruction set.
///
/// # Safety
/// The level must have been detected, and the kernel's requirements on its pointers must hold.
pub(crate) unsafe fn dispatch<K: SimdKernel>(level: SimdLevel, kernel: K) -> K::Output {
    // SAFETY: guaranteed by the caller.
    unsafe {
        match level {
            #[cfg(target_arch = "x86_64")]
            SimdLevel::Avx512 => avx::avx512(kernel),
            #[cfg(target_arch = "x86_64")]
            SimdLevel::Avx2 => avx::avx2(kernel),
            // Part of the baseline: all code for this architecture is compiled for it.
            #[cfg(target_arch = "aarch64")]
            SimdLevel::Neon => kernel.run::<Neon>(),
            _ => kernel.run::<Portable>(),
        }
    }
}
