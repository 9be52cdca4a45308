//! A 1x1 convolution and the 3x3 depthwise convolution of its result, row by row: the rows of the
//! result that the depthwise convolution reads stay in cache, and the others are never kept.
#![expect(unsafe_code, reason = "raw rows feed the sums in registers")]

use std::cell::RefCell;
use std::ops::Range;

use ndarray::{ArrayView3, ArrayView4, Axis};
use rayon::prelude::*;

use crate::convolution::fast::epilogue::{Output, PanelStore, PixelOffsets, Store};
use crate::convolution::fast::partition::{keeps_busy, split};
use crate::convolution::fast::raw_image::RawImage;
use crate::convolution::fast::register_tile::{add_products, for_panels, for_rows, panels_of_next_tile};
use crate::convolution::fused_activation::Epilogue;
use crate::convolution::kernels::SeparablePool;
use crate::memory::aligned_vec::AlignedVec;
use crate::simd::dispatch::dispatch;
use crate::simd::lanes::{LANES, Lanes, SimdKernel};
use crate::simd::level::SimdLevel;
use crate::window::Window;

/// Height and width of the depthwise kernel.
const KERNEL: usize = 3;
/// Rows of the intermediate image that are kept: those under two rows of the output at stride 1.
const ROWS_KEPT: usize = 4;
/// Pixels of up to so many channels need no prefetch: adjacent ones are in adjacent cache lines.
const PREFETCHED_BY_HARDWARE: usize = 16;
/// How many columns ahead the output is prefetched.
const PREFETCHED_COLUMNS: usize = 18;
/// The fewest rows of the output per task. Two tasks both compute the rows of the intermediate
/// image that both read.
const MIN_ROWS_PER_TASK: usize = 8;

/// The 1x1 convolution.
#[derive(Clone, Copy)]
pub(super) struct Pointwise<'a> {
    /// As packed by [`indirect::pack`](crate::convolution::fast::indirect::pack).
    pub packed: &'a [f32],
    pub epilogue: &'a Epilogue<f32>,
}

/// The operands of both convolutions.
struct Operands<'a> {
    source: RawImage<*const f32>,
    pointwise: Pointwise<'a>,
    /// As a batch of one image: kernel height, kernel width, channels.
    weight: RawImage<*const f32>,
    window: Window,
    /// Columns of the depthwise convolution.
    columns: usize,
    pool: SeparablePool,
    output: Output<'a>,
}

thread_local! {
    /// Rows of the intermediate image, each with its padding left and right, then a row of zeros and
    /// two rows of the depthwise convolution to be pooled. Channels are padded to whole panels.
    static ROWS: RefCell<AlignedVec<f32>> = RefCell::default();
}

/// The depthwise convolution.
#[derive(Clone, Copy)]
pub(super) struct Depthwise<'a> {
    pub weight: ArrayView3<'a, f32>,
    pub window: Window,
    /// What happens to its result before it is stored.
    pub pool: SeparablePool,
}

/// Computes the depthwise convolution of the 1x1 convolution of `x`.
pub(super) fn forward(
    level: SimdLevel,
    x: ArrayView4<'_, f32>,
    pointwise: Pointwise<'_>,
    depthwise: Depthwise<'_>,
    output: Output<'_>,
) {
    let Depthwise { weight, window, pool } = depthwise;
    let weight = RawImage::new(&weight.insert_axis(Axis(0)));
    let source = RawImage::new(&x);
    let [_, rows_in, columns_in, _] = source.shape;
    let [_, columns] = window.output([rows_in, columns_in]).expect("asserted: the kernel fits");
    let operands = Operands { source, pointwise, weight, window, columns, pool, output };
    let [images, height, _, channels] = output.image.shape;
    if channels == 0 {
        return;
    }
    let bands = bands(images, height, rayon::current_num_threads());
    (0..images * bands).into_par_iter().for_each(|task| {
        let (image, rows) = (task / bands, split(height, bands, task % bands));
        ROWS.with_borrow_mut(|buffer| {
            // SAFETY: the level was detected, the images outlive `operands`, and no two tasks write
            // the same rows.
            unsafe { dispatch(level, Band { operands: &operands, image, rows, buffer }) }
        });
    });
}

/// The number of bands of rows per image: the fewest that keep all threads busy.
fn bands(images: usize, height: usize, threads: usize) -> usize {
    let max = (height / MIN_ROWS_PER_TASK).max(1);
    (1..max).find(|&bands| keeps_busy(images * bands, threads)).unwrap_or(max)
}

/// A range of rows of the output of an image.
struct Band<'a> {
    operands: &'a Operands<'a>,
    image: usize,
    rows: Range<usize>,
    buffer: &'a mut AlignedVec<f32>,
}

