//! The one-dimensional transforms of F(2x2) and F(4x4).
#![expect(unsafe_code, reason = "transforms in vector registers")]

use crate::simd::lanes::{LANES, Lanes};

/// One-dimensional transforms: `OUTPUTS` outputs from `POINTS` inputs.
pub(super) trait WinogradTransform<const POINTS: usize, const OUTPUTS: usize> {
    /// `B^T x`.
    unsafe fn input<L: Lanes>(x: [L; POINTS]) -> [L; POINTS];
    /// `A^T m`.
    unsafe fn output<L: Lanes>(m: [L; POINTS]) -> [L; OUTPUTS];
    /// `G w`.
    fn weight(w: [f32; 3]) -> [f32; POINTS];
}

/// The transforms of the weight gradient, in which outputs and weights exchange roles.
pub(super) trait WinogradGradientTransform<const POINTS: usize, const OUTPUTS: usize>:
    WinogradTransform<POINTS, OUTPUTS>
{
    /// `A dy`.
    unsafe fn output_gradient<L: Lanes>(dy: [L; OUTPUTS]) -> [L; POINTS];
    /// `G^T u`.
    fn weight_gradient(u: [f32; POINTS]) -> [f32; 3];
}

/// F(2x2): the points 0, 1, -1 and infinity.
pub(super) struct F2;

impl WinogradTransform<4, 2> for F2 {
    #[inline(always)]
    unsafe fn input<L: Lanes>(x: [L; 4]) -> [L; 4] {
        // SAFETY: guaranteed by the caller.
        unsafe { [x[0].subtract(x[2]), x[1].add(x[2]), x[2].subtract(x[1]), x[1].subtract(x[3])] }
    }

    #[inline(always)]
    unsafe fn output<L: Lanes>(m: [L; 4]) -> [L; 2] {
        // SAFETY: guaranteed by the caller.
        unsafe { [m[0].add(m[1]).add(m[2]), m[1].subtract(m[2]).subtract(m[3])] }
    }

    #[inline(always)]
    fn weight(w: [f32; 3]) -> [f32; 4] {
        let (even, odd) = (0.5 * (w[0] + w[2]), 0.5 * w[1]);
        [w[0], even + odd, even - odd, w[2]]
    }
}

impl WinogradGradientTransform<4, 2> for F2 {
    #[inline(always)]
    unsafe fn output_gradient<L: Lanes>(dy: [L; 2]) -> [L; 4] {
        // SAFETY: guaranteed by the caller.
        unsafe { [dy[0], dy[0].add(dy[1]), dy[0].subtract(dy[1]), L::zero().subtract(dy[1])] }
    }

    #[inline(always)]
    fn weight_gradient(u: [f32; 4]) -> [f32; 3] {
        let (even, odd) = (0.5 * (u[1] + u[2]), 0.5 * (u[1] - u[2]));
        [u[0] + even, odd, even + u[3]]
    }
}

/// F(4x4): the points 0, a, -a, b, -b and infinity with a = sqrt(1/2) and b = sqrt(2), whose
/// rounding errors are a third of those of the usual points 1 and 2.
pub(super) struct F4;

const A: f32 = std::f32::consts::FRAC_1_SQRT_2;
const B: f32 = std::f32::consts::SQRT_2;

impl WinogradTransform<6, 4> for F4 {
    #[inline(always)]
    unsafe fn input<L: Lanes>(x: [L; 6]) -> [L; 6] {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let (even_a, odd_a) = (x[4].multiply_add(-2.0, x[2]), x[3].multiply_add(-2.0, x[1]));
            let (even_b, odd_b) = (x[4].multiply_add(-0.5, x[2]), x[3].multiply_add(-0.5, x[1]));
            [
                x[4].add(x[0]).multiply_add(-2.5, x[2]),
                even_a.multiply_add(A, odd_a),
                even_a.multiply_add(-A, odd_a),
                even_b.multiply_add(B, odd_b),
                even_b.multiply_add(-B, odd_b),
                x[5].add(x[1]).multiply_add(-2.5, x[3]),
            ]
        }
    }

    #[inline(always)]
    unsafe fn output<L: Lanes>(m: [L; 6]) -> [L; 4] {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let (even_a, odd_a) = (m[1].add(m[2]), m[1].subtract(m[2]));
            let (even_b, odd_b) = (m[3].add(m[4]), m[3].subtract(m[4]));
            [
                m[0].add(even_a).add(even_b),
                L::zero().multiply_add(A, odd_a).multiply_add(B, odd_b),
                L::zero().multiply_add(0.5, even_a).multiply_add(2.0, even_b),
                m[5].multiply_add(0.5 * A, odd_a).multiply_add(2.0 * B, odd_b),
            ]
        }
    }

    #[inline(always)]
    fn weight(w: [f32; 3]) -> [f32; 6] {
        let (even_a, odd_a) = ((w[0] + 0.5 * w[2]) / -1.5, A * w[1] / -1.5);
        let (even_b, odd_b) = ((w[0] + 2.0 * w[2]) / 6.0, B * w[1] / 6.0);
        [w[0], even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, w[2]]
    }
}

/// Applies a one-dimensional transform lane by lane.
#[inline(always)]
pub(super) fn each_lane<const FROM: usize, const TO: usize>(
    values: [[f32; LANES]; FROM],
    transform: impl Fn([f32; FROM]) -> [f32; TO],
) -> [[f32; LANES]; TO] {
    let mut transformed = [[0.0; LANES]; TO];
    for lane in 0..LANES {
        for (target, value) in transformed.iter_mut().zip(transform(std::array::from_fn(|at| values[at][lane]))) {
            target[lane] = value;
        }
    }
    transformed
}
