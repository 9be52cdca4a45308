//! Sixteen numbers side by side, in the registers of each instruction set.
#![expect(unsafe_code, reason = "vector instructions; the loops around them are compiled for their features")]

use crate::Level;
use crate::prelu::prelu;
use crate::relu::relu;

/// Numbers in a [`Lanes`].
pub(crate) const LANES: usize = 16;

/// Sixteen `f32`.
///
/// # Safety
/// The methods may only run where the instruction set was detected, and only in functions compiled for it (all of them
/// are inlined). Pointers must be valid for sixteen numbers, or the first `count`.
pub(super) trait Lanes: Copy {
    /// Rows and panels of the largest tile of sums that fits the registers.
    const TILE: [usize; 2];

    /// All zero.
    unsafe fn zero() -> Self;
    /// Reads sixteen numbers, at any alignment.
    unsafe fn load(source: *const f32) -> Self;
    /// Writes sixteen numbers, at any alignment.
    unsafe fn store(self, target: *mut f32);
    /// `a b + self`, rounded once where the instruction set fuses.
    unsafe fn multiply_add(self, a: f32, b: Self) -> Self;
    /// `a b + self` of each number, rounded likewise.
    unsafe fn multiply_add_lanes(self, a: Self, b: Self) -> Self;
    /// Asks for a line of the cache that will be read or written soon; it need not exist.
    #[inline(always)]
    unsafe fn prefetch(_line: *const f32) {}

    /// `self + b`.
    unsafe fn add(self, b: Self) -> Self;
    /// `self - b`.
    unsafe fn subtract(self, b: Self) -> Self;

    /// [`relu`] of each number.
    unsafe fn relu(self) -> Self;
    /// [`prelu`] of each number with its own slope.
    unsafe fn prelu(self, slope: Self) -> Self;

    /// Reads the first `count` numbers, of which there are at most sixteen; the others are zero.
    #[inline(always)]
    unsafe fn load_first(source: *const f32, count: usize) -> Self {
        debug_assert!(count <= LANES);
        // SAFETY: `source` is readable for `count` numbers, the array for sixteen.
        unsafe {
            if count == LANES {
                return Self::load(source);
            }
            let mut numbers = [0.0; LANES];
            std::ptr::copy_nonoverlapping(source, numbers.as_mut_ptr(), count);
            Self::load(numbers.as_ptr())
        }
    }

    /// Writes the first `count` numbers, of which there are at most sixteen.
    #[inline(always)]
    unsafe fn store_first(self, target: *mut f32, count: usize) {
        debug_assert!(count <= LANES);
        // SAFETY: `target` is writable for `count` numbers, the array for sixteen.
        unsafe {
            if count == LANES {
                return self.store(target);
            }
            let mut numbers = [0.0; LANES];
            self.store(numbers.as_mut_ptr());
            std::ptr::copy_nonoverlapping(numbers.as_ptr(), target, count);
        }
    }
}

/// Work on vectors, compiled for each instruction set.
pub(super) trait Kernel {
    type Output;

    /// Does the work. (Implementations, and what they call, are inlined into a function compiled for the instruction set.)
    ///
    /// # Safety
    /// As [`Lanes`] asks of the instruction set; and what the kernel's pointers say.
    unsafe fn run<L: Lanes>(self) -> Self::Output;
}

/// Runs a kernel in the vectors of a level.
///
/// # Safety
/// The level was detected; and what the kernel's pointers say.
pub(super) unsafe fn dispatch<K: Kernel>(level: Level, kernel: K) -> K::Output {
    // SAFETY: the caller's.
    unsafe {
        match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => x86_64::avx512(kernel),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => x86_64::avx2(kernel),
            // Every processor of this architecture has it, and so all code is compiled for it.
            #[cfg(target_arch = "aarch64")]
            Level::Neon => kernel.run::<aarch64::Neon>(),
            _ => kernel.run::<Portable>(),
        }
    }
}

/// For any processor. (Without the instruction, `mul_add` would call a library function: product and sum are rounded.)
#[derive(Clone, Copy)]
struct Portable([f32; LANES]);

impl Lanes for Portable {
    const TILE: [usize; 2] = [4, 1];

    #[inline(always)]
    unsafe fn zero() -> Self {
        Self([0.0; LANES])
    }

