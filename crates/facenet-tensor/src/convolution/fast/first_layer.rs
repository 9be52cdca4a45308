//! 3x3 convolutions of three channels, such as the first layer of many networks: all weights of 16
//! outputs stay in registers, and three contiguous rows of pixels pass by.
//!
//! Sums have the terms of [`indirect`](crate::convolution::fast::indirect) in the same order.
#![expect(unsafe_code, reason = "raw pixels feed the sums in registers")]

use std::ops::Range;

use ndarray::ArrayView4;
use rayon::prelude::*;

use crate::convolution::fast::epilogue::{Output, PanelStore, PixelOffsets};
use crate::convolution::fast::partition::split;
use crate::convolution::fast::raw_image::RawImage;
use crate::simd::dispatch::dispatch;
use crate::simd::lanes::{LANES, Lanes, SimdKernel};
use crate::simd::level::SimdLevel;
use crate::window::Window;

/// Height and width of the kernel.
const KERNEL: usize = 3;
/// Channels of the input.
const CHANNELS: usize = 3;
/// Elements under a row of the kernel.
const ROW: usize = KERNEL * CHANNELS;
/// Rows of the output per task.
const ROWS_PER_TASK: usize = 8;

/// Whether this is a convolution to at most 16 outputs of contiguous pixels that this module
/// computes. (With more outputs the register tile of other convolutions is faster.)
pub(super) fn is_supported(x: &ArrayView4<'_, f32>, window: Window, outputs: &[Output<'_>]) -> bool {
    let Window { kernel, stride: [_, stride], .. } = window;
    let [output] = outputs else { return false };
    kernel == [KERNEL; 2]
        && (stride == 1 || stride == 2)
        && x.dim().3 == CHANNELS
        && x.strides()[2] == CHANNELS as isize
        && output.image.shape[3] <= LANES
}

/// The operands of a convolution.
struct Operands<'a> {
    source: RawImage<*const f32>,
    /// `[row][column][input][16]`.
    weights: &'a [[f32; LANES]],
    window: Window,
    output: Output<'a>,
}

/// The forward pass, with weights packed by [`pack`](crate::convolution::fast::indirect::pack).
///
/// # Panics
/// If [`is_supported`] does not hold.
pub(super) fn forward(
    level: SimdLevel,
    x: ArrayView4<'_, f32>,
    packed: &[f32],
    window: Window,
    outputs: &[Output<'_>],
) {
    assert!(is_supported(&x, window, outputs), "{window:?} of {:?}", x.shape());
    let output = outputs[0];
    let [images, height, _, channels] = output.image.shape;
    if channels == 0 {
        return;
    }
    let weights = &packed.as_chunks::<LANES>().0[..KERNEL * ROW];
    let operands = Operands { source: RawImage::new(&x), weights, window, output };
    let rows = images * height;
    let tasks = rows.div_ceil(ROWS_PER_TASK);
    (0..tasks).into_par_iter().for_each(|task| {
        let rows = split(rows, tasks, task);
        // SAFETY: the level was detected, the images outlive `operands`, and no two tasks write the
        // same rows.
        unsafe { dispatch(level, OutputRows { operands: &operands, rows }) }
    });
}

/// A range of rows of the output, indexed across images.
struct OutputRows<'a> {
    operands: &'a Operands<'a>,
    rows: Range<usize>,
}

impl SimdKernel for OutputRows<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Self { operands, rows } = self;
        // SAFETY: guaranteed by the caller.
        unsafe {
            match operands.window.stride[1] {
                1 => operands.rows::<L, 1>(rows),
                _ => operands.rows::<L, 2>(rows),
            }
        }
    }
}

