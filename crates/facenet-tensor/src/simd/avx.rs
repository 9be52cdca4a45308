//! Vectors of x86-64: AVX2 and AVX-512.
#![expect(unsafe_code, reason = "vector instructions; the loops around them are compiled for their features")]

use std::arch::x86_64::*;

use crate::simd::lanes::{LANES, Lanes, SimdKernel};

#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
pub(super) unsafe fn avx512<K: SimdKernel>(kernel: K) -> K::Output {
    // SAFETY: guaranteed by the caller.
    unsafe { kernel.run::<Avx512>() }
}

#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn avx2<K: SimdKernel>(kernel: K) -> K::Output {
    // SAFETY: guaranteed by the caller.
    unsafe { kernel.run::<Avx2>() }
}

/// Two 256-bit registers.
#[derive(Clone, Copy)]
struct Avx2(__m256, __m256);

impl Lanes for Avx2 {
    const TILE: [usize; 2] = [6, 1];

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: guaranteed by the caller.
        unsafe { Self(_mm256_setzero_ps(), _mm256_setzero_ps()) }
    }

    #[inline(always)]
    unsafe fn load(source: *const f32) -> Self {
        // SAFETY: guaranteed by the caller.
        unsafe { Self(_mm256_loadu_ps(source), _mm256_loadu_ps(source.add(8))) }
    }

    #[inline(always)]
    unsafe fn store(self, target: *mut f32) {
        // SAFETY: guaranteed by the caller.
        unsafe {
            _mm256_storeu_ps(target, self.0);
            _mm256_storeu_ps(target.add(8), self.1);
        }
    }

    #[inline(always)]
    unsafe fn multiply_add(self, a: f32, b: Self) -> Self {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let a = _mm256_set1_ps(a);
            Self(_mm256_fmadd_ps(a, b.0, self.0), _mm256_fmadd_ps(a, b.1, self.1))
        }
    }

    #[inline(always)]
    unsafe fn multiply_add_lanes(self, a: Self, b: Self) -> Self {
        // SAFETY: guaranteed by the caller.
        unsafe { Self(_mm256_fmadd_ps(a.0, b.0, self.0), _mm256_fmadd_ps(a.1, b.1, self.1)) }
    }

    #[inline(always)]
    unsafe fn prefetch(line: *const f32) {
        // SAFETY: any address may be prefetched.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) }
    }

    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        // SAFETY: guaranteed by the caller.
        unsafe { Self(_mm256_add_ps(self.0, b.0), _mm256_add_ps(self.1, b.1)) }
    }

    #[inline(always)]
    unsafe fn subtract(self, b: Self) -> Self {
        // SAFETY: guaranteed by the caller.
        unsafe { Self(_mm256_sub_ps(self.0, b.0), _mm256_sub_ps(self.1, b.1)) }
    }

    #[inline(always)]
    unsafe fn relu(self) -> Self {
        // SAFETY: guaranteed by the caller. (The instruction returns its second operand unless the
        // first is larger.)
        unsafe {
            let zero = _mm256_setzero_ps();
            Self(_mm256_max_ps(zero, self.0), _mm256_max_ps(zero, self.1))
        }
    }

    #[inline(always)]
    unsafe fn prelu(self, slope: Self) -> Self {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let zero = _mm256_setzero_ps();
            let positive = [_mm256_cmp_ps::<_CMP_GT_OQ>(self.0, zero), _mm256_cmp_ps::<_CMP_GT_OQ>(self.1, zero)];
            Self(
                _mm256_blendv_ps(_mm256_mul_ps(self.0, slope.0), self.0, positive[0]),
                _mm256_blendv_ps(_mm256_mul_ps(self.1, slope.1), self.1, positive[1]),
            )
        }
    }

    #[inline(always)]
    unsafe fn maximum(self, x: Self) -> Self {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let of_half = |maximum, x| {
                let replaces = _mm256_and_ps(
                    _mm256_cmp_ps::<_CMP_NLE_UQ>(x, maximum),
                    _mm256_cmp_ps::<_CMP_ORD_Q>(maximum, maximum),
                );
                _mm256_blendv_ps(maximum, x, replaces)
            };
            Self(of_half(self.0, x.0), of_half(self.1, x.1))
        }
    }
}

/// Selects the first `count` of 16 lanes.
#[inline(always)]
fn first(count: usize) -> __mmask16 {
    debug_assert!(count <= LANES);
    ((1_u32 << count) - 1) as __mmask16
}

/// One 512-bit register.
#[derive(Clone, Copy)]
struct Avx512(__m512);

impl Lanes for Avx512 {
    const TILE: [usize; 2] = [9, 3];

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: guaranteed by the caller.
        unsafe { Self(_mm512_setzero_ps()) }
    }

    #[inline(always)]
    unsafe fn load(source: *const f32) -> Self {
        // SAFETY: guaranteed by the caller.
        unsafe { Self(_mm512_loadu_ps(source)) }
    }

    #[inline(always)]
    unsafe fn store(self, target: *mut f32) {
        // SAFETY: guaranteed by the caller.
        unsafe { _mm512_storeu_ps(target, self.0) }
    }

    // Masked-out elements are not accessed, so they need not exist.
    #[inline(always)]
    unsafe fn load_first(source: *const f32, count: usize) -> Self {
        // SAFETY: guaranteed by the caller.
        Self(unsafe { _mm512_maskz_loadu_ps(first(count), source) })
    }

    #[inline(always)]
    unsafe fn store_first(self, target: *mut f32, count: usize) {
        // SAFETY: guaranteed by the caller.
        unsafe { _mm512_mask_storeu_ps(target, first(count), self.0) }
    }

    #[inline(always)]
    unsafe fn multiply_add(self, a: f32, b: Self) -> Self {
        // SAFETY: guaranteed by the caller.
        unsafe { Self(_mm512_fmadd_ps(_mm512_set1_ps(a), b.0, self.0)) }
    }

    #[inline(always)]
    unsafe fn multiply_add_lanes(self, a: Self, b: Self) -> Self {
        // SAFETY: guaranteed by the caller.
        unsafe { Self(_mm512_fmadd_ps(a.0, b.0, self.0)) }
    }

    #[inline(always)]
    unsafe fn prefetch(line: *const f32) {
        // SAFETY: any address may be prefetched.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) }
    }

    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        // SAFETY: guaranteed by the caller.
        unsafe { Self(_mm512_add_ps(self.0, b.0)) }
    }

    #[inline(always)]
    unsafe fn subtract(self, b: Self) -> Self {
        // SAFETY: guaranteed by the caller.
        unsafe { Self(_mm512_sub_ps(self.0, b.0)) }
    }

    #[inline(always)]
    unsafe fn relu(self) -> Self {
        // SAFETY: guaranteed by the caller. (The instruction returns its second operand unless the
        // first is larger.)
        unsafe { Self(_mm512_max_ps(_mm512_setzero_ps(), self.0)) }
    }

    #[inline(always)]
    unsafe fn prelu(self, slope: Self) -> Self {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let others = _mm512_cmp_ps_mask::<_CMP_NGT_UQ>(self.0, _mm512_setzero_ps());
            Self(_mm512_mask_mul_ps(self.0, others, self.0, slope.0))
        }
    }

    #[inline(always)]
    unsafe fn maximum(self, x: Self) -> Self {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let ordered = _mm512_cmp_ps_mask::<_CMP_ORD_Q>(self.0, self.0);
            let replaces = _mm512_mask_cmp_ps_mask::<_CMP_NLE_UQ>(ordered, x.0, self.0);
            Self(_mm512_mask_mov_ps(self.0, replaces, x.0))
        }
    }
}
