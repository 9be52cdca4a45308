//! Sums of outer products: the inner loop of all weight gradients.
#![expect(unsafe_code, reason = "rows of a thread's buffers feed the register tiles")]

use crate::accumulation::Accumulation;
use crate::convolution::fast::partition::split;
use crate::convolution::fast::register_tile::{Sums, for_rows, panels_of_next_tile};
use crate::simd::lanes::{LANES, Lanes};

/// The length of a row of `channels` in a thread's buffer: an odd number of whole vectors, so that
/// one channel of many rows spreads over all sets of the L1 cache.
pub(super) fn row_length(channels: usize) -> usize {
    (channels.div_ceil(LANES) | 1) * LANES
}

/// A pointer through which several tasks write disjoint elements.
#[derive(Clone, Copy)]
pub(super) struct SharedTarget(pub *mut f32);
// SAFETY: no two tasks write the same elements.
unsafe impl Send for SharedTarget {}
// SAFETY: as above.
unsafe impl Sync for SharedTarget {}

/// Rows of inputs and of gradients, one each per pixel (or tile), and the sums of their products:
///
/// ```text
/// sums[i][o] (+)= sum over pixels of x[pixel][i] * dy[pixel][o]
/// ```
pub(super) struct OuterProducts {
    pub pixels: usize,
    /// The first row of inputs.
    pub x: *const f32,
    /// The distance between rows, in elements.
    pub x_row: usize,
    /// The first row of gradients, each padded to whole vectors.
    pub dy: *const f32,
    pub dy_row: usize,
    pub sums: *mut f32,
    pub sums_row: usize,
    /// Whether the products overwrite the sums or are added to them.
    pub accumulation: Accumulation,
}

impl OuterProducts {
    /// Computes the sums of `inputs` x `outputs` products.
    ///
    /// # Safety
    /// Inputs are readable for all pixels, gradients for all pixels in whole vectors, and sums are
    /// writable, and the requirements of [`Lanes`] hold.
    #[inline(always)]
    pub unsafe fn run<L: Lanes>(&self, inputs: usize, outputs: usize) {
        let [tile_rows, tile_panels] = L::TILE;
        let panels = outputs.div_ceil(LANES);
        let tiles = inputs.div_ceil(tile_rows);
        let mut panel = 0;
        while panel < panels {
            let width = panels_of_next_tile(panels - panel, tile_panels);
            let outputs = outputs - panel * LANES;
            for tile in 0..tiles {
                let rows = split(inputs, tiles, tile);
                let corner = [rows.start, panel * LANES];
                // SAFETY: guaranteed by the caller.
                unsafe {
                    match width {
                        3 => self.rows::<L, 3>(rows.len(), corner, outputs),
                        2 => self.rows::<L, 2>(rows.len(), corner, outputs),
                        _ => self.rows::<L, 1>(rows.len(), corner, outputs),
                    }
                }
            }
            panel += width;
        }
    }

    /// # Safety
    /// Same as [`OuterProducts::tile`].
    #[inline(always)]
    unsafe fn rows<L: Lanes, const PANELS: usize>(&self, rows: usize, corner: [usize; 2], outputs: usize) {
        // SAFETY: guaranteed by the caller.
        unsafe { for_rows!(rows, self.tile::<L, PANELS>(corner, outputs)) }
    }

    /// Computes the tile of the sums that starts at an input and an output, with at most `outputs`
    /// outputs.
    ///
    /// # Safety
    /// The tile is inside the sums, and the requirements of [`OuterProducts::run`] hold.
    #[inline(always)]
    unsafe fn tile<L: Lanes, const ROWS: usize, const PANELS: usize>(
        &self,
        [input, output]: [usize; 2],
        outputs: usize,
    ) {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let target = |r: usize, p: usize| self.sums.add((input + r) * self.sums_row + output + p * LANES);
            let count = |p: usize| LANES.min(outputs - p * LANES);
            let mut sums: Sums<L, ROWS, PANELS> = [[L::zero(); PANELS]; ROWS];
            if self.accumulation == Accumulation::Add {
                for (r, sums) in sums.iter_mut().enumerate() {
                    for (p, sums) in sums.iter_mut().enumerate() {
                        *sums = L::load_first(target(r, p), count(p));
                    }
                }
            }
            for pixel in 0..self.pixels {
                let x = self.x.add(pixel * self.x_row + input);
                let dy = self.dy.add(pixel * self.dy_row + output);
                let mut b = [L::zero(); PANELS];
                for (p, b) in b.iter_mut().enumerate() {
                    *b = L::load(dy.add(p * LANES));
                }
                for (r, sums) in sums.iter_mut().enumerate() {
                    let a = *x.add(r);
                    for (sum, &b) in sums.iter_mut().zip(&b) {
                        *sum = sum.multiply_add(a, b);
                    }
                }
            }
            for (r, sums) in sums.iter().enumerate() {
                for (p, sums) in sums.iter().enumerate() {
                    sums.store_first(target(r, p), count(p));
                }
            }
        }
    }
}
