//! Depthwise convolution: neighbouring pixels of a line together, sixteen channels at a time.
#![expect(unsafe_code, reason = "raw pixels feed the sums in registers")]

use std::ops::Range;

use ndarray::{ArrayView3, ArrayView4, Axis};
use rayon::prelude::*;

use super::division::share;
use super::image::Image;
use super::lanes::{Kernel, LANES, Lanes, dispatch};
use super::tile::for_rows;
use super::write::{Output, PanelWrite};
use crate::Window;
use crate::simd::Level;

/// Numbers of the output per task.
const TASK: usize = 1 << 14;

struct Job<'a> {
    source: Image<*const f32>,
    /// As one image: height and width of the kernel, channels.
    weight: Image<*const f32>,
    window: Window,
    output: Output<'a>,
}

/// Convolves each channel with its own kernel.
pub(super) fn forward(
    level: Level,
    x: ArrayView4<'_, f32>,
    weight: ArrayView3<'_, f32>,
    window: Window,
    output: Output<'_>,
) {
    let weight = Image::new(&weight.insert_axis(Axis(0)));
    let job = Job { source: Image::new(&x), weight, window, output };
    let [images, height, width, channels] = output.image.shape;
    let lines = images * height;
    let lines_per_task = (TASK / (width * channels).max(1)).max(1);
    let tasks = lines.div_ceil(lines_per_task);
    (0..tasks).into_par_iter().for_each(|task| {
        let lines = share(lines, tasks, task);
        // SAFETY: levels are only handed in after they were detected, images are valid while the job is, and no two tasks write
        // the same lines.
        unsafe { dispatch(level, Lines { job: &job, lines }) }
    });
}

/// Some lines of the output, counted over images.
struct Lines<'a> {
    job: &'a Job<'a>,
    lines: Range<usize>,
}

impl Kernel for Lines<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Self { job, lines } = self;
        let [_, height, width, _] = job.output.image.shape;
        let [_, rows_in, columns_in, _] = job.source.shape;
        let Window { kernel, stride, padding } = job.window;
        // Where all taps of a line lie inside, several pixels are computed together.
        let first_inside = padding[1].div_ceil(stride[1]).min(width);
        let inside = match (columns_in + padding[1]).checked_sub(kernel[1]) {
            Some(last) => first_inside..(last / stride[1] + 1).clamp(first_inside, width),
            None => first_inside..first_inside,
        };
        let blocks = inside.len().div_ceil(L::TILE[0]);
        for line in lines {
            let (image, row) = (line / height, line % height);
            let (row_taps, first_row) = job.window.taps(0, row, rows_in);
            let pixels = |columns: Range<usize>| {
                let (column_taps, first_column) = job.window.taps(1, columns.start, columns_in);
                let row_taps = row_taps.clone();
                Neighbours { job, image, row, columns, row_taps, column_taps, input: [first_row, first_column] }
            };
            // SAFETY: the pixels are inside the output, their taps inside the source.
            unsafe {
                for column in (0..inside.start).chain(inside.end..width) {
                    pixels(column..column + 1).compute::<L, 1>();
                }
                for block in 0..blocks {
                    let columns = share(inside.len(), blocks, block);
                    let pixels = pixels(inside.start + columns.start..inside.start + columns.end);
                    for_rows!(columns.len(), pixels.compute::<L>());
                }
            }
        }
    }
}

/// Pixels of one line of the output, with the same taps inside the source.
struct Neighbours<'a> {
    job: &'a Job<'a>,
    image: usize,
    row: usize,
    columns: Range<usize>,
    row_taps: Range<usize>,
    column_taps: Range<usize>,
    /// The row and column of the source under the first tap of the first pixel.
    input: [usize; 2],
}

impl Neighbours<'_> {
    /// # Safety
    /// There are so many columns, inside the output; all taps are inside the source; and as [`Lanes`] asks.
    #[inline(always)]
    unsafe fn compute<L: Lanes, const COLUMNS: usize>(&self) {
        let Self { job, image, row, columns, row_taps, column_taps, input: [first_row, first_column] } = self;
        let channels = job.output.image.shape[3];
        let step = job.source.strides[2] * job.window.stride[1] as isize;
        for first in (0..channels).step_by(LANES) {
            let count = LANES.min(channels - first);
            // SAFETY: the caller's; each pixel has `count` channels from the first on.
            unsafe {
                let mut sums = [L::zero(); COLUMNS];
                for (i, x_row) in row_taps.clone().zip(*first_row..) {
                    for (j, x_column) in column_taps.clone().zip(*first_column..) {
                        let weight = job.weight.pointer.offset(job.weight.offset(0, i, j)).add(first);
                        let weight = L::load_first(weight, count);
                        let x = job.source.pointer.offset(job.source.offset(*image, x_row, x_column)).add(first);
                        for (column, sum) in sums.iter_mut().enumerate() {
                            let x = L::load_first(x.offset(column as isize * step), count);
                            *sum = sum.multiply_add_lanes(x, weight);
                        }
                    }
                }
                let write = PanelWrite::<L>::new(&job.output, first);
                for (column, sum) in columns.clone().zip(sums) {
                    write.write(sum, job.output.place(*image, *row, column));
                }
            }
        }
    }
}
