//! Sums of outer products: the arithmetic of all weight gradients.
#![expect(unsafe_code, reason = "rows of a thread's own memory feed the register tiles")]

use super::division::share;
use super::lanes::{LANES, Lanes};
use super::tile::{Sums, for_rows, panels_of_tile};

/// The length of a row of so many channels in a thread's own memory: whole vectors, and an odd number of them, so that the same
/// channels of many rows spread over all sets of the first-level cache.
pub(super) fn row_length(channels: usize) -> usize {
    (channels.div_ceil(LANES) | 1) * LANES
}

/// Where sums are written, by several tasks.
#[derive(Clone, Copy)]
pub(super) struct Target(pub *mut f32);
// SAFETY: no two tasks write the same numbers.
unsafe impl Send for Target {}
// SAFETY: as above.
unsafe impl Sync for Target {}

/// Rows of inputs and of gradients, one of each per pixel (or tile), and the sums of their products:
///
/// ```text
/// sums[i][o] (+)= sum over pixels of x[pixel][i] * dy[pixel][o]
/// ```
pub(super) struct OuterProducts {
    pub pixels: usize,
    /// The first row of inputs.
    pub x: *const f32,
    /// Numbers from one row to the next.
    pub x_row: usize,
    /// Filled up to whole vectors.
    pub dy: *const f32,
    pub dy_row: usize,
    pub sums: *mut f32,
    pub sums_row: usize,
    /// Whether sums start at zero, whatever is there.
    pub fresh: bool,
}

impl OuterProducts {
    /// Adds the products of so many inputs and outputs.
    ///
    /// # Safety
    /// Inputs are readable for all pixels, gradients too, for whole vectors, and sums writable; and as [`Lanes`] asks.
    #[inline(always)]
    pub unsafe fn run<L: Lanes>(&self, inputs: usize, outputs: usize) {
        let [tile_rows, tile_panels] = L::TILE;
        let panels = outputs.div_ceil(LANES);
        let tiles = inputs.div_ceil(tile_rows);
        let mut panel = 0;
        while panel < panels {
            let width = panels_of_tile(panels - panel, tile_panels);
            let outputs = outputs - panel * LANES;
            for tile in 0..tiles {
                let rows = share(inputs, tiles, tile);
                let corner = [rows.start, panel * LANES];
                // SAFETY: the caller's.
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
    /// As [`OuterProducts::tile`].
    #[inline(always)]
    unsafe fn rows<L: Lanes, const PANELS: usize>(&self, rows: usize, corner: [usize; 2], outputs: usize) {
        // SAFETY: the caller's.
        unsafe { for_rows!(rows, self.tile::<L, PANELS>(corner, outputs)) }
    }

    /// Adds to the tile of the sums that starts at an input and an output, and holds up to `outputs` of these.
    ///
    /// # Safety
    /// The tile lies inside the sums; and as [`OuterProducts::run`].
    #[inline(always)]
    unsafe fn tile<L: Lanes, const ROWS: usize, const PANELS: usize>(
        &self,
        [input, output]: [usize; 2],
        outputs: usize,
    ) {
        // SAFETY: the caller's.
        unsafe {
            let place = |r: usize, p: usize| self.sums.add((input + r) * self.sums_row + output + p * LANES);
            let count = |p: usize| LANES.min(outputs - p * LANES);
            let mut sums: Sums<L, ROWS, PANELS> = [[L::zero(); PANELS]; ROWS];
            if !self.fresh {
                for (r, sums) in sums.iter_mut().enumerate() {
                    for (p, sums) in sums.iter_mut().enumerate() {
                        *sums = L::load_first(place(r, p), count(p));
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
                    sums.store_first(place(r, p), count(p));
                }
            }
        }
    }
}
