//! Weight gradient: at each point, a sum of outer products over tiles.
//!
//! The tiles are partitioned into parts with their own sums, which are added in order, and the
//! input channels into groups. The parts depend on shapes only; a sum is the same in any group.
#![expect(unsafe_code, reason = "raw rows of images feed the transforms and register tiles")]

use std::cell::RefCell;
use std::marker::PhantomData;
use std::ops::Range;

use rayon::prelude::*;

use crate::accumulation::Accumulation;
use crate::convolution::fast::outer_products::{OuterProducts, SharedTarget, row_length};
use crate::convolution::fast::partition::{keeps_busy, split};
use crate::convolution::fast::raw_image::RawImage;
use crate::convolution::fast::winograd::tiles::{Grid, pixels, tiles_per_task, transform};
use crate::convolution::fast::winograd::transforms::{F2, WinogradGradientTransform, each_lane};
use crate::convolution::kernels::ConvolutionBackwardWeight;
use crate::memory::aligned_vec::AlignedVec;
use crate::memory::scratch::Scratch;
use crate::simd::dispatch::dispatch;
use crate::simd::lanes::{LANES, Lanes, SimdKernel};
use crate::simd::level::SimdLevel;
use crate::simd::vectorize::vectorize;

/// The fewest and the most input channels per group.
const INPUTS_PER_GROUP: [usize; 2] = [24, 96];
/// The fewest tiles per partial sum.
const MIN_TILES_PER_PART: usize = 512;
/// The most parts.
const MAX_PARTS: usize = 16;
/// The most elements in all partial sums together.
const MAX_PARTIAL_ELEMENTS: usize = 1 << 21;

struct Operands {
    x: RawImage<*const f32>,
    dy: RawImage<*const f32>,
    padding: [usize; 2],
}

/// Buffers of a thread.
#[derive(Default)]
struct ThreadBuffers {
    /// Transformed inputs `[point][tile][input of the group]`.
    inputs: AlignedVec<f32>,
    /// Transformed gradients `[point][tile][output]`.
    gradients: AlignedVec<f32>,
    zeros: Vec<f32>,
}

thread_local! {
    static BUFFERS: RefCell<ThreadBuffers> = RefCell::default();
}

/// Adds the weight gradient of a convolution.
pub(in crate::convolution::fast) fn backward_weight(level: SimdLevel, operands: ConvolutionBackwardWeight<'_, f32>) {
    let ConvolutionBackwardWeight { x, dy, window, mut dweight, scratch } = operands;
    let operands = Operands { x: RawImage::new(&x), dy: RawImage::new(&dy), padding: window.padding };
    let result = dweight.as_slice_mut().expect("asserted: weights are in standard layout");
    run::<F2, 4, 2>(level, &operands, result, scratch);
}

