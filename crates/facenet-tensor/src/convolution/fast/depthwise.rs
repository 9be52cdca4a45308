//! Depthwise convolution: blocks of adjacent pixels of a row, 16 channels at a time.
#![expect(unsafe_code, reason = "raw pixels feed the sums in registers")]

use std::ops::Range;

use ndarray::{ArrayView3, ArrayView4, Axis};
use rayon::prelude::*;

use crate::convolution::fast::epilogue::{Output, PanelStore, PixelOffsets};
use crate::convolution::fast::partition::split;
use crate::convolution::fast::raw_image::RawImage;
use crate::convolution::fast::register_tile::for_rows;
use crate::simd::dispatch::dispatch;
use crate::simd::lanes::{LANES, Lanes, SimdKernel};
use crate::simd::level::SimdLevel;
use crate::window::Window;

/// Elements of the output per task.
const ELEMENTS_PER_TASK: usize = 1 << 14;

/// The operands of a depthwise convolution.
struct Operands<'a> {
    source: RawImage<*const f32>,
    /// As a batch of one image: kernel height, kernel width, channels.
    weight: RawImage<*const f32>,
    window: Window,
    output: Output<'a>,
}

/// Convolves each channel with its own kernel.
pub(super) fn forward(
    level: SimdLevel,
    x: ArrayView4<'_, f32>,
    weight: ArrayView3<'_, f32>,
    window: Window,
    output: Output<'_>,
) {
    let weight = RawImage::new(&weight.insert_axis(Axis(0)));
    let operands = Operands { source: RawImage::new(&x), weight, window, output };
    let [images, height, width, channels] = output.image.shape;
    let rows = images * height;
    let rows_per_task = (ELEMENTS_PER_TASK / (width * channels).max(1)).max(1);
    let tasks = rows.div_ceil(rows_per_task);
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
        let [_, height, width, channels] = operands.output.image.shape;
        let [_, rows_in, columns_in, _] = operands.source.shape;
        // SAFETY: guaranteed by the caller.
        let panels = (0..channels).step_by(LANES).map(|first| unsafe { Panel::<L>::new(operands, first) });
        let panels: Vec<Panel<'_, L>> = panels.collect();
        // Columns outermost: what one row reads is still in cache when the next row reads it.
        for columns in blocks(operands.window, width, columns_in, L::TILE[0]) {
            let column_taps = operands.window.taps(1, columns.start, columns_in);
            for row in rows.clone() {
                let (image, row) = (row / height, row % height);
                let taps = [operands.window.taps(0, row, rows_in), column_taps.clone()];
                let pixels = PixelBlock::new(operands, image, [row, columns.start], taps);
                // SAFETY: the pixels are inside the output and their taps inside the source.
                unsafe { for_rows!(columns.len(), pixels.compute::<L>(&panels)) }
            }
        }
    }
}

/// Partitions the `width` columns of an output: at most `together` per block where all taps are
/// inside the `columns_in` columns of the source, single columns elsewhere.
fn blocks(window: Window, width: usize, columns_in: usize, together: usize) -> impl Iterator<Item = Range<usize>> {
    let Window { kernel: [_, kernel], stride: [_, stride], padding: [_, padding] } = window;
    let first_inside = padding.div_ceil(stride).min(width);
    let last_inside = (columns_in + padding).checked_sub(kernel).map_or(0, |last| last / stride + 1);
    let last_inside = last_inside.clamp(first_inside, width);
    let inside = last_inside - first_inside;
    let count = inside.div_ceil(together);
    let single = |column| column..column + 1;
    let blocks = (0..count).map(move |block| {
        let columns = split(inside, count, block);
        first_inside + columns.start..first_inside + columns.end
    });
    (0..first_inside).map(single).chain(blocks).chain((last_inside..width).map(single))
}

/// Up to 16 channels.
struct Panel<'a, L> {
    /// The first channel and the number of channels.
    first: usize,
    count: usize,
    store: PanelStore<'a, L>,
}

impl<'a, L: Lanes> Panel<'a, L> {
    /// # Safety
    /// The requirements of [`Lanes`].
    #[inline(always)]
    unsafe fn new(operands: &Operands<'a>, first: usize) -> Self {
        let count = LANES.min(operands.output.image.shape[3] - first);
        // SAFETY: guaranteed by the caller.
        Self { first, count, store: unsafe { PanelStore::new(&operands.output, first) } }
    }

