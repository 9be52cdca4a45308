//! Weight gradient as a sum of outer products over pixels.
//!
//! The result is divided into groups of rows (one tap, some input channels), and, where it is small and pixels are many,
//! the pixels into parts with partial sums of their own, added up in order. The parts depend on shapes only; a sum is the
//! same in any group.
#![expect(unsafe_code, reason = "raw rows of images feed the register tiles")]

use std::cell::RefCell;
use std::ops::Range;

use ndarray::{ArrayView4, ArrayViewMut4};
use rayon::prelude::*;

use super::division::{keeps_busy, share};
use super::image::Image;
use super::lanes::{Kernel, LANES, Lanes, dispatch};
use super::tile::{for_rows, outer_product, panels_of_tile};
use crate::simd::Level;
use crate::{Scratch, Window};

/// Pixels between two visits of a tile of the result: their rows stay in the cache meanwhile.
const BLOCK: usize = 128;
/// Fewest and most input channels per task, where there are more: many of them lie side by side in memory.
const GROUP: [usize; 2] = [63, 252];
/// Pixels that a partial sum must be worth.
const PART: usize = 1024;
/// Most parts, and most numbers in all their partial sums.
const MOST_PARTS: usize = 16;
const MOST_PARTIAL: usize = 1 << 21;
/// Below this number of input channels, the inputs of all taps are gathered into one row per pixel.
const FEW_CHANNELS: usize = 8;

type Pair = (*const f32, *const f32);

/// Memory of a thread: pairs of input and gradient rows, their last columns filled up to 16, gathered inputs.
#[derive(Default)]
struct Rows {
    pairs: Vec<Pair>,
    last_pairs: Vec<Pair>,
    last_columns: Vec<[f32; LANES]>,
    gathered: Vec<f32>,
}

thread_local! {
    static ROWS: RefCell<Rows> = RefCell::default();
}

/// A slice of the result's rows: `inputs` of one tap, or of all taps where inputs are gathered.
struct Group {
    tap: usize,
    inputs: Range<usize>,
    first_row: usize,
}

struct Job {
    x: Image<*const f32>,
    dy: Image<*const f32>,
    window: Window,
    gather: bool,
}

/// Where sums are written; tasks write different rows.
#[derive(Clone, Copy)]
pub(super) struct Target(pub(super) *mut f32);
// SAFETY: each task writes the rows of its own group and part.
unsafe impl Send for Target {}
// SAFETY: as above.
unsafe impl Sync for Target {}

pub(super) fn backward_weight(
    level: Level,
    x: ArrayView4<'_, f32>,
    dy: ArrayView4<'_, f32>,
    window: Window,
    mut dweight: ArrayViewMut4<'_, f32>,
    scratch: &mut Scratch<f32>,
) {
    let (height, width, inputs, outputs) = dweight.dim();
    let taps = height * width;
    let (x, dy) = (Image::new(&x), Image::new(&dy));
    let pixels = dy.shape[0] * dy.shape[1] * dy.shape[2];
    let result = dweight.as_slice_mut().expect("asserted: weights lie in standard layout");
    if pixels == 0 || result.is_empty() {
        return;
    }
    let parts = (pixels / PART).min(MOST_PARTIAL / result.len()).clamp(1, MOST_PARTS);
    let part = pixels.div_ceil(parts).next_multiple_of(BLOCK);
    let parts = pixels.div_ceil(part);
    let gather = inputs < FEW_CHANNELS && taps > 1;
    let groups: Vec<Group> = if gather {
        vec![Group { tap: 0, inputs: 0..taps * inputs, first_row: 0 }]
    } else {
        let [most, fewest] = GROUP.map(|channels| inputs.div_ceil(channels));
        // A sum over pixels is the same in any group: their number may depend on that of threads.
        let busy = |groups: &usize| keeps_busy(taps * parts * groups, rayon::current_num_threads());
        let groups = (fewest..=most).find(busy).unwrap_or(most);
        (0..taps)
            .flat_map(|tap| {
                (0..groups).map(move |group| {
                    let inputs_of_group = share(inputs, groups, group);
                    Group { tap, first_row: tap * inputs + inputs_of_group.start, inputs: inputs_of_group }
                })
            })
            .collect()
    };
    let job = Job { x, dy, window, gather };
    let length = result.len();
    let partial = scratch.take(if parts == 1 { 0 } else { parts * length });
    let target = Target(if parts == 1 { result.as_mut_ptr() } else { partial.as_mut_ptr() });
    (0..parts * groups.len()).into_par_iter().for_each(|task| {
        let Target(target) = { target };
        let (index, group) = (task / groups.len(), &groups[task % groups.len()]);
        let pixels = index * part..((index + 1) * part).min(pixels);
        // SAFETY: this part and these rows of the target belong to this task.
        let target = unsafe { target.add(index * length + group.first_row * outputs) };
        ROWS.with_borrow_mut(|rows| {
            // SAFETY: levels are only handed in after they were detected; `target` is this task's.
            unsafe { dispatch(level, GroupSum { job: &job, group, pixels, target, fresh: parts > 1, rows }) }
        });
    });
    if parts > 1 {
        let partial = &*partial;
        result.par_chunks_mut(BLOCK * LANES).enumerate().for_each(|(chunk, result)| {
            let first = chunk * BLOCK * LANES;
            for part in partial.chunks_exact(length) {
                for (result, partial) in result.iter_mut().zip(&part[first..]) {
                    *result += partial;
                }
            }
        });
    }
}

