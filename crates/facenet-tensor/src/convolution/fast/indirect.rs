//! Direct convolution and its input gradient, as one indirect matrix product.
//!
//! After Dukhan, "The Indirect Convolution Algorithm" (2019): no im2col. For each output pixel an
//! indirection table holds the input row that each tap reads (a row of zeros in the padding);
//! weights are packed into panels of 16 output channels. The input gradient is the same product
//! with transposed weights: at stride s the pixels of `dx` fall into s x s phases, each of which
//! sees its own taps at stride 1.
#![expect(unsafe_code, reason = "raw rows of images feed the register tiles")]

use std::cell::RefCell;
use std::ops::Range;

use ndarray::ArrayView4;
use rayon::prelude::*;

use crate::accumulation::Accumulation;
use crate::convolution::fast::epilogue::{Output, PanelStore, PixelOffsets, Store};
use crate::convolution::fast::partition::{for_each_task, split};
use crate::convolution::fast::raw_image::RawImage;
use crate::convolution::fast::register_tile::{MAX_TILE_ROWS, add_products, for_panels, for_rows, panels_of_next_tile};
use crate::convolution::kernels::ConvolutionBackwardInput;
use crate::simd::dispatch::dispatch;
use crate::simd::lanes::{LANES, Lanes, SimdKernel};
use crate::simd::level::SimdLevel;
use crate::simd::vectorize::vectorize;
use crate::window::Window;

/// Pixels per task. A multiple of the rows of every tile; their input rows and a few panels of
/// weights stay in the L2 cache.
const PIXELS_PER_TASK: usize = 72;
/// Below this number of input channels a row of the kernel counts as one tap, since its inputs are
/// contiguous.
const FEW_CHANNELS: usize = 8;

/// Panels packed together: rows of weights are far apart, so a few cache lines of each are read at
/// a time.
const PANELS_PACKED_TOGETHER: usize = 4;

/// One tap: the input pixel it reads relative to the output pixel, and its index in the packed
/// weights.
struct Tap {
    row: isize,
    column: isize,
    weight: usize,
}

/// What [`run`] computes:
///
/// ```text
/// outputs[first + step i] (+)= sum over taps of source[scale i + tap] x weights[tap]
/// ```
struct IndirectProduct<'a> {
    source: RawImage<*const f32>,
    /// Images of equal height and width; each has its own whole panels of weights.
    outputs: &'a [Output<'a>],
    /// Rows and columns of the grid of output pixels, the output pixel at its origin and the step
    /// between its pixels.
    grid: [usize; 2],
    first: [usize; 2],
    step: [usize; 2],
    /// Source pixels per grid step.
    scale: [usize; 2],
    taps: Vec<Tap>,
    /// Adjacent source pixels under one tap.
    tap_width: usize,
    packed: &'a [f32],
    panel_length: usize,
    zeros: &'a [f32],
}

/// Buffers of a thread.
#[derive(Default)]
struct ThreadBuffers {
    /// The indirection table `[tap][pixel]`: which input row each tap of each pixel reads.
    table: Vec<*const f32>,
    /// Where each pixel of each output is stored, `[output][pixel]`.
    offsets: Vec<PixelOffsets>,
    taps: Vec<usize>,
    /// Copies of inputs under kernel rows that are not contiguous or cross the border.
    copies: Vec<f32>,
}

thread_local! {
    static BUFFERS: RefCell<ThreadBuffers> = RefCell::default();
}

