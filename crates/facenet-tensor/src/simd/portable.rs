//! Vectors for any processor.
#![expect(unsafe_code, reason = "implements an unsafe interface")]

use crate::elementwise::{prelu, relu};
use crate::simd::lanes::{LANES, Lanes};

/// Plain arrays, for any processor. (Without an FMA instruction `mul_add` would call a library
/// function, so products and sums are rounded separately.)
#[derive(Clone, Copy)]
pub(super) struct Portable([f32; LANES]);

impl Lanes for Portable {
    const TILE: [usize; 2] = [4, 1];

    #[inline(always)]
    unsafe fn zero() -> Self {
        Self([0.0; LANES])
    }

    #[inline(always)]
    unsafe fn load(source: *const f32) -> Self {
        // SAFETY: guaranteed by the caller.
        Self(unsafe { source.cast::<[f32; LANES]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn store(self, target: *mut f32) {
        // SAFETY: guaranteed by the caller.
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
