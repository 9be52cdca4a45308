//! The register tiles: the only places where the arithmetic of a convolution happens.
//!
//! A tile holds `ROWS` x `PANELS` x 16 sums in registers. Each sum runs over its terms in one fixed order with one
//! rounding per term, so tiles of any size on any level with fused multiply-add compute the same bits.

use super::lanes::{LANES, Lanes};

/// The sums of a tile.
pub(super) type Sums<L, const ROWS: usize, const PANELS: usize> = [[L; PANELS]; ROWS];

/// Sums over taps and input channels of `input row x weights`.
///
/// ```text
/// sums[r][p][j] = sum over t, c of rows[t][r][c] * panels[p][taps[t]][c][j]
/// ```
///
/// # Safety
/// `rows` points at `taps.len() x ROWS` pointers, each readable for `channels` numbers; `panel` is readable at
/// `p * panel_stride + (taps[t] * channels + c) * LANES + j` for all indices above; and as [`Lanes`] asks.
#[inline(always)]
#[expect(unsafe_code, reason = "the inner loop of all convolutions: no bounds checks")]
pub(super) unsafe fn product<L: Lanes, const ROWS: usize, const PANELS: usize>(
    rows: *const *const f32,
    taps: &[usize],
    channels: usize,
    panel: *const f32,
    panel_stride: usize,
) -> Sums<L, ROWS, PANELS> {
    // SAFETY: the caller's contract covers every read below.
    unsafe {
        let mut sums = [[L::zero(); PANELS]; ROWS];
        for (t, &tap) in taps.iter().enumerate() {
            let row: [*const f32; ROWS] = *rows.add(t * ROWS).cast();
            let weights = panel.add(tap * channels * LANES);
            for c in 0..channels {
                let mut b = [L::zero(); PANELS];
                for (p, b) in b.iter_mut().enumerate() {
                    *b = L::load(weights.add(p * panel_stride + c * LANES));
                }
                for r in 0..ROWS {
                    let a = *row[r].add(c);
                    for p in 0..PANELS {
                        sums[r][p] = sums[r][p].multiply_add(a, b[p]);
                    }
                }
            }
        }
        sums
    }
}

/// Adds, pixel by pixel, the products of `ROWS` input channels and `PANELS x 16` output channels to `sums`.
///
/// ```text
/// sums[r][p][j] += sum over k of pairs[k].0[r] * pairs[k].1[p * 16 + j]
/// ```
///
/// # Safety
/// For each pair the first pointer is readable at `row_offset + 0..ROWS`, the second at
/// `lane_offset + 0..PANELS * 16`; and as [`Lanes`] asks.
#[inline(always)]
#[expect(unsafe_code, reason = "the inner loop of all weight gradients: no bounds checks")]
pub(super) unsafe fn outer_product<L: Lanes, const ROWS: usize, const PANELS: usize>(
    pairs: &[(*const f32, *const f32)],
    row_offset: usize,
    lane_offset: usize,
    mut sums: Sums<L, ROWS, PANELS>,
) -> Sums<L, ROWS, PANELS> {
    for &(x, dy) in pairs {
        // SAFETY: the caller's contract.
        unsafe {
            let mut b = [L::zero(); PANELS];
            for (p, b) in b.iter_mut().enumerate() {
                *b = L::load(dy.add(lane_offset + p * LANES));
            }
            for (r, sums) in sums.iter_mut().enumerate() {
                let a = *x.add(row_offset + r);
                for (sum, &b) in sums.iter_mut().zip(&b) {
                    *sum = sum.multiply_add(a, b);
                }
            }
        }
    }
    sums
}
