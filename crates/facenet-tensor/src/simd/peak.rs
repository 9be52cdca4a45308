//! The peak arithmetic throughput of this processor, for comparison in benchmarks.
#![expect(unsafe_code, reason = "vector instructions, in functions compiled for their features")]

use std::hint::black_box;
use std::time::Instant;

use crate::simd::dispatch::dispatch;
use crate::simd::lanes::{LANES, Lanes, SimdKernel};
use crate::simd::level::simd_level;

/// Rounds per attempt: well below a millisecond.
const ROUNDS: usize = 20_000;

/// Measures the peak `f32` multiply-adds per second of one thread in the vectors of [`simd_level`]:
/// operands in registers only, the best of many attempts within 0.2 seconds.
///
/// The yardstick of `cargo xtask bench layers`; no operation depends on it.
#[must_use]
pub fn peak_multiply_adds_per_second() -> f64 {
    let start = Instant::now();
    let mut best: f64 = 0.0;
    while start.elapsed().as_secs_f64() < 0.2 {
        let attempt = Instant::now();
        // SAFETY: the level was detected, and the kernel has no pointers.
        let sums = unsafe { dispatch(simd_level(), Peak) };
        best = best.max((sums * ROUNDS * LANES) as f64 / attempt.elapsed().as_secs_f64());
    }
    best
}

struct Peak;

impl SimdKernel for Peak {
    type Output = usize;

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) -> usize {
        // SAFETY: guaranteed by the caller.
        unsafe {
            match L::TILE[0] * L::TILE[1] {
                27.. => work::<L, 16>(),
                6.. => work::<L, 6>(),
                _ => work::<L, 2>(),
            }
        }
    }
}

/// Accumulates into `SUMS` vectors and returns `SUMS`.
///
/// # Safety
/// The requirements of [`Lanes`].
#[inline(always)]
unsafe fn work<L: Lanes, const SUMS: usize>() -> usize {
    let values = black_box([1e-3_f32; LANES]);
    let factor = black_box(0.5);
    // SAFETY: the arrays have 16 elements.
    unsafe {
        let addend = L::load(values.as_ptr());
        let mut sums = [L::zero(); SUMS];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = sum.multiply_add(factor, addend);
            }
        }
        let mut result = [0.0; LANES];
        for sum in sums {
            sum.store(result.as_mut_ptr());
            black_box(&result);
        }
    }
    SUMS
}