impl SimdKernel for Band<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Self { operands, image, rows, buffer } = self;
        let Operands { source, window, columns, pool, output, .. } = operands;
        let [_, rows_in, columns_in, _] = source.shape;
        let pixel = output.image.shape[3].next_multiple_of(LANES);
        let padding = window.padding[1] * pixel;
        let row_length = 2 * padding + columns_in * pixel;
        let pooled_length = columns * pixel;
        buffer.grow((ROWS_KEPT + 1) * row_length + 2 * pooled_length);
        for row in buffer.chunks_exact_mut(row_length).take(ROWS_KEPT) {
            row[..padding].fill(0.0);
            row[row_length - padding..].fill(0.0);
        }
        buffer[ROWS_KEPT * row_length..][..row_length].fill(0.0);
        let buffer = buffer.as_mut_ptr();
        let pooled = buffer.wrapping_add((ROWS_KEPT + 1) * row_length);
        let target = match pool {
            SeparablePool::None => *output,
            SeparablePool::Max => Output {
                image: RawImage {
                    pointer: pooled,
                    strides: [0, pooled_length as isize, pixel as isize],
                    shape: [1, 2, *columns, pixel],
                },
                store: output.store,
            },
        };
        // SAFETY: guaranteed by the caller.
        let panels =
            (0..pixel).step_by(LANES).map(|first| unsafe { DepthwisePanel::<L>::new(operands, &target, first) });
        let panels: Vec<DepthwisePanel<'_, L>> = panels.collect();
        let rows = match pool {
            SeparablePool::None => rows,
            SeparablePool::Max => 2 * rows.start..2 * rows.end,
        };
        let stride = window.stride[0];
        // At stride 1 two rows at a time, which share half of what they read.
        let together = if stride == 1 { 2 } else { 1 };
        // The first row of the intermediate image that has not been computed.
        let mut next = (rows.start * stride).saturating_sub(window.padding[0]);
        for first in rows.clone().step_by(together) {
            let count = together.min(rows.end - first);
            let origin = (first * stride) as isize - window.padding[0] as isize;
            let last = origin + ((count - 1) * stride + KERNEL) as isize;
            // SAFETY: the buffer has all rows, and those of the padding point to its row of zeros;
            // the rows are inside the images; the rest is guaranteed by the caller.
            unsafe {
                while next < rows_in && (next as isize) < last {
                    let target = buffer.add(next % ROWS_KEPT * row_length + padding);
                    operands.pointwise_row::<L>(image, next, target);
                    next += 1;
                }
                let kept: [*const f32; ROWS_KEPT] = std::array::from_fn(|k| {
                    let row = origin + k as isize;
                    let inside = (0..rows_in as isize).contains(&row) && row < last;
                    let slot = if inside { row as usize % ROWS_KEPT } else { ROWS_KEPT };
                    buffer.add(slot * row_length).cast_const()
                });
                let at = match pool {
                    SeparablePool::None => [image, first],
                    SeparablePool::Max => [0, 0],
                };
                match (stride, count) {
                    (1, 2) => operands.depthwise_rows::<L, 2, 1>(&panels, kept, &target, at),
                    (1, _) => operands.depthwise_rows::<L, 1, 1>(&panels, kept, &target, at),
                    _ => operands.depthwise_rows::<L, 1, 2>(&panels, kept, &target, at),
                }
                if *pool == SeparablePool::Max {
                    operands.pool_rows::<L>([pooled, pooled.add(pooled_length)], [image, first / 2]);
                }
            }
        }
    }
}

/// Up to 16 channels of the depthwise convolution.
struct DepthwisePanel<'a, L> {
    /// The first channel.
    first: usize,
    weights: [[L; KERNEL]; KERNEL],
    store: PanelStore<'a, L>,
}

impl<'a, L: Lanes> DepthwisePanel<'a, L> {
    /// # Safety
    /// The requirements of [`Lanes`].
    #[inline(always)]
    unsafe fn new(operands: &Operands<'a>, target: &Output<'a>, first: usize) -> Self {
        let weight = operands.weight;
        let count = LANES.min(weight.shape[3] - first);
        // SAFETY: guaranteed by the caller; the weights have `count` channels from `first` on.
        unsafe {
            let weights = std::array::from_fn(|row| {
                std::array::from_fn(|column| {
                    let tap = weight.pointer.offset(weight.offset(0, row, column)).add(first);
                    L::load_first(tap, count)
                })
            });
            Self { first, weights, store: PanelStore::new(target, first) }
        }
    }
}