/// The forward pass, with weights packed by [`pack`].
pub(super) fn forward(
    level: SimdLevel,
    x: ArrayView4<'_, f32>,
    packed: &[f32],
    window: Window,
    outputs: &[Output<'_>],
) {
    let [height, width] = window.kernel;
    let inputs = x.dim().3;
    let panel_length = height * width * inputs * LANES;
    let (packed, zeros) = packed.split_at(packed.len() - width * inputs);
    let tap_width = if inputs < FEW_CHANNELS { width } else { 1 };
    let taps = (0..height * width / tap_width.max(1))
        .map(|tap| Tap {
            row: (tap * tap_width / width) as isize - window.padding[0] as isize,
            column: (tap * tap_width % width) as isize - window.padding[1] as isize,
            weight: tap,
        })
        .collect();
    let grid = [outputs[0].image.shape[1], outputs[0].image.shape[2]];
    let source = RawImage::new(&x);
    let scale = window.stride;
    run(
        level,
        &IndirectProduct {
            source,
            outputs,
            grid,
            first: [0; 2],
            step: [1; 2],
            scale,
            taps,
            tap_width,
            packed,
            panel_length,
            zeros,
        },
    );
}

/// The input gradient.
pub(super) fn backward_input(level: SimdLevel, operands: ConvolutionBackwardInput<'_, f32>) {
    let ConvolutionBackwardInput { dy, weight, window, accumulation, mut dx, scratch } = operands;
    let store = if window.kernel[0] < window.stride[0] || window.kernel[1] < window.stride[1] {
        // Some pixels are read by no output.
        if accumulation == Accumulation::Set {
            dx.fill(0.0);
        }
        Store::Add
    } else {
        accumulation.into()
    };
    let (height, width, _, outputs) = weight.dim();
    let panel_length = height * width * outputs * LANES;
    let packed = scratch.take(transposed_length(&weight));
    pack_transposed(&weight, packed);
    let (packed, zeros) = packed.split_at(packed.len() - outputs);
    let output = RawImage::new_mut(&mut dx);
    let source = RawImage::new(&dy);
    let [stride_rows, stride_columns] = window.stride;
    for first_row in 0..stride_rows.min(output.shape[1]) {
        for first_column in 0..stride_columns.min(output.shape[2]) {
            // dx[row] reads dy[(row + padding - tap) / stride] where the stride divides.
            let offset = |first: usize, axis: usize, tap: usize| {
                let distance = (first + window.padding[axis]) as isize - tap as isize;
                let stride = window.stride[axis] as isize;
                (distance % stride == 0).then_some(distance / stride)
            };
            let mut taps = Vec::new();
            for row_tap in 0..height {
                let Some(row) = offset(first_row, 0, row_tap) else { continue };
                for column_tap in 0..width {
                    let Some(column) = offset(first_column, 1, column_tap) else { continue };
                    taps.push(Tap { row, column, weight: row_tap * width + column_tap });
                }
            }
            if taps.is_empty() {
                continue;
            }
            let grid = [
                (output.shape[1] - first_row).div_ceil(stride_rows),
                (output.shape[2] - first_column).div_ceil(stride_columns),
            ];
            let first = [first_row, first_column];
            let step = window.stride;
            run(
                level,
                &IndirectProduct {
                    source,
                    outputs: &[Output { image: output, store }],
                    grid,
                    first,
                    step,
                    scale: [1; 2],
                    taps,
                    tap_width: 1,
                    packed,
                    panel_length,
                    zeros,
                },
            );
        }
    }
}

/// The length of the output of [`pack`].
pub(super) fn packed_length(weight: &ArrayView4<'_, f32>) -> usize {
    let (height, width, inputs, outputs) = weight.dim();
    outputs.div_ceil(LANES) * height * width * inputs * LANES + width * inputs
}

/// Packs `weight [taps][inputs][outputs]` as `[outputs / 16][tap][input][16]`, with the last panel
/// padded with zeros, followed by as many zeros as a row of the kernel reads.
pub(super) fn pack(weight: &ArrayView4<'_, f32>, packed: &mut [f32]) {
    let (height, width, inputs, outputs) = weight.dim();
    let values = weight.to_slice().expect("asserted: weights are in standard layout");
    let rows = height * width * inputs;
    let panel_length = rows * LANES;
    let (panels, zeros) = packed.split_at_mut(outputs.div_ceil(LANES) * panel_length);
    zeros.fill(0.0);
    panels.par_chunks_mut((PANELS_PACKED_TOGETHER * panel_length).max(1)).enumerate().for_each(|(group, panels)| {
        let first = group * PANELS_PACKED_TOGETHER * LANES;
        vectorize(
            #[inline(always)]
            || {
                for (row, values) in values.chunks_exact(outputs).enumerate() {
                    let values = &values[first..outputs.min(first + PANELS_PACKED_TOGETHER * LANES)];
                    let (whole, last) = values.as_chunks::<LANES>();
                    for (panel, values) in whole.iter().enumerate() {
                        panels[panel * panel_length + row * LANES..][..LANES].copy_from_slice(values);
                    }
                    if !last.is_empty() {
                        let lanes = &mut panels[whole.len() * panel_length + row * LANES..][..LANES];
                        lanes.fill(0.0);
                        lanes[..last.len()].copy_from_slice(last);
                    }
                }
            },
        );
    });
}

/// The length of the output of [`pack_transposed`].
fn transposed_length(weight: &ArrayView4<'_, f32>) -> usize {
    let (height, width, inputs, outputs) = weight.dim();
    inputs.div_ceil(LANES) * height * width * outputs * LANES + outputs
}

/// Packs `weight [taps][inputs][outputs]` transposed, as `[inputs / 16][tap][output][16]`, followed
/// by a row of zeros as long as a row of outputs.
fn pack_transposed(weight: &ArrayView4<'_, f32>, packed: &mut [f32]) {
    let (height, width, inputs, outputs) = weight.dim();
    let values = weight.to_slice().expect("asserted: weights are in standard layout");
    let panel_length = height * width * outputs * LANES;
    let (panels, zeros) = packed.split_at_mut(inputs.div_ceil(LANES) * panel_length);
    zeros.fill(0.0);
    panels.par_chunks_exact_mut(panel_length.max(1)).enumerate().for_each(|(panel, packed)| {
        let first = panel * LANES;
        let count = LANES.min(inputs - first);
        vectorize(
            #[inline(always)]
            || {
                for (packed, values) in
                    packed.chunks_exact_mut(outputs * LANES).zip(values.chunks_exact(inputs * outputs))
                {
                    let rows = &values[first * outputs..(first + count) * outputs];
                    for (packed, start) in packed.chunks_mut(LANES * LANES).zip((0..outputs).step_by(LANES)) {
                        let mut block = [[0.0; LANES]; LANES];
                        let width = packed.len() / LANES;
                        for (block, row) in block.iter_mut().zip(rows.chunks_exact(outputs)) {
                            let row = &row[start..start + width];
                            if let Ok(row) = <&[f32; LANES]>::try_from(row) {
                                *block = *row;
                            } else {
                                block[..width].copy_from_slice(row);
                            }
                        }
                        for (column, lanes) in packed.chunks_exact_mut(LANES).enumerate() {
                            for (lane, block) in lanes.iter_mut().zip(&block) {
                                *lane = block[column];
                            }
                        }
                    }
                }
            },
        );
    });
}

/// Partitions a product into tasks and runs them. The results do not depend on the partition.
fn run(level: SimdLevel, product: &IndirectProduct<'_>) {
    let pixels = product.source.shape[0] * product.grid[0] * product.grid[1];
    // The output of each panel, and the panel's first channel there.
    let panels: Vec<[usize; 2]> = (0..product.outputs.len())
        .flat_map(|output| (0..product.outputs[output].image.shape[3]).step_by(LANES).map(move |first| [output, first]))
        .collect();
    for_each_task(pixels, PIXELS_PER_TASK, panels.len(), |pixels, group| {
        BUFFERS.with_borrow_mut(|buffers| {
            // SAFETY: the level was detected, the images outlive `product`, and no two tasks write
            // the same elements.
            unsafe {
                let panels = &panels[group.clone()];
                dispatch(level, Chunk { product, pixels, panels, first: group.start, buffers });
            }
        });
    });
}

/// Some panels of some pixels: one task.
struct Chunk<'a> {
    product: &'a IndirectProduct<'a>,
    pixels: Range<usize>,
    panels: &'a [[usize; 2]],
    /// The index of the first panel.
    first: usize,
    buffers: &'a mut ThreadBuffers,
}