    #[inline(always)]
    unsafe fn load(source: *const f32) -> Self {
        // SAFETY: the trait's contract.
        Self(unsafe { source.cast::<[f32; LANES]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn store(self, target: *mut f32) {
        // SAFETY: the trait's contract.
        unsafe { target.cast::<[f32; LANES]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    unsafe fn multiply_add(mut self, a: f32, b: Self) -> Self {
        for (sum, b) in self.0.iter_mut().zip(b.0) {
            *sum += a * b;
        }
        self
    }

    #[inline(always)]
    unsafe fn multiply_add_lanes(mut self, a: Self, b: Self) -> Self {
        for (sum, (a, b)) in self.0.iter_mut().zip(a.0.into_iter().zip(b.0)) {
            *sum += a * b;
        }
        self
    }

    #[inline(always)]
    unsafe fn add(mut self, b: Self) -> Self {
        for (a, b) in self.0.iter_mut().zip(b.0) {
            *a += b;
        }
        self
    }

    #[inline(always)]
    unsafe fn subtract(mut self, b: Self) -> Self {
        for (a, b) in self.0.iter_mut().zip(b.0) {
            *a -= b;
        }
        self
    }

    #[inline(always)]
    unsafe fn relu(self) -> Self {
        Self(self.0.map(relu))
    }

    #[inline(always)]
    unsafe fn prelu(mut self, slope: Self) -> Self {
        for (x, slope) in self.0.iter_mut().zip(slope.0) {
            *x = prelu(*x, slope);
        }
        self
    }
}

#[cfg(target_arch = "aarch64")]
mod aarch64 {
    use std::arch::aarch64::*;

    use super::Lanes;

    /// Four 128-bit registers.
    #[derive(Clone, Copy)]
    pub(super) struct Neon([float32x4_t; 4]);

    impl Lanes for Neon {
        const TILE: [usize; 2] = [6, 1];

        #[inline(always)]
        unsafe fn zero() -> Self {
            // SAFETY: the trait's contract.
            Self([unsafe { vdupq_n_f32(0.0) }; 4])
        }

        #[inline(always)]
        unsafe fn load(source: *const f32) -> Self {
            // SAFETY: the trait's contract.
            Self([0, 4, 8, 12].map(|at| unsafe { vld1q_f32(source.add(at)) }))
        }

        #[inline(always)]
        unsafe fn store(self, target: *mut f32) {
            for (at, numbers) in self.0.into_iter().enumerate() {
                // SAFETY: the trait's contract.
                unsafe { vst1q_f32(target.add(4 * at), numbers) }
            }
        }

        #[inline(always)]
        unsafe fn multiply_add(mut self, a: f32, b: Self) -> Self {
            for (sum, b) in self.0.iter_mut().zip(b.0) {
                // SAFETY: the trait's contract.
                *sum = unsafe { vfmaq_n_f32(*sum, b, a) };
            }
            self
        }

        #[inline(always)]
        unsafe fn multiply_add_lanes(mut self, a: Self, b: Self) -> Self {
            for (sum, (a, b)) in self.0.iter_mut().zip(a.0.into_iter().zip(b.0)) {
                // SAFETY: the trait's contract.
                *sum = unsafe { vfmaq_f32(*sum, a, b) };
            }
            self
        }

        #[inline(always)]
        unsafe fn add(mut self, b: Self) -> Self {
            for (a, b) in self.0.iter_mut().zip(b.0) {
                // SAFETY: the trait's contract.
                *a = unsafe { vaddq_f32(*a, b) };
            }
            self
        }

        #[inline(always)]
        unsafe fn subtract(mut self, b: Self) -> Self {
            for (a, b) in self.0.iter_mut().zip(b.0) {
                // SAFETY: the trait's contract.
                *a = unsafe { vsubq_f32(*a, b) };
            }
            self
        }

        #[inline(always)]
        unsafe fn relu(self) -> Self {
            // SAFETY: the trait's contract. (A comparison with NaN is false.)
            Self(self.0.map(|x| unsafe {
                let zero = vdupq_n_f32(0.0);
                vbslq_f32(vcltq_f32(x, zero), zero, x)
            }))
        }

        #[inline(always)]
        unsafe fn prelu(mut self, slope: Self) -> Self {
            for (x, slope) in self.0.iter_mut().zip(slope.0) {
                // SAFETY: the trait's contract.
                *x = unsafe { vbslq_f32(vcgtq_f32(*x, vdupq_n_f32(0.0)), *x, vmulq_f32(*x, slope)) };
            }
            self
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use std::arch::x86_64::*;

    use super::{Kernel, LANES, Lanes};

    #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
    pub(super) unsafe fn avx512<K: Kernel>(kernel: K) -> K::Output {
        // SAFETY: the caller's.
        unsafe { kernel.run::<Avx512>() }
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn avx2<K: Kernel>(kernel: K) -> K::Output {
        // SAFETY: the caller's.
        unsafe { kernel.run::<Avx2>() }
    }

    /// Two 256-bit registers.
    #[derive(Clone, Copy)]
    struct Avx2(__m256, __m256);

    impl Lanes for Avx2 {
        const TILE: [usize; 2] = [6, 1];

        #[inline(always)]
        unsafe fn zero() -> Self {
            // SAFETY: the trait's contract.
            unsafe { Self(_mm256_setzero_ps(), _mm256_setzero_ps()) }
        }

        #[inline(always)]
        unsafe fn load(source: *const f32) -> Self {
            // SAFETY: the trait's contract.
            unsafe { Self(_mm256_loadu_ps(source), _mm256_loadu_ps(source.add(8))) }
        }

        #[inline(always)]
        unsafe fn store(self, target: *mut f32) {
            // SAFETY: the trait's contract.
            unsafe {
                _mm256_storeu_ps(target, self.0);
                _mm256_storeu_ps(target.add(8), self.1);
            }
        }

        #[inline(always)]
        unsafe fn multiply_add(self, a: f32, b: Self) -> Self {
            // SAFETY: the trait's contract.
            unsafe {
                let a = _mm256_set1_ps(a);
                Self(_mm256_fmadd_ps(a, b.0, self.0), _mm256_fmadd_ps(a, b.1, self.1))
            }
        }

        #[inline(always)]
        unsafe fn multiply_add_lanes(self, a: Self, b: Self) -> Self {
            // SAFETY: the trait's contract.
            unsafe { Self(_mm256_fmadd_ps(a.0, b.0, self.0), _mm256_fmadd_ps(a.1, b.1, self.1)) }
        }

        #[inline(always)]
        unsafe fn prefetch(line: *const f32) {
            // SAFETY: any address may be asked for.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) }
        }

        #[inline(always)]
        unsafe fn add(self, b: Self) -> Self {
            // SAFETY: the trait's contract.
            unsafe { Self(_mm256_add_ps(self.0, b.0), _mm256_add_ps(self.1, b.1)) }
        }

        #[inline(always)]
        unsafe fn subtract(self, b: Self) -> Self {
            // SAFETY: the trait's contract.
            unsafe { Self(_mm256_sub_ps(self.0, b.0), _mm256_sub_ps(self.1, b.1)) }
        }

        #[inline(always)]
        unsafe fn relu(self) -> Self {
            // SAFETY: the trait's contract. (The instruction returns its second operand unless the first is larger.)
            unsafe {
                let zero = _mm256_setzero_ps();
                Self(_mm256_max_ps(zero, self.0), _mm256_max_ps(zero, self.1))
            }
        }

        #[inline(always)]
        unsafe fn prelu(self, slope: Self) -> Self {
            // SAFETY: the trait's contract.
            unsafe {
                let zero = _mm256_setzero_ps();
                let positive = [_mm256_cmp_ps::<_CMP_GT_OQ>(self.0, zero), _mm256_cmp_ps::<_CMP_GT_OQ>(self.1, zero)];
                Self(
                    _mm256_blendv_ps(_mm256_mul_ps(self.0, slope.0), self.0, positive[0]),
                    _mm256_blendv_ps(_mm256_mul_ps(self.1, slope.1), self.1, positive[1]),
                )
            }
        }
    }

    /// The first `count` of sixteen.
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
            // SAFETY: the trait's contract.
            unsafe { Self(_mm512_setzero_ps()) }
        }

        #[inline(always)]
        unsafe fn load(source: *const f32) -> Self {
            // SAFETY: the trait's contract.
            unsafe { Self(_mm512_loadu_ps(source)) }
        }

        #[inline(always)]
        unsafe fn store(self, target: *mut f32) {
            // SAFETY: the trait's contract.
            unsafe { _mm512_storeu_ps(target, self.0) }
        }

        // Numbers behind the first ones are neither read nor written, whatever the memory there.
        #[inline(always)]
        unsafe fn load_first(source: *const f32, count: usize) -> Self {
            // SAFETY: the trait's contract.
            Self(unsafe { _mm512_maskz_loadu_ps(first(count), source) })
        }

        #[inline(always)]
        unsafe fn store_first(self, target: *mut f32, count: usize) {
            // SAFETY: the trait's contract.
            unsafe { _mm512_mask_storeu_ps(target, first(count), self.0) }
        }

        #[inline(always)]
        unsafe fn multiply_add(self, a: f32, b: Self) -> Self {
            // SAFETY: the trait's contract.
            unsafe { Self(_mm512_fmadd_ps(_mm512_set1_ps(a), b.0, self.0)) }
        }

        #[inline(always)]
        unsafe fn multiply_add_lanes(self, a: Self, b: Self) -> Self {
            // SAFETY: the trait's contract.
            unsafe { Self(_mm512_fmadd_ps(a.0, b.0, self.0)) }
        }

        #[inline(always)]
        unsafe fn prefetch(line: *const f32) {
            // SAFETY: any address may be asked for.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) }
        }

        #[inline(always)]
        unsafe fn add(self, b: Self) -> Self {
            // SAFETY: the trait's contract.
            unsafe { Self(_mm512_add_ps(self.0, b.0)) }
        }

        #[inline(always)]
        unsafe fn subtract(self, b: Self) -> Self {
            // SAFETY: the trait's contract.
            unsafe { Self(_mm512_sub_ps(self.0, b.0)) }
        }

        #[inline(always)]
        unsafe fn relu(self) -> Self {
            // SAFETY: the trait's contract. (The instruction returns its second operand unless the first is larger.)
            unsafe { Self(_mm512_max_ps(_mm512_setzero_ps(), self.0)) }
        }

        #[inline(always)]
        unsafe fn prelu(self, slope: Self) -> Self {
            // SAFETY: the trait's contract.
            unsafe {
                let others = _mm512_cmp_ps_mask::<_CMP_NGT_UQ>(self.0, _mm512_setzero_ps());
                Self(_mm512_mask_mul_ps(self.0, others, self.0, slope.0))
            }
        }
    }
}
