//! Vectors of 16 `f32` lanes: what the convolution kernels are written in.
#![expect(unsafe_code, reason = "the interface to vector instructions")]

use crate::elementwise::replaces_maximum;

/// Lanes in a [`Lanes`] vector.
pub(crate) const LANES: usize = 16;

/// 16 `f32` lanes in the registers of one instruction set.
///
/// # Safety
/// The methods may only run where the instruction set was detected, and only inside functions
/// compiled for it (all are inlined). Pointers must be valid for 16 elements, or for the first
/// `count`.
pub(crate) trait Lanes: Copy {
    /// Rows and panels of the largest tile of sums that fits in registers.
    const TILE: [usize; 2];

    /// All zeros.
    unsafe fn zero() -> Self;
    /// Reads 16 elements, at any alignment.
    unsafe fn load(source: *const f32) -> Self;
    /// Writes 16 elements, at any alignment.
    unsafe fn store(self, target: *mut f32);
    /// `a b + self` for a scalar `a`, rounded once where the instruction set fuses.
    unsafe fn multiply_add(self, a: f32, b: Self) -> Self;
    /// `a b + self` lane by lane, rounded likewise.
    unsafe fn multiply_add_lanes(self, a: Self, b: Self) -> Self;
    /// Prefetches the cache line at an address, which need not be valid.
    #[inline(always)]
    unsafe fn prefetch(_address: *const f32) {}

    /// `self + b`.
    unsafe fn add(self, b: Self) -> Self;
    /// `self - b`.
    unsafe fn subtract(self, b: Self) -> Self;

    /// [`relu`](crate::elementwise::relu) lane by lane.
    unsafe fn relu(self) -> Self;
    /// [`prelu`](crate::elementwise::prelu) lane by lane, each with its own slope.
    unsafe fn prelu(self, slope: Self) -> Self;

    /// The running maximum `self` or, where it
    /// [replaces](crate::elementwise::replaces_maximum) it, `x`.
    #[inline(always)]
    unsafe fn maximum(self, x: Self) -> Self {
        let [mut maxima, mut values] = [[0.0; LANES]; 2];
        // SAFETY: guaranteed by the caller.
        unsafe {
            self.store(maxima.as_mut_ptr());
            x.store(values.as_mut_ptr());
            for (maximum, x) in maxima.iter_mut().zip(values) {
                *maximum = if replaces_maximum(x, *maximum) { x } else { *maximum };
            }
            Self::load(maxima.as_ptr())
        }
    }

    /// Reads the first `count <= 16` elements; the other lanes are zero.
    #[inline(always)]
    unsafe fn load_first(source: *const f32, count: usize) -> Self {
        debug_assert!(count <= LANES);
        // SAFETY: `source` is readable for `count` elements, the array for 16.
        unsafe {
            if count == LANES {
                return Self::load(source);
            }
            let mut lanes = [0.0; LANES];
            std::ptr::copy_nonoverlapping(source, lanes.as_mut_ptr(), count);
            Self::load(lanes.as_ptr())
        }
    }

    /// Writes the first `count <= 16` elements.
    #[inline(always)]
    unsafe fn store_first(self, target: *mut f32, count: usize) {
        debug_assert!(count <= LANES);
        // SAFETY: `target` is writable for `count` elements, the array for 16.
        unsafe {
            if count == LANES {
                return self.store(target);
            }
            let mut lanes = [0.0; LANES];
            self.store(lanes.as_mut_ptr());
            std::ptr::copy_nonoverlapping(lanes.as_ptr(), target, count);
        }
    }
}

/// Work on vectors, compiled once per instruction set.
pub(crate) trait SimdKernel {
    type Output;

    /// Does the work. Implementations, and everything they call, must be inlined: the function that
    /// calls `run` is compiled for the instruction set.
    ///
    /// # Safety
    /// The requirements of [`Lanes`] on the instruction set, and those of the kernel on its
    /// pointers.
    unsafe fn run<L: Lanes>(self) -> Self::Output;
}