impl SimdKernel for Chunk<'_> {
    type Output = ();

    /// Fills the indirection table, then computes panels tile by tile.
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Self { product, pixels, panels, first, buffers } = self;
        let ThreadBuffers { table, offsets, taps, copies } = buffers;
        taps.clear();
        taps.extend(product.taps.iter().map(|tap| tap.weight));
        let count = pixels.len();
        fill_table(product, pixels, table, offsets, copies);
        let tile_panels = L::TILE[1];
        let mut panel = 0;
        while panel < panels.len() {
            let width = panels_of_next_tile(panels.len() - panel, tile_panels);
            // SAFETY: the table has a readable row per tap and pixel, the packed weights have all
            // panels, and `offsets` are those of pixels that this task owns.
            unsafe {
                let group = Panels {
                    product,
                    table,
                    taps,
                    depth: product.tap_width * product.source.shape[3],
                    offsets,
                    pixels: count,
                    weights: product.packed.as_ptr().add((first + panel) * product.panel_length),
                    panels: &panels[panel..panel + width],
                    prefetches_rows: panel == 0,
                };
                match width {
                    3 => group.run::<L, 3>(),
                    2 => group.run::<L, 2>(),
                    _ => group.run::<L, 1>(),
                }
            }
            panel += width;
        }
    }
}