/// Adds to `result [3][3][inputs][outputs]`.
fn run<F: WinogradGradientTransform<POINTS, OUTPUTS>, const POINTS: usize, const OUTPUTS: usize>(
    level: SimdLevel,
    operands: &Operands,
    result: &mut [f32],
    scratch: &mut Scratch<f32>,
) {
    const { assert!(POINTS == 4, "`total` has room for the sums of 16 points") };
    let points = POINTS * POINTS;
    let grid = Grid::new(operands.dy.shape, OUTPUTS);
    let tiles = operands.dy.shape[0] * grid.tiles();
    if tiles == 0 {
        return;
    }
    let (inputs, outputs) = (operands.x.shape[3], operands.dy.shape[3]);
    let row = outputs.next_multiple_of(LANES);
    let length = points * inputs * row;
    let parts = (tiles / MIN_TILES_PER_PART).min(MAX_PARTIAL_ELEMENTS / length).clamp(1, MAX_PARTS);
    // A power of two, so that tasks of equal size balance across threads.
    let parts = 1 << parts.ilog2();
    let sums = scratch.take(parts * length);
    let [max, min] = INPUTS_PER_GROUP.map(|inputs_of_group| inputs.div_ceil(inputs_of_group));
    // A sum over tiles is the same in any group, so the number of groups may depend on the number
    // of threads.
    let busy = |groups: &usize| keeps_busy(parts * groups, rayon::current_num_threads());
    let groups = (min..=max).find(busy).unwrap_or(max);
    let target = SharedTarget(sums.as_mut_ptr());
    (0..parts * groups).into_par_iter().for_each(|task| {
        let SharedTarget(target) = { target };
        let (part, inputs) = (task / groups, split(inputs, groups, task % groups));
        BUFFERS.with_borrow_mut(|buffers| {
            // SAFETY: this part of the sums is written by the tasks of this part only, each for its
            // own inputs.
            let sums = unsafe { target.add(part * length) };
            let tiles = split(tiles, parts, part);
            let task =
                Task::<POINTS, OUTPUTS, F> { operands, grid, tiles, inputs, sums, buffers, transform: PhantomData };
            // SAFETY: the level was detected, and the images outlive `operands`.
            unsafe { dispatch(level, task) }
        });
    });
    let sums = &*sums;
    // The result has one row per tap and input; the nine rows of an input are computed together.
    let rows = SharedTarget(result.as_mut_ptr());
    (0..inputs).into_par_iter().for_each(|input| {
        let SharedTarget(rows) = { rows };
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
                            // SAFETY: this task owns the rows of this input.
                            let dweight = unsafe { std::slice::from_raw_parts_mut(rows.add(at), count) };
                            dweight.iter_mut().zip(taps).for_each(|(dweight, tap)| *dweight += tap);
                        }
                    }
                }
            },
        );
    });
}

/// The sums of some inputs over some tiles: one task.
struct Task<'a, const POINTS: usize, const OUTPUTS: usize, F> {
    operands: &'a Operands,
    grid: Grid,
    tiles: Range<usize>,
    inputs: Range<usize>,
    /// `[point][all inputs][outputs, padded to whole vectors]`
    sums: *mut f32,
    buffers: &'a mut ThreadBuffers,
    transform: PhantomData<F>,
}

impl<const POINTS: usize, const OUTPUTS: usize, F: WinogradGradientTransform<POINTS, OUTPUTS>> SimdKernel
    for Task<'_, POINTS, OUTPUTS, F>
{
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Self { operands, grid, tiles, inputs, sums, buffers, .. } = self;
        let points = POINTS * POINTS;
        let (all_inputs, outputs) = (operands.x.shape[3], operands.dy.shape[3]);
        let sums_row = outputs.next_multiple_of(LANES);
        let [input_row, output_row] = [inputs.len(), outputs].map(row_length);
        let block = tiles_per_task(points, input_row + output_row);
        buffers.inputs.grow(points * block * input_row);
        buffers.gradients.grow(points * block * output_row);
        if buffers.zeros.len() < all_inputs.max(outputs) {
            buffers.zeros.resize(all_inputs.max(outputs), 0.0);
        }
        let (x, dy) = (buffers.inputs.as_mut_ptr(), buffers.gradients.as_mut_ptr());
        let zeros = buffers.zeros.as_ptr();
        for first in tiles.clone().step_by(block) {
            let count = block.min(tiles.end - first);
            for at in 0..count {
                let (image, corner) = grid.corner(first + at);
                let x_pixels = pixels::<POINTS>(&operands.x, image, corner, operands.padding, zeros);
                let dy_pixels = pixels::<OUTPUTS>(&operands.dy, image, corner, [0; 2], zeros);
                // SAFETY: pixels and zeros have all channels; rows have room for whole vectors.
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
                // SAFETY: as above; the sums of a point cover all inputs and whole vectors of
                // outputs.
                unsafe {
                    let products = OuterProducts {
                        pixels: count,
                        x: x.add(point * block * input_row),
                        x_row: input_row,
                        dy: dy.add(point * block * output_row),
                        dy_row: output_row,
                        sums: sums.add((point * all_inputs + inputs.start) * sums_row),
                        sums_row,
                        accumulation: if first == tiles.start { Accumulation::Set } else { Accumulation::Add },
                    };
                    products.run::<L>(inputs.len(), sums_row);
                }
            }
        }
    }
}