/// Adds the outer products of a range of pixels to the rows of a group, block by block.
///
/// `target` is writable for the group's rows of output channels and nobody else uses them.
struct GroupSum<'a> {
    job: &'a Job,
    group: &'a Group,
    pixels: Range<usize>,
    target: *mut f32,
    /// Whether sums start at zero, whatever the target holds.
    fresh: bool,
    rows: &'a mut Rows,
}

impl Kernel for GroupSum<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Self { job, group, pixels, target, fresh, rows } = self;
        let columns = job.dy.shape[3];
        let whole = columns / LANES;
        let [tile_rows, tile_panels] = L::TILE;
        let inputs = group.inputs.len();
        let tiles = inputs.div_ceil(tile_rows);
        for first in pixels.clone().step_by(BLOCK) {
            rows.fill(job, group, first..(first + BLOCK).min(pixels.end));
            let fresh = fresh && first == pixels.start;
            let mut panel = 0;
            while panel < whole {
                let width = panels_of_tile(whole - panel, tile_panels);
                for tile in 0..tiles {
                    let lane = panel * LANES;
                    let inputs = share(inputs, tiles, tile);
                    let tile = Tile { pairs: &rows.pairs, lane, target, columns, lanes: lane..lane + LANES, fresh };
                    // SAFETY: all tiles lie inside the group's rows.
                    unsafe {
                        match width {
                            3 => tile.add_rows::<L, 3>(inputs),
                            2 => tile.add_rows::<L, 2>(inputs),
                            _ => tile.add_rows::<L, 1>(inputs),
                        }
                    }
                }
                panel += width;
            }
            if columns > whole * LANES {
                for tile in 0..tiles {
                    let (inputs, lanes) = (share(inputs, tiles, tile), whole * LANES..columns);
                    let tile = Tile { pairs: &rows.last_pairs, lane: 0, target, columns, lanes, fresh };
                    // SAFETY: as above; the last columns were filled up to 16.
                    unsafe { tile.add_rows::<L, 1>(inputs) };
                }
            }
        }
    }
}

/// Some rows and panels of the result.
struct Tile<'a> {
    pairs: &'a [Pair],
    /// Where the first panel lies in the rows of the pairs.
    lane: usize,
    target: *mut f32,
    columns: usize,
    /// The lanes of the first panel in the rows of the target; fewer than sixteen of a last one.
    lanes: Range<usize>,
    fresh: bool,
}

