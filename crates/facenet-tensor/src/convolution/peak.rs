//! What the arithmetic could do at most, if all else cost nothing.
#![expect(unsafe_code, reason = "vector instructions, in functions compiled for their features")]

use std::hint::black_box;
use std::time::Instant;

use super::lanes::{Kernel, LANES, Lanes, dispatch};
use crate::level;

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
        // SAFETY: the level was detected, and the kernel has no pointers.
        let sums = unsafe { dispatch(level(), Peak) };
        best = best.max((sums * ROUNDS * LANES) as f64 / attempt.elapsed().as_secs_f64());
    }
    best
}

struct Peak;

impl Kernel for Peak {
    type Output = usize;

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) -> usize {
        // SAFETY: the caller's.
        unsafe {
            match L::TILE[0] * L::TILE[1] {
                27.. => work::<L, 16>(),
                6.. => work::<L, 6>(),
                _ => work::<L, 2>(),
            }
        }
    }
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