    /// Loads the channels of a pixel, or their weights.
    ///
    /// # Safety
    /// They are readable, all 16 of them if the panel is `WHOLE`, and the requirements of [`Lanes`]
    /// hold.
    #[inline(always)]
    unsafe fn load<const WHOLE: bool>(&self, source: *const f32) -> L {
        // SAFETY: guaranteed by the caller.
        unsafe { if WHOLE { L::load(source) } else { L::load_first(source, self.count) } }
    }
}

/// Adjacent pixels of an output row that have the same taps inside the source.
struct PixelBlock {
    /// Rows and columns of taps inside the source.
    taps: [usize; 2],
    /// What the first tap of the first pixel reads, and the steps to the next row, the next column
    /// and the next pixel.
    x: *const f32,
    x_steps: [isize; 3],
    /// The weights of that tap, and the steps to the next row and column.
    weight: *const f32,
    weight_steps: [isize; 2],
    /// Where the first pixel is stored, and the step to the next one.
    offsets: PixelOffsets,
    offsets_step: PixelOffsets,
}

impl PixelBlock {
    /// The block that starts at pixel `[row, column]`.
    #[inline(always)]
    fn new(
        operands: &Operands<'_>,
        image: usize,
        [row, column]: [usize; 2],
        [(row_taps, first_row), (column_taps, first_column)]: [(Range<usize>, usize); 2],
    ) -> Self {
        let Operands { source, weight, window, output } = operands;
        let taps = [row_taps.len(), column_taps.len()];
        let [mut x, mut first_weight] = [0; 2];
        if taps[0] * taps[1] > 0 {
            x = source.offset(image, first_row, first_column);
            first_weight = weight.offset(0, row_taps.start, column_taps.start);
        }
        let [_, down, right] = source.strides;
        let [_, offsets_step] = output.steps();
        Self {
            taps,
            x: source.pointer.wrapping_offset(x),
            x_steps: [down, right, right * window.stride[1] as isize],
            weight: weight.pointer.wrapping_offset(first_weight),
            weight_steps: [weight.strides[1], weight.strides[2]],
            offsets: output.offsets(image, row, column),
            offsets_step,
        }
    }

    /// # Safety
    /// The block has `COLUMNS` columns, inside the output; all taps are inside the source, and the
    /// requirements of [`Lanes`] hold.
    #[inline(always)]
    unsafe fn compute<L: Lanes, const COLUMNS: usize>(&self, panels: &[Panel<'_, L>]) {
        let offsets: [PixelOffsets; COLUMNS] =
            std::array::from_fn(|column| [0, 1].map(|k| self.offsets[k] + column as isize * self.offsets_step[k]));
        for panel in panels {
            // SAFETY: guaranteed by the caller.
            unsafe {
                if panel.count == LANES {
                    let sums = self.sums::<L, COLUMNS, true>(self.x.wrapping_add(panel.first), panel);
                    panel.store.store(sums, offsets);
                    continue;
                }
                for (column, offsets) in offsets.into_iter().enumerate() {
                    let x = self.x.wrapping_offset(column as isize * self.x_steps[2]).wrapping_add(panel.first);
                    panel.store.store(self.sums::<L, 1, false>(x, panel), [offsets]);
                }
            }
        }
    }

    /// The sums of the channels of a panel, `WHOLE` or not, for the pixels from `x` on.
    ///
    /// # Safety
    /// Same as [`PixelBlock::compute`].
    #[inline(always)]
    unsafe fn sums<L: Lanes, const COLUMNS: usize, const WHOLE: bool>(
        &self,
        x: *const f32,
        panel: &Panel<'_, L>,
    ) -> [L; COLUMNS] {
        let weight = self.weight.wrapping_add(panel.first);
        // SAFETY: guaranteed by the caller.
        let mut sums = [unsafe { L::zero() }; COLUMNS];
        // The most common kernel, and its parts inside the image at a border: loops of fixed length
        // compile without branches.
        macro_rules! add_all {
            ($rows:expr, $columns:expr) => {
                for row in 0..$rows as isize {
                    for column in 0..$columns as isize {
                        // SAFETY: guaranteed by the caller.
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
