//! Depthwise convolution: neighbouring pixels of a line together, sixteen channels at a time.
#![expect(unsafe_code, reason = "raw pixels feed the sums in registers")]

use std::ops::Range;

use ndarray::{ArrayView3, ArrayView4, Axis};
use rayon::prelude::*;

use super::division::share;
use super::image::Image;
use super::lanes::{Kernel, LANES, Lanes, dispatch};
use super::tile::for_rows;
use super::write::{Output, PanelWrite, Place};
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
        let [_, height, width, channels] = job.output.image.shape;
        let [_, rows_in, columns_in, _] = job.source.shape;
        // SAFETY: the caller's.
        let panels = (0..channels).step_by(LANES).map(|first| unsafe { Panel::<L>::new(job, first) });
        let panels: Vec<Panel<'_, L>> = panels.collect();
        // Column by column: what a line reads is still in the cache when the next one does.
        for columns in blocks(job.window, width, columns_in, L::TILE[0]) {
            let column_taps = job.window.taps(1, columns.start, columns_in);
            for line in lines.clone() {
                let (image, row) = (line / height, line % height);
                let taps = [job.window.taps(0, row, rows_in), column_taps.clone()];
                let pixels = Neighbours::new(job, image, [row, columns.start], taps);
                // SAFETY: the pixels are inside the output, their taps inside the source.
                unsafe { for_rows!(columns.len(), pixels.compute::<L>(&panels)) }
            }
        }
    }
}

/// The columns of an output of so many, divided: where all taps lie inside of so many columns of the source as many as may be
/// together, others alone.
fn blocks(window: Window, width: usize, columns_in: usize, together: usize) -> impl Iterator<Item = Range<usize>> {
    let Window { kernel: [_, kernel], stride: [_, stride], padding: [_, padding] } = window;
    let first_inside = padding.div_ceil(stride).min(width);
    let last_inside = (columns_in + padding).checked_sub(kernel).map_or(0, |last| last / stride + 1);
    let last_inside = last_inside.clamp(first_inside, width);
    let inside = last_inside - first_inside;
    let count = inside.div_ceil(together);
    let alone = |column| column..column + 1;
    let blocks = (0..count).map(move |block| {
        let columns = share(inside, count, block);
        first_inside + columns.start..first_inside + columns.end
    });
    (0..first_inside).map(alone).chain(blocks).chain((last_inside..width).map(alone))
}

/// Up to sixteen channels.
struct Panel<'a, L> {
    /// The first one, and how many there are.
    first: usize,
    count: usize,
    write: PanelWrite<'a, L>,
}

impl<'a, L: Lanes> Panel<'a, L> {
    /// # Safety
    /// As [`Lanes`] asks.
    #[inline(always)]
    unsafe fn new(job: &Job<'a>, first: usize) -> Self {
        let count = LANES.min(job.output.image.shape[3] - first);
        // SAFETY: the caller's.
        Self { first, count, write: unsafe { PanelWrite::new(&job.output, first) } }
    }

    /// The numbers of its channels at a pixel, or their weights.
    ///
    /// # Safety
    /// They are readable, sixteen of them if the panel is `WHOLE`; and as [`Lanes`] asks.
    #[inline(always)]
    unsafe fn load<const WHOLE: bool>(&self, numbers: *const f32) -> L {
        // SAFETY: the caller's.
        unsafe { if WHOLE { L::load(numbers) } else { L::load_first(numbers, self.count) } }
    }
}

/// Pixels of a line of the output, with the same taps inside the source.
struct Neighbours {
    /// Taps inside: rows and columns.
    taps: [usize; 2],
    /// What the first tap of the first pixel reads, and from there to the next row, to the next column, and to the next pixel.
    x: *const f32,
    x_steps: [isize; 3],
    /// The weights of that tap, and from there to the next row and column.
    weight: *const f32,
    weight_steps: [isize; 2],
    /// Where the first pixel is written, and from there to the next one.
    place: Place,
    place_step: Place,
}

