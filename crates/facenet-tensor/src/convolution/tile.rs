//! The register tiles: the only places where the arithmetic of a convolution happens.
//!
//! A tile holds `ROWS` x `PANELS` x 16 sums in registers. Each sum runs over its terms in one fixed order with one
//! rounding per term, so tiles of any size on any level with fused multiply-add compute the same bits.

/// Output channels per panel of packed weights.
pub(super) const LANES: usize = 16;

/// The sums of a tile.
pub(super) type Sums<const ROWS: usize, const PANELS: usize> = [[[f32; LANES]; PANELS]; ROWS];

/// `a b + c`, fused where the instruction set has it. (Elsewhere `mul_add` would call a library function.)
#[inline(always)]
fn multiply_add<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// Sums over taps and input channels of `input row x weights`.
///
/// ```text
/// sums[r][p][j] = sum over t, c of rows[t][r][c] * panels[p][taps[t]][c][j]
/// ```
///
/// # Safety
/// `rows` points at `taps.len() x ROWS` pointers, each readable for `channels` numbers; `panel` is readable at
/// `p * panel_stride + (taps[t] * channels + c) * LANES + j` for all indices above.
#[inline(always)]
#[expect(unsafe_code, reason = "the inner loop of all convolutions: no bounds checks")]
pub(super) unsafe fn product<const ROWS: usize, const PANELS: usize, const FUSED: bool>(
    rows: *const *const f32,
    taps: &[usize],
    channels: usize,
    panel: *const f32,
    panel_stride: usize,
) -> Sums<ROWS, PANELS> {
    let mut sums = [[[0.0f32; LANES]; PANELS]; ROWS];
    for (t, &tap) in taps.iter().enumerate() {
        // SAFETY: the caller's contract covers every read below.
        unsafe {
            let row: [*const f32; ROWS] = *rows.add(t * ROWS).cast();
            let weights = panel.add(tap * channels * LANES);
            for c in 0..channels {
                let mut b = [[0.0f32; LANES]; PANELS];
                for (p, b) in b.iter_mut().enumerate() {
                    *b = *weights.add(p * panel_stride + c * LANES).cast();
                }
                for r in 0..ROWS {
                    let a = *row[r].add(c);
                    for p in 0..PANELS {
                        for j in 0..LANES {
                            sums[r][p][j] = multiply_add::<FUSED>(a, b[p][j], sums[r][p][j]);
                        }
                    }
                }
            }
        }
    }
    sums
}

/// Adds, pixel by pixel, the products of `ROWS` input channels and `PANELS x 16` output channels to `sums`.
///
/// ```text
/// sums[r][p][j] += sum over k of pairs[k].0[r] * pairs[k].1[p * 16 + j]
/// ```
///
/// # Safety
/// For each pair the first pointer is readable at `row_offset + 0..ROWS`, the second at
/// `lane_offset + 0..PANELS * 16`.
#[inline(always)]
#[expect(unsafe_code, reason = "the inner loop of all weight gradients: no bounds checks")]
pub(super) unsafe fn outer_product<const ROWS: usize, const PANELS: usize, const FUSED: bool>(
    pairs: &[(*const f32, *const f32)],
    row_offset: usize,
    lane_offset: usize,
    mut sums: Sums<ROWS, PANELS>,
) -> Sums<ROWS, PANELS> {
    for &(x, dy) in pairs {
        // SAFETY: the caller's contract.
        unsafe {
            let b: [[f32; LANES]; PANELS] = *dy.add(lane_offset).cast();
            let a: [f32; ROWS] = *x.add(row_offset).cast();
            for r in 0..ROWS {
                for p in 0..PANELS {
                    for j in 0..LANES {
                        sums[r][p][j] = multiply_add::<FUSED>(a[r], b[p][j], sums[r][p][j]);
                    }
                }
            }
        }
    }
    sums
}
