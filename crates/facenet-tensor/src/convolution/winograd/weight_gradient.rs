//! Gradient at the weights: at each point, a sum of outer products over tiles.
//!
//! The tiles are divided into parts with sums of their own, which are added up in order, and input channels into groups. The parts
//! depend on shapes only; a sum is the same in any group.
#![expect(unsafe_code, reason = "raw rows of images feed the transforms and register tiles")]

use std::cell::RefCell;
use std::marker::PhantomData;
use std::ops::Range;

use rayon::prelude::*;

use super::{GradientForm, Grid, each_lane, pixels, tiles_per_task, transform};
use crate::convolution::division::{keeps_busy, share};
use crate::convolution::image::Image;
use crate::convolution::lanes::{Kernel, LANES, Lanes, dispatch};
use crate::convolution::outer_products::{OuterProducts, Target, row_length};
use crate::simd::{Level, vectorize};
use crate::{AlignedVec, Scratch};

/// Fewest and most input channels per task, where there are more.
const GROUP: [usize; 2] = [24, 96];
/// Tiles that a partial sum must be worth.
const PART: usize = 512;
/// Most parts, and most numbers in all their partial sums.
const MOST_PARTS: usize = 16;
const MOST_PARTIAL: usize = 1 << 21;

pub(super) struct Job {
    pub x: Image<*const f32>,
    pub dy: Image<*const f32>,
    pub padding: [usize; 2],
}

/// Memory of a thread: transformed inputs `[point][tile][input of the group]` and gradients `[point][tile][output]`.
#[derive(Default)]
struct Memory {
    inputs: AlignedVec<f32>,
    gradients: AlignedVec<f32>,
    zeros: Vec<f32>,
}

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::default();
}

/// Adds to `result [3][3][inputs][outputs]`.
pub(super) fn run<F: GradientForm<POINTS, OUTPUTS>, const POINTS: usize, const OUTPUTS: usize>(
    level: Level,
    job: &Job,
    result: &mut [f32],
    scratch: &mut Scratch<f32>,
) {
    const { assert!(POINTS == 4, "room for the sums of sixteen points") };
    let points = POINTS * POINTS;
    let grid = Grid::new(job.dy.shape, OUTPUTS);
    let tiles = job.dy.shape[0] * grid.tiles();
    if tiles == 0 {
        return;
    }
    let (inputs, outputs) = (job.x.shape[3], job.dy.shape[3]);
    let row = outputs.next_multiple_of(LANES);
    let length = points * inputs * row;
    let parts = (tiles / PART).min(MOST_PARTIAL / length).clamp(1, MOST_PARTS);
    // A power of two: so many tasks of one size don't leave threads waiting.
    let parts = 1 << parts.ilog2();
    let sums = scratch.take(parts * length);
    let [most, fewest] = GROUP.map(|inputs_of_group| inputs.div_ceil(inputs_of_group));
    // A sum over tiles is the same in any group: their number may depend on that of threads.
    let busy = |groups: &usize| keeps_busy(parts * groups, rayon::current_num_threads());
    let groups = (fewest..=most).find(busy).unwrap_or(most);
    let target = Target(sums.as_mut_ptr());
    (0..parts * groups).into_par_iter().for_each(|task| {
        let Target(target) = { target };
        let (part, inputs) = (task / groups, share(inputs, groups, task % groups));
        MEMORY.with_borrow_mut(|memory| {
            // SAFETY: this part of the sums belongs to this task and the others of its part, which write other inputs.
            let sums = unsafe { target.add(part * length) };
            let tiles = share(tiles, parts, part);
            let task = Task::<POINTS, OUTPUTS, F> { job, grid, tiles, inputs, sums, memory, form: PhantomData };
            // SAFETY: levels are only handed in after they were detected, and images are valid while the job is.
            unsafe { dispatch(level, task) }
        });
    });
    let sums = &*sums;
    // One row of the result per tap and input: each input's nine rows are finished together.
    let rows = Target(result.as_mut_ptr());
    (0..inputs).into_par_iter().for_each(|input| {
        let Target(rows) = { rows };
        vectorize(
            #[inline(always)]
            || {
                for first in (0..outputs).step_by(LANES) {
                    let count = LANES.min(outputs - first);
                    let mut total = [[0.0; LANES]; 16];
                    let total = &mut total[..points];
                    for sums in sums.chunks_exact(length) {
                        for (point, total) in total.iter_mut().enumerate() {
                            let sums = &sums[(point * inputs + input) * row + first..][..LANES];
                            total.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
                        }
                    }
                    let half: [[[f32; LANES]; 3]; POINTS] = std::array::from_fn(|column| {
                        each_lane(std::array::from_fn(|row| total[row * POINTS + column]), F::weight_gradient)
                    });
                    for tap_row in 0..3 {
                        let row = half.each_ref().map(|taps| taps[tap_row]);
                        let taps = each_lane(row, F::weight_gradient);
                        for (tap_column, taps) in taps.iter().enumerate() {
                            let at = ((tap_row * 3 + tap_column) * inputs + input) * outputs + first;
                            // SAFETY: the rows of this input belong to this task.
                            let dweight = unsafe { std::slice::from_raw_parts_mut(rows.add(at), count) };
                            dweight.iter_mut().zip(taps).for_each(|(dweight, tap)| *dweight += tap);
                        }
                    }
                }
            },
        );
    });
}