impl Operands<'_> {
    /// Computes a row of the intermediate image.
    ///
    /// # Safety
    /// The row exists, `target` is writable for it, and the requirements of [`Lanes`] hold.
    #[inline(always)]
    unsafe fn pointwise_row<L: Lanes>(&self, image: usize, row: usize, target: *mut f32) {
        let [_, _, columns, inputs] = self.source.shape;
        if columns == 0 {
            return;
        }
        let pixel = self.output.image.shape[3].next_multiple_of(LANES);
        let strides = [0, 0, pixel as isize];
        let output = Output {
            image: RawImage { pointer: target, strides, shape: [1, 1, columns, pixel] },
            store: Store::WithEpilogue { epilogue: self.pointwise.epilogue, residual: None },
        };
        let row = PointwiseRow {
            // SAFETY: guaranteed by the caller.
            source: unsafe { self.source.pointer.offset(self.source.offset(image, row, 0)) },
            stride: self.source.strides[2],
            columns,
            inputs,
            packed: self.pointwise.packed.as_ptr(),
            output,
        };
        let [tile_rows, tile_panels] = L::TILE;
        let panels = pixel / LANES;
        let mut panel = 0;
        while panel < panels {
            let width = panels_of_next_tile(panels - panel, tile_panels);
            // SAFETY: guaranteed by the caller.
            unsafe {
                match width {
                    3 => row.panels::<L, 3>(panel, tile_rows),
                    2 => row.panels::<L, 2>(panel, tile_rows),
                    _ => row.panels::<L, 1>(panel, tile_rows),
                }
            }
            panel += width;
        }
    }

    /// Takes the maxima of two rows of the depthwise convolution as a row of the output.
    ///
    /// # Safety
    /// This task owns the row of the output, and the requirements of [`Lanes`] hold.
    #[inline(always)]
    unsafe fn pool_rows<L: Lanes>(&self, rows: [*const f32; 2], [image, row]: [usize; 2]) {
        let [_, _, columns, channels] = self.output.image.shape;
        let pixel = channels.next_multiple_of(LANES);
        for column in 0..columns {
            for first in (0..channels).step_by(LANES) {
                // SAFETY: guaranteed by the caller; two columns of each row make one of the output.
                unsafe {
                    let tap = |k: usize| L::load(rows[k / 2].add((2 * column + k % 2) * pixel + first));
                    let maxima = tap(0).maximum(tap(1)).maximum(tap(2)).maximum(tap(3));
                    let y = self.output.image.pointer.offset(self.output.image.offset(image, row, column));
                    maxima.store_first(y.add(first), LANES.min(channels - first));
                }
            }
        }
    }

    /// Computes `ROWS` rows of a target, which start at `[image, row]`, at the stride `STRIDE`.
    ///
    /// # Safety
    /// The rows are inside the target and this task owns them; `kept` are whole rows of the
    /// intermediate image with its padding; and the requirements of [`Lanes`] hold.
    #[inline(always)]
    unsafe fn depthwise_rows<L: Lanes, const ROWS: usize, const STRIDE: usize>(
        &self,
        panels: &[DepthwisePanel<'_, L>],
        kept: [*const f32; ROWS_KEPT],
        target: &Output<'_>,
        [image, row]: [usize; 2],
    ) {
        let columns = self.columns;
        let pixel = self.output.image.shape[3].next_multiple_of(LANES);
        let [_, step] = target.steps();
        let origins: [PixelOffsets; ROWS] = std::array::from_fn(|k| target.offsets(image, row + k, 0));
        let prefetches = pixel > PREFETCHED_BY_HARDWARE;
        let blocks = columns.div_ceil(columns_per_block::<L>());
        for block in 0..blocks {
            let columns = split(columns, blocks, block);
            let read = STRIDE * columns.start * pixel;
            let written = columns.start as isize;
            let offsets = origins.map(|origin| [0, 1].map(|at| origin[at] + written * step[at]));
            for panel in panels {
                let rows = kept.map(|row| row.wrapping_add(read + panel.first));
                let block = DepthwiseBlock { rows, pixel, panel, offsets, step, prefetches };
                // SAFETY: guaranteed by the caller.
                unsafe {
                    match columns.len() {
                        1 => block.compute::<STRIDE, 1>(),
                        2 => block.compute::<STRIDE, 2>(),
                        3 => block.compute::<STRIDE, 3>(),
                        _ => block.compute::<STRIDE, 4>(),
                    }
                }
            }
        }
    }
}

/// The most columns in a block, 4 or 2: the sums of two rows leave registers for what they read.
const fn columns_per_block<L: Lanes>() -> usize {
    let [rows, panels] = L::TILE;
    if rows * panels >= 24 { 4 } else { 2 }
}

/// Some columns of `ROWS` rows of the output, 16 channels.
struct DepthwiseBlock<'a, L, const ROWS: usize> {
    /// What the first tap of the first column reads, in each row.
    rows: [*const f32; ROWS_KEPT],
    /// Elements per pixel of the intermediate image.
    pixel: usize,
    panel: &'a DepthwisePanel<'a, L>,
    /// Where the first column is stored, and the step to the next one.
    offsets: [PixelOffsets; ROWS],
    step: PixelOffsets,
    /// Whether to prefetch the output.
    prefetches: bool,
}

