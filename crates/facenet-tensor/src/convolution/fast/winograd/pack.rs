//! Transforming and packing weights.

use std::ops::Range;

use ndarray::ArrayView4;
use rayon::prelude::*;

use crate::convolution::fast::winograd::tiling::Tiling;
use crate::convolution::fast::winograd::transforms::{F2, F4, WinogradTransform, each_lane};
use crate::simd::lanes::LANES;
use crate::simd::vectorize::vectorize;

/// Transforms and packs `weight [3][3][inputs][outputs]` for a forward pass with tiles of this
/// size.
pub(in crate::convolution::fast) fn pack(tiling: Tiling, weight: &ArrayView4<'_, f32>, packed: &mut [f32]) {
    let (_, _, inputs, outputs) = weight.dim();
    let values = weight.to_slice().expect("asserted: weights are in standard layout");
    pack_taps(tiling, [inputs, outputs], packed, |tap, input, lanes, target| {
        let row = &values[(tap * inputs + input) * outputs..][lanes];
        target[..row.len()].copy_from_slice(row);
    });
}

/// Transforms and packs as `[outputs / 16][point][input][16]`, with the last panel padded with
/// zeros, followed by a row of zeros as long as a row of inputs.
/// `weight(tap, input, range of outputs, target)` writes up to 16 weights to `target`.
pub(super) fn pack_taps(
    tiling: Tiling,
    channels: [usize; 2],
    packed: &mut [f32],
    weight: impl Fn(usize, usize, Range<usize>, &mut [f32; LANES]) + Sync,
) {
    match tiling {
        Tiling::TwoByTwo => pack_transformed::<F2, 4, 2>(channels, packed, weight),
        Tiling::FourByFour => pack_transformed::<F4, 6, 4>(channels, packed, weight),
    }
}

fn pack_transformed<F: WinogradTransform<POINTS, OUTPUTS>, const POINTS: usize, const OUTPUTS: usize>(
    [inputs, outputs]: [usize; 2],
    packed: &mut [f32],
    weight: impl Fn(usize, usize, Range<usize>, &mut [f32; LANES]) + Sync,
) {
    let panel_length = POINTS * POINTS * inputs * LANES;
    let (panels, zeros) = packed.split_at_mut(outputs.div_ceil(LANES) * panel_length);
    zeros.fill(0.0);
    panels.par_chunks_exact_mut(panel_length.max(1)).enumerate().for_each(|(panel, packed)| {
        let lanes = panel * LANES..outputs.min((panel + 1) * LANES);
        vectorize(
            #[inline(always)]
            || {
                let mut taps = [[0.0; LANES]; 9];
                for input in 0..inputs {
                    for (tap, target) in taps.iter_mut().enumerate() {
                        weight(tap, input, lanes.clone(), target);
                    }
                    let half: [[[f32; LANES]; POINTS]; 3] =
                        std::array::from_fn(|column| each_lane([0, 1, 2].map(|row| taps[row * 3 + column]), F::weight));
                    for row in 0..POINTS {
                        let points = each_lane([0, 1, 2].map(|column| half[column][row]), F::weight);
                        for (column, lanes) in points.into_iter().enumerate() {
                            packed[((row * POINTS + column) * inputs + input) * LANES..][..LANES]
                                .copy_from_slice(&lanes);
                        }
                    }
                }
            },
        );
    });
}