/// The panels of one tile, and all pixels of a chunk.
struct Panels<'a> {
    product: &'a IndirectProduct<'a>,
    /// `[tap][pixel]`, followed by as many entries as another tile would read.
    table: &'a [*const f32],
    taps: &'a [usize],
    /// Elements per row.
    depth: usize,
    /// `[output][pixel]`
    offsets: &'a [PixelOffsets],
    pixels: usize,
    weights: *const f32,
    panels: &'a [[usize; 2]],
    /// Whether to prefetch the rows of the next tile: no tile has read them yet, and they may be
    /// far away.
    prefetches_rows: bool,
}

/// Where the sums of one panel are stored: the offsets of the chunk's pixels.
struct PanelTarget<'a, L> {
    store: PanelStore<'a, L>,
    offsets: &'a [PixelOffsets],
}

impl Panels<'_> {
    /// # Safety
    /// All rows of all taps are readable for `depth` elements, and so are the weights of all taps
    /// and panels; this task owns each output at the offsets of all pixels; and the requirements of
    /// [`Lanes`] hold.
    #[inline(always)]
    unsafe fn run<L: Lanes, const PANELS: usize>(&self) {
        let targets: [PanelTarget<'_, L>; PANELS] = std::array::from_fn(|p| {
            let [output, first] = self.panels[p];
            let offsets = &self.offsets[output * self.pixels..][..self.pixels];
            let output = &self.product.outputs[output];
            // SAFETY: guaranteed by the caller.
            PanelTarget { store: unsafe { PanelStore::new(output, first) }, offsets }
        });
        let tiles = self.pixels.div_ceil(L::TILE[0]);
        for tile in 0..tiles {
            let pixels = split(self.pixels, tiles, tile);
            // SAFETY: guaranteed by the caller.
            unsafe { for_rows!(pixels.len(), self.tile::<L, PANELS>(&targets, pixels.start)) }
        }
    }

    /// The tile that starts at pixel `first`.
    ///
    /// # Safety
    /// There are `ROWS` pixels from `first` on, and the requirements of [`Panels::run`] hold.
    #[inline(always)]
    unsafe fn tile<L: Lanes, const ROWS: usize, const PANELS: usize>(
        &self,
        targets: &[PanelTarget<'_, L>; PANELS],
        first: usize,
    ) {
        // SAFETY: guaranteed by the caller; the last tile of the table is followed by the entries
        // of another one.
        unsafe {
            for target in targets {
                target.store.prefetch::<ROWS>(*target.offsets.as_ptr().add(first).cast());
            }
            let mut sums = [[L::zero(); PANELS]; ROWS];
            for (t, &tap) in self.taps.iter().enumerate() {
                let entries = self.table.as_ptr().add(t * self.pixels + first);
                let next = self.prefetches_rows.then(|| *entries.add(ROWS).cast());
                let weights = self.weights.add(tap * self.depth * LANES);
                sums = add_products(*entries.cast(), self.depth, weights, self.product.panel_length, next, sums);
            }
            for_panels!(PANELS, |P| {
                let target = &targets[P];
                let offsets = *target.offsets.as_ptr().add(first).cast();
                target.store.store::<ROWS>(std::array::from_fn(|row| sums[row][P]), offsets);
            });
        }
    }
}