impl<L: Lanes, const ROWS: usize> DepthwiseBlock<'_, L, ROWS> {
    /// # Safety
    /// There are `COLUMNS` columns, and the requirements of [`Operands::depthwise_rows`] hold.
    #[inline(always)]
    #[expect(clippy::needless_range_loop, reason = "indices of pixels as much as of sums and weights")]
    unsafe fn compute<const STRIDE: usize, const COLUMNS: usize>(&self) {
        let Self { rows, pixel, panel, offsets, step, prefetches } = self;
        let (weights, store) = (panel.weights, panel.store);
        // SAFETY: guaranteed by the caller.
        unsafe {
            if *prefetches {
                for offsets in offsets {
                    let ahead = |c: usize| [0, 1].map(|at| offsets[at] + (c + PREFETCHED_COLUMNS) as isize * step[at]);
                    store.prefetch::<COLUMNS>(std::array::from_fn(ahead));
                }
            }
            let mut sums = [[L::zero(); COLUMNS]; ROWS];
            // The compiler sees that neighbors share most of what they read, and loads it once.
            for c in 0..COLUMNS {
                for i in 0..KERNEL {
                    for j in 0..KERNEL {
                        for k in 0..ROWS {
                            let x = L::load(rows[k * STRIDE + i].add((c * STRIDE + j) * pixel));
                            sums[k][c] = sums[k][c].multiply_add_lanes(x, weights[i][j]);
                        }
                    }
                }
            }
            for_panels!(ROWS, |K| {
                let offset = |c: usize| [0, 1].map(|at| offsets[K][at] + c as isize * step[at]);
                store.store::<COLUMNS>(sums[K], std::array::from_fn(offset));
            });
        }
    }
}

/// A row of the 1x1 convolution.
struct PointwiseRow<'a> {
    source: *const f32,
    /// Between the pixels of the source, in elements.
    stride: isize,
    columns: usize,
    inputs: usize,
    packed: *const f32,
    output: Output<'a>,
}

impl PointwiseRow<'_> {
    /// Computes `PANELS` panels from panel `first` on.
    ///
    /// # Safety
    /// The panels exist, the row is readable and writable, and the requirements of [`Lanes`] hold.
    #[inline(always)]
    unsafe fn panels<L: Lanes, const PANELS: usize>(&self, first: usize, tile_rows: usize) {
        let tiles = self.columns.div_ceil(tile_rows);
        // SAFETY: guaranteed by the caller.
        unsafe {
            let stores: [PanelStore<'_, L>; PANELS] =
                std::array::from_fn(|panel| PanelStore::new(&self.output, (first + panel) * LANES));
            let weights = self.packed.add(first * self.inputs * LANES);
            let prefetches = first == 0 && self.inputs > PREFETCHED_BY_HARDWARE;
            for tile in 0..tiles {
                let columns = split(self.columns, tiles, tile);
                for_rows!(columns.len(), self.tile::<L, PANELS>(weights, &stores, columns.start, prefetches));
            }
        }
    }

    /// Computes `COLUMNS` columns from column `first` on.
    ///
    /// # Safety
    /// Same as [`PointwiseRow::panels`].
    #[inline(always)]
    unsafe fn tile<L: Lanes, const COLUMNS: usize, const PANELS: usize>(
        &self,
        weights: *const f32,
        stores: &[PanelStore<'_, L>; PANELS],
        first: usize,
        prefetches: bool,
    ) {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let rows = std::array::from_fn(|column| self.source.offset((first + column) as isize * self.stride));
            let sums = [[L::zero(); PANELS]; COLUMNS];
            // No other tile has read the next pixels, and they may be far away.
            let next = prefetches.then(|| {
                let next = (first + COLUMNS) as isize;
                std::array::from_fn(|column| self.source.wrapping_offset((next + column as isize) * self.stride))
            });
            let sums = add_products(rows, self.inputs, weights, self.inputs * LANES, next, sums);
            let step = self.output.image.strides[2];
            let offsets = std::array::from_fn(|column| [(first + column) as isize * step; 2]);
            for_panels!(PANELS, |P| {
                stores[P].store::<COLUMNS>(std::array::from_fn(|column| sums[column][P]), offsets);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_images_are_split_into_bands_and_many_are_not() {
        assert_eq!([bands(1, 160, 1), bands(1, 160, 2), bands(4, 160, 2), bands(3, 160, 2)], [1, 2, 1, 2]);
        assert_eq!([bands(1, 20, 16), bands(1, 7, 16), bands(1, 0, 1)], [2, 1, 1]);
    }
}
