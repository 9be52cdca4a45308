//! Vectors of 64-bit Arm.
#![expect(unsafe_code, reason = "vector instructions; the loops around them are compiled for their features")]

use std::arch::aarch64::*;

use crate::simd::lanes::Lanes;

/// Four 128-bit registers.
#[derive(Clone, Copy)]
pub(super) struct Neon([float32x4_t; 4]);

impl Lanes for Neon {
    const TILE: [usize; 2] = [6, 1];

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: guaranteed by the caller.
        Self([unsafe { vdupq_n_f32(0.0) }; 4])
    }

    #[inline(always)]
    unsafe fn load(source: *const f32) -> Self {
        // SAFETY: guaranteed by the caller.
        Self([0, 4, 8, 12].map(|at| unsafe { vld1q_f32(source.add(at)) }))
    }

    #[inline(always)]
    unsafe fn store(self, target: *mut f32) {
        for (at, register) in self.0.into_iter().enumerate() {
            // SAFETY: guaranteed by the caller.
            unsafe { vst1q_f32(target.add(4 * at), register) }
        }
    }

    #[inline(always)]
    unsafe fn multiply_add(mut self, a: f32, b: Self) -> Self {
        for (sum, b) in self.0.iter_mut().zip(b.0) {
            // SAFETY: guaranteed by the caller.
            *sum = unsafe { vfmaq_n_f32(*sum, b, a) };
        }
        self
    }

    #[inline(always)]
    unsafe fn multiply_add_lanes(mut self, a: Self, b: Self) -> Self {
        for (sum, (a, b)) in self.0.iter_mut().zip(a.0.into_iter().zip(b.0)) {
            // SAFETY: guaranteed by the caller.
            *sum = unsafe { vfmaq_f32(*sum, a, b) };
        }
        self
    }

    #[inline(always)]
    unsafe fn add(mut self, b: Self) -> Self {
        for (a, b) in self.0.iter_mut().zip(b.0) {
            // SAFETY: guaranteed by the caller.
            *a = unsafe { vaddq_f32(*a, b) };
        }
        self
    }

    #[inline(always)]
    unsafe fn subtract(mut self, b: Self) -> Self {
        for (a, b) in self.0.iter_mut().zip(b.0) {
            // SAFETY: guaranteed by the caller.
            *a = unsafe { vsubq_f32(*a, b) };
        }
        self
    }

    #[inline(always)]
    unsafe fn relu(self) -> Self {
        // SAFETY: guaranteed by the caller. (A comparison with NaN is false.)
        Self(self.0.map(|x| unsafe {
            let zero = vdupq_n_f32(0.0);
            vbslq_f32(vcltq_f32(x, zero), zero, x)
        }))
    }

    #[inline(always)]
    unsafe fn prelu(mut self, slope: Self) -> Self {
        for (x, slope) in self.0.iter_mut().zip(slope.0) {
            // SAFETY: guaranteed by the caller.
            *x = unsafe { vbslq_f32(vcgtq_f32(*x, vdupq_n_f32(0.0)), *x, vmulq_f32(*x, slope)) };
        }
        self
    }
}