impl Operands<'_> {
    /// # Safety
    /// The rows are inside the output and this task owns them; the stride of columns is `STRIDE`;
    /// and the requirements of [`Lanes`] hold.
    #[inline(always)]
    unsafe fn rows<L: Lanes, const STRIDE: usize>(&self, rows: Range<usize>) {
        let Self { source, window, output, .. } = self;
        let [_, rows_in, columns_in, _] = source.shape;
        let [_, height, columns, _] = output.image.shape;
        // SAFETY: guaranteed by the caller.
        let (weights, store) = unsafe {
            let mut weights = [L::zero(); KERNEL * ROW];
            for (lanes, weights) in weights.iter_mut().zip(self.weights) {
                *lanes = L::load(weights.as_ptr());
            }
            (weights, PanelStore::<L>::new(output, 0))
        };
        let [_, step] = output.steps();
        // The columns whose taps are inside the source.
        let first = window.padding[1].div_ceil(STRIDE).min(columns);
        let last = (columns_in + window.padding[1]).checked_sub(KERNEL).map_or(0, |last| last / STRIDE + 1);
        let inside = first..last.clamp(first, columns);
        for row in rows {
            let (image, row) = (row / height, row % height);
            let origin = (row * window.stride[0]) as isize - window.padding[0] as isize;
            let has_all_rows = origin >= 0 && origin + KERNEL as isize <= rows_in as isize;
            let inside = if has_all_rows { inside.clone() } else { 0..0 };
            let start = output.offsets(image, row, 0);
            let offsets = |column: usize| [0, 1].map(|at| start[at] + column as isize * step[at]);
            for column in (0..inside.start).chain(inside.end..columns) {
                let mut copy = [0.0; KERNEL * ROW];
                let corner = [origin, (column * STRIDE) as isize - window.padding[1] as isize];
                // SAFETY: the image exists; the rest is guaranteed by the caller.
                unsafe {
                    source.gather(image, corner, [KERNEL; 2], &mut copy);
                    let rows = [0, 1, 2].map(|row| copy.as_ptr().add(row * ROW));
                    store.store(sums::<L, STRIDE, 1>(rows, &weights), [offsets(column)]);
                }
            }
            if inside.is_empty() {
                continue;
            }
            let first_read = inside.start * STRIDE - window.padding[1];
            // SAFETY: these rows and columns are inside the source.
            let rows: [*const f32; KERNEL] = std::array::from_fn(|k| unsafe {
                source.pointer.offset(source.offset(image, origin as usize + k, first_read))
            });
            let together = columns_together::<L>();
            let mut column = inside.start;
            while column < inside.end {
                let count = together.min(inside.end - column);
                let rows = rows.map(|row| row.wrapping_add((column - inside.start) * STRIDE * CHANNELS));
                // SAFETY: guaranteed by the caller; all taps are inside the source.
                unsafe {
                    match count {
                        6 => store.store(sums::<L, STRIDE, 6>(rows, &weights), block(offsets(column), step)),
                        4.. => store.store(sums::<L, STRIDE, 4>(rows, &weights), block(offsets(column), step)),
                        _ => store.store(sums::<L, STRIDE, 1>(rows, &weights), [offsets(column)]),
                    }
                }
                column += match count {
                    6 => 6,
                    4.. => 4,
                    _ => 1,
                };
            }
        }
    }
}

/// Columns whose sums are computed together: with 32 registers as many as are left by the weights.
const fn columns_together<L: Lanes>() -> usize {
    let [rows, panels] = L::TILE;
    if rows * panels >= 24 { 4 } else { 6 }
}

/// The offsets of adjacent columns.
#[inline(always)]
fn block<const COLUMNS: usize>(first: PixelOffsets, step: PixelOffsets) -> [PixelOffsets; COLUMNS] {
    std::array::from_fn(|column| [0, 1].map(|at| first[at] + column as isize * step[at]))
}

/// The sums of `COLUMNS` adjacent columns, of which the first reads the elements from `rows` on.
///
/// # Safety
/// All elements under the kernels are readable, and the requirements of [`Lanes`] hold.
#[inline(always)]
unsafe fn sums<L: Lanes, const STRIDE: usize, const COLUMNS: usize>(
    rows: [*const f32; KERNEL],
    weights: &[L; KERNEL * ROW],
) -> [L; COLUMNS] {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let mut sums = [L::zero(); COLUMNS];
        for i in 0..KERNEL {
            for j in 0..ROW {
                for (column, sum) in sums.iter_mut().enumerate() {
                    let x = *rows[i].add(column * STRIDE * CHANNELS + j);
                    *sum = sum.multiply_add(x, weights[i * ROW + j]);
                }
            }
        }
        sums
    }
}