impl Tile<'_> {
    /// # Safety
    /// As [`Tile::add`].
    #[inline(always)]
    unsafe fn add_rows<L: Lanes, const PANELS: usize>(&self, inputs: Range<usize>) {
        let row = inputs.start;
        // SAFETY: the caller's.
        unsafe { for_rows!(inputs.len(), self.add::<L, PANELS>(row)) }
    }

    /// Loads a tile of the result, adds the outer products of all pairs, stores it.
    ///
    /// # Safety
    /// `target` is writable for the rows from `row` on, each of `columns` numbers; pairs as [`outer_product`] asks.
    #[inline(always)]
    unsafe fn add<L: Lanes, const ROWS: usize, const PANELS: usize>(&self, row: usize) {
        let count = self.lanes.len();
        // SAFETY: the caller's contract.
        unsafe {
            let place = |r: usize, p: usize| self.target.add((row + r) * self.columns + self.lanes.start + p * LANES);
            let mut sums = [[L::zero(); PANELS]; ROWS];
            if !self.fresh {
                for (r, sums) in sums.iter_mut().enumerate() {
                    for (p, sums) in sums.iter_mut().enumerate() {
                        *sums = L::load_first(place(r, p), count);
                    }
                }
            }
            let pairs = self.pairs.iter().map(
                #[inline(always)]
                |&(x, dy)| (x.add(row), dy.add(self.lane)),
            );
            let sums = outer_product(pairs, sums);
            for (r, sums) in sums.iter().enumerate() {
                for (p, sums) in sums.iter().enumerate() {
                    sums.store_first(place(r, p), count);
                }
            }
        }
    }
}

impl Rows {
    /// Lists, for the pixels whose tap falls inside the input, the input row (from the group's first channel on) and
    /// the gradient row; where inputs are gathered, for all pixels.
    #[inline(always)]
    fn fill(&mut self, job: &Job, group: &Group, pixels: Range<usize>) {
        let [_, height, width, columns] = job.dy.shape;
        let [_, rows_in, columns_in, _] = job.x.shape;
        let kernel_width = job.window.kernel[1];
        self.pairs.clear();
        let depth = group.inputs.len();
        if job.gather {
            self.gathered.resize(pixels.len() * depth, 0.0);
        }
        let gathered = self.gathered.as_mut_ptr();
        let source = |image: usize, row: usize, column: usize, tap: usize| {
            let source_row = (row * job.window.stride[0] + tap / kernel_width).wrapping_sub(job.window.padding[0]);
            let source_column =
                (column * job.window.stride[1] + tap % kernel_width).wrapping_sub(job.window.padding[1]);
            // SAFETY: the pixel is inside the input.
            (source_row < rows_in && source_column < columns_in)
                .then(|| unsafe { job.x.pointer.offset(job.x.offset(image, source_row, source_column)) })
        };
        let first_pixel = pixels.start;
        for pixel in pixels {
            let (image, row, column) = (pixel / (width * height), pixel / width % height, pixel % width);
            // SAFETY: the pixel is inside the gradient.
            let dy = unsafe { job.dy.pointer.offset(job.dy.offset(image, row, column)) };
            if job.gather {
                let Window { kernel, stride, padding } = job.window;
                let corner = [
                    (row * stride[0]) as isize - padding[0] as isize,
                    (column * stride[1]) as isize - padding[1] as isize,
                ];
                // SAFETY: the input is valid for its shape and strides, and there are `depth` numbers for each pixel.
                unsafe {
                    let row = gathered.add((pixel - first_pixel) * depth);
                    job.x.gather(image, corner, kernel, std::slice::from_raw_parts_mut(row, depth));
                    self.pairs.push((row, dy));
                }
            } else if let Some(x) = source(image, row, column, group.tap) {
                // SAFETY: the group's first channel is one of the pixel's.
                self.pairs.push((unsafe { x.add(group.inputs.start) }, dy));
            }
        }
        let whole = columns / LANES * LANES;
        if columns > whole {
            self.last_columns.clear();
            self.last_columns.extend(self.pairs.iter().map(|&(_, dy)| {
                let mut lanes = [0.0; LANES];
                // SAFETY: a pixel of the gradient has `columns` numbers.
                lanes[..columns - whole]
                    .copy_from_slice(unsafe { std::slice::from_raw_parts(dy.add(whole), columns - whole) });
                lanes
            }));
            self.last_pairs.clear();
            self.last_pairs
                .extend(self.pairs.iter().zip(&self.last_columns).map(|(&(x, _), lanes)| (x, lanes.as_ptr())));
        }
    }
}