/// Adjacent pixels of a row of the grid; the first is pixel `at` of its chunk.
struct Run {
    at: usize,
    image: usize,
    row: usize,
    columns: Range<usize>,
}

/// The runs of a range of pixels of a grid of `height` rows and `width` columns.
#[inline(always)]
fn runs([height, width]: [usize; 2], pixels: Range<usize>) -> impl Iterator<Item = Run> {
    let mut next = pixels.start;
    std::iter::from_fn(move || {
        (next < pixels.end).then(|| {
            let (row, first) = (next / width, next % width);
            let length = (width - first).min(pixels.end - next);
            let at = next - pixels.start;
            next += length;
            Run { at, image: row / height, row: row % height, columns: first..first + length }
        })
    })
}

/// Fills in which row each tap of each pixel reads (`[tap][pixel]`) and where each pixel of each
/// output is stored. Kernel rows that cross the border, or whose pixels are not contiguous, are
/// copied.
#[inline(always)]
fn fill_table(
    product: &IndirectProduct<'_>,
    pixels: Range<usize>,
    table: &mut Vec<*const f32>,
    offsets: &mut Vec<PixelOffsets>,
    copies: &mut Vec<f32>,
) {
    let count = pixels.len();
    let width = product.tap_width;
    let [_, rows_in, columns_in, channels] = product.source.shape;
    let contiguous = width == 1 || product.source.strides[2] == channels as isize;
    let copy_length = width * channels;
    table.clear();
    // The entries of the last tile are followed by as many as another one would read.
    table.resize(count * product.taps.len() + MAX_TILE_ROWS, product.zeros.as_ptr());
    if width > 1 && copies.len() < table.len() * copy_length {
        copies.resize(table.len() * copy_length, 0.0);
    }
    let copies = copies.as_mut_ptr();
    offsets.clear();
    offsets.resize(count * product.outputs.len(), [0; 2]);
    for Run { at, image, row, columns } in runs(product.grid, pixels) {
        for (output, offsets) in product.outputs.iter().zip(offsets.chunks_exact_mut(count)) {
            let [row, column] =
                [product.first[0] + row * product.step[0], product.first[1] + columns.start * product.step[1]];
            let mut next = output.offsets(image, row, column);
            let [_, step] = output.steps();
            for offsets in &mut offsets[at..at + columns.len()] {
                *offsets = next;
                for (next, step) in next.iter_mut().zip(step) {
                    *next += step * product.step[1] as isize;
                }
            }
        }
        for (t, tap) in product.taps.iter().enumerate() {
            let source_row = (row * product.scale[0]) as isize + tap.row;
            if !(0..rows_in as isize).contains(&source_row) {
                continue;
            }
            let source_column = |column: usize| (column * product.scale[1]) as isize + tap.column;
            // The columns whose taps are inside the source.
            let scale = product.scale[1] as isize;
            let last_inside = columns_in as isize - width as isize - tap.column;
            let begin = (-tap.column).max(0).unsigned_abs().div_ceil(product.scale[1]);
            let end = if last_inside < 0 { 0 } else { (last_inside / scale) as usize + 1 };
            let inside = begin.clamp(columns.start, columns.end)..end.clamp(columns.start, columns.end);
            let entries = &mut table[t * count + at..][..columns.len()];
            if contiguous && !inside.is_empty() {
                let first = source_column(inside.start) as usize;
                let mut offset = product.source.offset(image, source_row as usize, first);
                let step = scale * product.source.strides[2];
                for entry in &mut entries[inside.start - columns.start..inside.end - columns.start] {
                    // SAFETY: the pixel is inside the source.
                    *entry = unsafe { product.source.pointer.offset(offset) };
                    offset += step;
                }
            }
            if width > 1 {
                for column in columns.clone().filter(|column| !(contiguous && inside.contains(column))) {
                    let entry = column - columns.start;
                    // SAFETY: there is a copy for each entry of the table; the source is valid for
                    // its shape and strides.
                    unsafe {
                        let copy = copies.add((t * count + at + entry) * copy_length);
                        let target = std::slice::from_raw_parts_mut(copy, copy_length);
                        product.source.gather(image, [source_row, source_column(column)], [1, width], target);
                        entries[entry] = copy;
                    }
                }
            }
        }
    }
}
