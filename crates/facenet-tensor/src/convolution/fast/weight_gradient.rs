//! The weight gradient, as a sum of outer products over pixels.
//!
//! The result is partitioned into groups of rows (some taps, some input channels). Where it is
//! small and pixels are many, the pixels are partitioned too, into parts with their own partial
//! sums, which are added in order. The parts depend on shapes only; a sum is the same in any group.
//! A task copies inputs and gradients of a block of pixels into buffers of its own, which are read
//! once per tile of the result.
#![expect(unsafe_code, reason = "tasks write rows of one result")]

use std::cell::RefCell;
use std::ops::Range;

use rayon::prelude::*;

use crate::accumulation::Accumulation;
use crate::convolution::fast::outer_products::{OuterProducts, SharedTarget, row_length};
use crate::convolution::fast::partition::{RowGroup, split};
use crate::convolution::fast::raw_image::RawImage;
use crate::convolution::kernels::ConvolutionBackwardWeight;
use crate::memory::aligned_vec::AlignedVec;
use crate::simd::dispatch::dispatch;
use crate::simd::lanes::{Lanes, SimdKernel};
use crate::simd::level::SimdLevel;
use crate::window::Window;

/// Pixels whose rows are copied together: they stay in cache while they are read.
const BLOCK: usize = 96;
/// The fewest pixels per partial sum.
const MIN_PIXELS_PER_PART: usize = 1024;
/// The most parts.
const MAX_PARTS: usize = 16;
/// The most elements in all partial sums together.
const MAX_PARTIAL_ELEMENTS: usize = 1 << 21;
/// Elements of the result per task when partial sums are added.
const ELEMENTS_PER_ADDITION: usize = 2048;

/// Buffers of a thread: inputs and gradients of a block of pixels.
#[derive(Default)]
struct ThreadBuffers {
    inputs: AlignedVec<f32>,
    gradients: AlignedVec<f32>,
}

thread_local! {
    static BUFFERS: RefCell<ThreadBuffers> = RefCell::default();
}

struct Operands {
    x: RawImage<*const f32>,
    dy: RawImage<*const f32>,
    window: Window,
}

/// Adds the weight gradient of a direct convolution.
pub(super) fn backward_weight(level: SimdLevel, operands: ConvolutionBackwardWeight<'_, f32>) {
    let ConvolutionBackwardWeight { x, dy, window, mut dweight, scratch } = operands;
    let (_, width, inputs, outputs) = dweight.dim();
    let operands = Operands { x: RawImage::new(&x), dy: RawImage::new(&dy), window };
    let pixels = operands.dy.shape[0] * operands.dy.shape[1] * operands.dy.shape[2];
    let result = dweight.as_slice_mut().expect("asserted: weights are in standard layout");
    if pixels == 0 || result.is_empty() {
        return;
    }
    let parts = (pixels / MIN_PIXELS_PER_PART).min(MAX_PARTIAL_ELEMENTS / result.len()).clamp(1, MAX_PARTS);
    let groups = RowGroup::partition(window.kernel, inputs, parts, rayon::current_num_threads());
    let length = result.len();
    let partial = scratch.take(if parts == 1 { 0 } else { parts * length });
    let target = SharedTarget(if parts == 1 { result.as_mut_ptr() } else { partial.as_mut_ptr() });
    (0..parts * groups.len()).into_par_iter().for_each(|task| {
        let SharedTarget(target) = { target };
        let (part, group) = (task / groups.len(), &groups[task % groups.len()]);
        let first_row = (group.kernel_rows.start * width + group.kernel_columns.start) * inputs + group.inputs.start;
        // SAFETY: this task owns these rows of this part of the target.
        let target = unsafe { target.add(part * length + first_row * outputs) };
        let pixels = split(pixels, parts, part);
        BUFFERS.with_borrow_mut(|buffers| {
            // Partial sums start at zero; a single part adds to what is there.
            let accumulation = if parts > 1 { Accumulation::Set } else { Accumulation::Add };
            let sum = GroupSum { operands: &operands, group, pixels, target, accumulation, buffers };
            // SAFETY: the level was detected, and this task owns `target`.
            unsafe { dispatch(level, sum) }
        });
    });
    if parts > 1 {
        let partial = &*partial;
        result.par_chunks_mut(ELEMENTS_PER_ADDITION).enumerate().for_each(|(chunk, result)| {
            for part in partial.chunks_exact(length) {
                for (result, partial) in result.iter_mut().zip(&part[chunk * ELEMENTS_PER_ADDITION..]) {
                    *result += partial;
                }
            }
        });
    }
}

/// Adds the outer products of a range of pixels to the rows of a group, block by block.
///
/// `target` is writable for the rows of the group, and no other task accesses them.
struct GroupSum<'a> {
    operands: &'a Operands,
    group: &'a RowGroup,
    pixels: Range<usize>,
    target: *mut f32,
    /// Whether the first block overwrites the target or is added to it.
    accumulation: Accumulation,
    buffers: &'a mut ThreadBuffers,
}

impl SimdKernel for GroupSum<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Self { operands, group, pixels, target, accumulation, buffers } = self;
        let (inputs, outputs) = (group.rows(), operands.dy.shape[3]);
        for first in pixels.clone().step_by(BLOCK) {
            let block = first..(first + BLOCK).min(pixels.end);
            buffers.fill(operands, group, block.clone());
            let products = OuterProducts {
                pixels: block.len(),
                x: buffers.inputs.as_ptr(),
                x_row: row_length(inputs),
                dy: buffers.gradients.as_ptr(),
                dy_row: row_length(outputs),
                sums: target,
                sums_row: outputs,
                accumulation: if first == pixels.start { accumulation } else { Accumulation::Add },
            };
            // SAFETY: the rows were filled, and this task owns those of the target.
            unsafe { products.run::<L>(inputs, outputs) }
        }
    }
}

impl ThreadBuffers {
    /// Copies the inputs under the taps of the group, with zeros outside the image, and the
    /// gradients, padded to whole vectors.
    #[inline(always)]
    fn fill(&mut self, operands: &Operands, group: &RowGroup, pixels: Range<usize>) {
        let [_, height, width, outputs] = operands.dy.shape;
        let Window { stride, padding, .. } = operands.window;
        let kernel = [group.kernel_rows.len(), group.kernel_columns.len()];
        let (x_row, dy_row) = (row_length(group.rows()), row_length(outputs));
        self.inputs.grow(pixels.len() * x_row);
        self.gradients.grow(pixels.len() * dy_row);
        let x = operands.x.channels(group.inputs.clone());
        let rows = self.inputs.chunks_exact_mut(x_row).zip(self.gradients.chunks_exact_mut(dy_row));
        for (pixel, (inputs, gradients)) in pixels.zip(rows) {
            let (image, row, column) = (pixel / (width * height), pixel / width % height, pixel % width);
            let corner = [
                (row * stride[0] + group.kernel_rows.start) as isize - padding[0] as isize,
                (column * stride[1] + group.kernel_columns.start) as isize - padding[1] as isize,
            ];
            let (gradients, padding) = gradients.split_at_mut(outputs);
            padding.fill(0.0);
            // SAFETY: the images outlive `operands` and are valid for their shapes and strides.
            unsafe {
                x.gather(image, corner, kernel, &mut inputs[..group.rows()]);
                operands.dy.gather(image, [row as isize, column as isize], [1, 1], gradients);
            }
        }
    }
}
