//! What the arithmetic could do at most, if all else cost nothing.
#![expect(unsafe_code, reason = "vector instructions, in functions compiled for their features")]

use std::hint::black_box;
use std::time::Instant;

#[cfg(target_arch = "aarch64")]
use super::lanes::Neon;
#[cfg(target_arch = "x86_64")]
use super::lanes::{Avx2, Avx512};
use super::lanes::{LANES, Lanes, Portable};
use crate::{Level, level};

/// Rounds of one attempt: well below a millisecond.
const ROUNDS: usize = 20_000;

/// How many multiplications with an addition one thread can do in a second at most, in the vectors of [`level`]: in registers
/// alone, the best of many attempts within a fifth of a second.
#[must_use]
pub fn peak_multiply_adds_per_second() -> f64 {
    let start = Instant::now();
    let mut best: f64 = 0.0;
    while start.elapsed().as_secs_f64() < 0.2 {
        let attempt = Instant::now();
        let sums = match level() {
            // SAFETY: a level above `Portable` was detected.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { avx512() },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { avx2() },
            // SAFETY: every processor of this architecture has it.
            #[cfg(target_arch = "aarch64")]
            Level::Neon => unsafe { work::<Neon, 6>() },
            // SAFETY: any processor can.
            _ => unsafe { work::<Portable, 2>() },
        };
        best = best.max((sums * ROUNDS * LANES) as f64 / attempt.elapsed().as_secs_f64());
    }
    best
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
unsafe fn avx512() -> usize {
    // SAFETY: the caller's.
    unsafe { work::<Avx512, 16>() }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2() -> usize {
    // SAFETY: the caller's.
    unsafe { work::<Avx2, 6>() }
}

/// Adds to as many sums as fit the registers, and says how many those are.
///
/// # Safety
/// As [`Lanes`] asks.
#[inline(always)]
unsafe fn work<L: Lanes, const SUMS: usize>() -> usize {
    let numbers = black_box([1e-3_f32; LANES]);
    let factor = black_box(0.5);
    // SAFETY: the array has sixteen numbers.
    unsafe {
        let addend = L::load(numbers.as_ptr());
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