impl Neighbours {
    /// From the pixel at `[row, column]` on.
    #[inline(always)]
    fn new(
        job: &Job<'_>,
        image: usize,
        [row, column]: [usize; 2],
        [(row_taps, first_row), (column_taps, first_column)]: [(Range<usize>, usize); 2],
    ) -> Self {
        let Job { source, weight, window, output } = job;
        let taps = [row_taps.len(), column_taps.len()];
        let [mut x, mut first_weight] = [0; 2];
        if taps[0] * taps[1] > 0 {
            x = source.offset(image, first_row, first_column);
            first_weight = weight.offset(0, row_taps.start, column_taps.start);
        }
        let [_, down, right] = source.strides;
        let [_, place_step] = output.steps();
        Self {
            taps,
            x: source.pointer.wrapping_offset(x),
            x_steps: [down, right, right * window.stride[1] as isize],
            weight: weight.pointer.wrapping_offset(first_weight),
            weight_steps: [weight.strides[1], weight.strides[2]],
            place: output.place(image, row, column),
            place_step,
        }
    }

    /// # Safety
    /// There are so many columns, inside the output; all taps are inside the source; and as [`Lanes`] asks.
    #[inline(always)]
    unsafe fn compute<L: Lanes, const COLUMNS: usize>(&self, panels: &[Panel<'_, L>]) {
        let places: [Place; COLUMNS] =
            std::array::from_fn(|column| [0, 1].map(|k| self.place[k] + column as isize * self.place_step[k]));
        for panel in panels {
            // SAFETY: the caller's.
            unsafe {
                if panel.count == LANES {
                    let sums = self.sums::<L, COLUMNS, true>(self.x.wrapping_add(panel.first), panel);
                    panel.write.write(sums, places);
                    continue;
                }
                for (column, place) in places.into_iter().enumerate() {
                    let x = self.x.wrapping_offset(column as isize * self.x_steps[2]).wrapping_add(panel.first);
                    panel.write.write(self.sums::<L, 1, false>(x, panel), [place]);
                }
            }
        }
    }

    /// The sums of a panel's channels, `WHOLE` or not, from the pixels at `x` on.
    ///
    /// # Safety
    /// As [`Neighbours::compute`].
    #[inline(always)]
    unsafe fn sums<L: Lanes, const COLUMNS: usize, const WHOLE: bool>(
        &self,
        x: *const f32,
        panel: &Panel<'_, L>,
    ) -> [L; COLUMNS] {
        let weight = self.weight.wrapping_add(panel.first);
        // SAFETY: the caller's.
        let mut sums = [unsafe { L::zero() }; COLUMNS];
        // The most frequent kernel, and what of it lies inside at a border: loops of fixed length leave no branches.
        macro_rules! add_all {
            ($rows:expr, $columns:expr) => {
                for row in 0..$rows as isize {
                    for column in 0..$columns as isize {
                        // SAFETY: the caller's.
                        unsafe {
                            let x = x.offset(row * self.x_steps[0] + column * self.x_steps[1]);
                            let weight = weight.offset(row * self.weight_steps[0] + column * self.weight_steps[1]);
                            let weight = panel.load::<WHOLE>(weight);
                            for (pixel, sum) in sums.iter_mut().enumerate() {
                                let x = panel.load::<WHOLE>(x.offset(pixel as isize * self.x_steps[2]));
                                *sum = sum.multiply_add_lanes(x, weight);
                            }
                        }
                    }
                }
            };
        }
        match self.taps {
            [3, 3] if WHOLE => add_all!(3, 3),
            [2, 3] if WHOLE => add_all!(2, 3),
            [3, 2] if WHOLE && COLUMNS == 1 => add_all!(3, 2),
            [2, 2] if WHOLE && COLUMNS == 1 => add_all!(2, 2),
            [rows, columns] => add_all!(rows, columns),
        }
        sums
    }
}