/// Sums of some inputs over some tiles.
struct Task<'a, const POINTS: usize, const OUTPUTS: usize, F> {
    job: &'a Job,
    grid: Grid,
    tiles: Range<usize>,
    inputs: Range<usize>,
    /// `[point][all inputs][outputs, filled up to whole vectors]`
    sums: *mut f32,
    memory: &'a mut Memory,
    form: PhantomData<F>,
}

impl<const POINTS: usize, const OUTPUTS: usize, F: GradientForm<POINTS, OUTPUTS>> Kernel
    for Task<'_, POINTS, OUTPUTS, F>
{
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Self { job, grid, tiles, inputs, sums, memory, .. } = self;
        let points = POINTS * POINTS;
        let (all_inputs, outputs) = (job.x.shape[3], job.dy.shape[3]);
        let sums_row = outputs.next_multiple_of(LANES);
        let [input_row, output_row] = [inputs.len(), outputs].map(row_length);
        let block = tiles_per_task(points, input_row + output_row);
        memory.inputs.grow(points * block * input_row);
        memory.gradients.grow(points * block * output_row);
        if memory.zeros.len() < all_inputs.max(outputs) {
            memory.zeros.resize(all_inputs.max(outputs), 0.0);
        }
        let (x, dy) = (memory.inputs.as_mut_ptr(), memory.gradients.as_mut_ptr());
        let zeros = memory.zeros.as_ptr();
        for first in tiles.clone().step_by(block) {
            let count = block.min(tiles.end - first);
            for at in 0..count {
                let (image, corner) = grid.corner(first + at);
                let x_pixels = pixels::<POINTS>(&job.x, image, corner, job.padding, zeros);
                let dy_pixels = pixels::<OUTPUTS>(&job.dy, image, corner, [0; 2], zeros);
                // SAFETY: pixels and zeros have all their channels; rows have room for whole vectors.
                unsafe {
                    let x_pixels = x_pixels.map(|row| row.map(|pixel| pixel.add(inputs.start)));
                    transform(
                        &x_pixels,
                        inputs.len(),
                        x.add(at * input_row),
                        block * input_row,
                        #[inline(always)]
                        |x: [L; POINTS]| F::input(x),
                    );
                    transform(
                        &dy_pixels,
                        outputs,
                        dy.add(at * output_row),
                        block * output_row,
                        #[inline(always)]
                        |dy: [L; OUTPUTS]| F::output_gradient(dy),
                    );
                }
            }
            for point in 0..points {
                // SAFETY: as above; the sums of a point have all inputs and whole vectors of outputs.
                unsafe {
                    let products = OuterProducts {
                        pixels: count,
                        x: x.add(point * block * input_row),
                        x_row: input_row,
                        dy: dy.add(point * block * output_row),
                        dy_row: output_row,
                        sums: sums.add((point * all_inputs + inputs.start) * sums_row),
                        sums_row,
                        fresh: first == tiles.start,
                    };
                    products.run::<L>(inputs.len(), sums_row);
                }
            }
        }
    }
}
