//! Weight gradient as a sum of outer products over pixels.
//!
//! The result is divided into groups of rows (one tap, some input channels), and, where it is small and pixels are many,
//! the pixels into parts with partial sums of their own, added up in order. Both depend on shapes only.
#![expect(unsafe_code, reason = "raw rows of images feed the register tiles")]

use std::cell::RefCell;
use std::ops::Range;

use ndarray::{ArrayView4, ArrayViewMut4};
use rayon::prelude::*;

use super::image::Image;
#[cfg(target_arch = "aarch64")]
use super::lanes::Neon;
#[cfg(target_arch = "x86_64")]
use super::lanes::{Avx2, Avx512};
use super::lanes::{LANES, Lanes, Portable};
use super::tile::outer_product;
use crate::simd::Level;
use crate::{Scratch, Window};

/// Pixels between two visits of a tile of the result: their rows stay in the cache meanwhile.
const BLOCK: usize = 128;
/// Input channels per task.
const GROUP: usize = 64;
/// Pixels that a partial sum must be worth.
const PART: usize = 4096;
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

/// Where partial sums are written; tasks write different rows.
#[derive(Clone, Copy)]
struct Target(*mut f32);
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
        (0..taps)
            .flat_map(|tap| {
                (0..inputs).step_by(GROUP).map(move |first| Group {
                    tap,
                    inputs: first..(first + GROUP).min(inputs),
                    first_row: tap * inputs + first,
                })
            })
            .collect()
    };
    let job = Job { x, dy, window, gather };
    let length = result.len();
    let partial = scratch.take(if parts == 1 { 0 } else { parts * length });
    partial.fill(0.0);
    let target = Target(if parts == 1 { result.as_mut_ptr() } else { partial.as_mut_ptr() });
    (0..parts * groups.len()).into_par_iter().for_each(|task| {
        let Target(target) = { target };
        let (index, group) = (task / groups.len(), &groups[task % groups.len()]);
        let pixels = index * part..((index + 1) * part).min(pixels);
        // SAFETY: this part and these rows of the target belong to this task.
        let target = unsafe { target.add(index * length + group.first_row * outputs) };
        ROWS.with_borrow_mut(|rows| match level {
            // SAFETY: a level above `Portable` is only handed in after it was detected; `target` is this task's.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { group_avx512(&job, group, pixels, target, rows) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { group_avx2(&job, group, pixels, target, rows) },
            // SAFETY: every processor of this architecture has it; and as below.
            #[cfg(target_arch = "aarch64")]
            Level::Neon => unsafe { sum_group::<Neon, 6, 1>(&job, group, pixels, target, rows) },
            // SAFETY: `target` is this task's.
            _ => unsafe { sum_group::<Portable, 4, 1>(&job, group, pixels, target, rows) },
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

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
unsafe fn group_avx512(job: &Job, group: &Group, pixels: Range<usize>, target: *mut f32, rows: &mut Rows) {
    // SAFETY: the caller's.
    unsafe { sum_group::<Avx512, 8, 2>(job, group, pixels, target, rows) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn group_avx2(job: &Job, group: &Group, pixels: Range<usize>, target: *mut f32, rows: &mut Rows) {
    // SAFETY: the caller's.
    unsafe { sum_group::<Avx2, 6, 1>(job, group, pixels, target, rows) }
}

/// Adds the outer products of a range of pixels to the rows of a group, block by block.
///
/// # Safety
/// `target` is writable for the group's rows of output channels and nobody else uses them.
#[inline(always)]
unsafe fn sum_group<L: Lanes, const TILE: usize, const PANELS: usize>(
    job: &Job,
    group: &Group,
    pixels: Range<usize>,
    target: *mut f32,
    rows: &mut Rows,
) {
    let columns = job.dy.shape[3];
    let whole = columns / LANES;
    for first in pixels.clone().step_by(BLOCK) {
        rows.fill(job, group, first..(first + BLOCK).min(pixels.end));
        let (mut row, count) = (0, group.inputs.len());
        while row < count {
            let height = match count - row {
                left if left >= TILE => TILE,
                left if left >= 4 => 4,
                left if left >= 2 => 2,
                _ => 1,
            };
            // SAFETY: all tiles lie inside the group's rows; the last columns were filled up to 16.
            unsafe {
                let target = target.add(row * columns);
                let mut panel = 0;
                while panel < whole {
                    let width = if panel + PANELS <= whole { PANELS } else { 1 };
                    let place = target.add(panel * LANES);
                    let at = panel * LANES;
                    if width == PANELS {
                        match height {
                            4 if TILE != 4 => tile::<L, 4, PANELS>(&rows.pairs, row, at, place, columns, LANES),
                            2 => tile::<L, 2, PANELS>(&rows.pairs, row, at, place, columns, LANES),
                            1 => tile::<L, 1, PANELS>(&rows.pairs, row, at, place, columns, LANES),
                            _ => tile::<L, TILE, PANELS>(&rows.pairs, row, at, place, columns, LANES),
                        }
                    } else {
                        column::<L, TILE>(&rows.pairs, height, row, at, place, columns, LANES);
                    }
                    panel += width;
                }
                if columns > whole * LANES {
                    let place = target.add(whole * LANES);
                    let last = columns - whole * LANES;
                    column::<L, TILE>(&rows.last_pairs, height, row, 0, place, columns, last);
                }
            }
            row += height;
        }
    }
}

/// One panel of a tile of any height.
///
/// # Safety
/// As [`tile`].
#[inline(always)]
unsafe fn column<L: Lanes, const TILE: usize>(
    pairs: &[Pair],
    height: usize,
    row: usize,
    lane: usize,
    target: *mut f32,
    columns: usize,
    count: usize,
) {
    // SAFETY: the caller's.
    unsafe {
        match height {
            4 if TILE != 4 => tile::<L, 4, 1>(pairs, row, lane, target, columns, count),
            2 => tile::<L, 2, 1>(pairs, row, lane, target, columns, count),
            1 => tile::<L, 1, 1>(pairs, row, lane, target, columns, count),
            _ => tile::<L, TILE, 1>(pairs, row, lane, target, columns, count),
        }
    }
}

/// Loads a tile of the result, adds the outer products of all pairs, stores it.
///
/// # Safety
/// `target` is writable for `HEIGHT` rows of `columns` numbers, of which `count` lanes per panel are touched; pairs as
/// [`outer_product`] asks.
#[inline(always)]
unsafe fn tile<L: Lanes, const HEIGHT: usize, const PANELS: usize>(
    pairs: &[Pair],
    row: usize,
    lane: usize,
    target: *mut f32,
    columns: usize,
    count: usize,
) {
    // SAFETY: the caller's contract; `last` has sixteen numbers.
    unsafe {
        let mut last = [0.0; LANES];
        let mut sums = [[L::zero(); PANELS]; HEIGHT];
        for (r, sums) in sums.iter_mut().enumerate() {
            for (p, sums) in sums.iter_mut().enumerate() {
                let source = target.add(r * columns + p * LANES).cast_const();
                if count == LANES {
                    *sums = L::load(source);
                } else {
                    std::ptr::copy_nonoverlapping(source, last.as_mut_ptr(), count);
                    *sums = L::load(last.as_ptr());
                }
            }
        }
        let sums = outer_product(pairs, row, lane, sums);
        for (r, sums) in sums.iter().enumerate() {
            for (p, sums) in sums.iter().enumerate() {
                let place = target.add(r * columns + p * LANES);
                if count == LANES {
                    sums.store(place);
                } else {
                    sums.store(last.as_mut_ptr());
                    std::ptr::copy_nonoverlapping(last.as_ptr(), place, count);
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
                let gathered = &mut self.gathered[(pixel - first_pixel) * depth..][..depth];
                let Window { kernel, stride, padding } = job.window;
                let corner = [
                    (row * stride[0]) as isize - padding[0] as isize,
                    (column * stride[1]) as isize - padding[1] as isize,
                ];
                // SAFETY: the input is valid for its shape and strides.
                unsafe { job.x.gather(image, corner, kernel, gathered) };
                self.pairs.push((gathered.as_ptr(), dy));
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
