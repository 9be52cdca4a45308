//! Forward pass and input gradient as one indirect product.
//!
//! After Dukhan, "The Indirect Convolution Algorithm" (2019): no im2col. For each output pixel a table names the input
//! row that each tap reads (a row of zeros for the padding); weights are packed into panels of 16 output
//! channels. The input gradient is the same product with transposed weights: at stride s the pixels of `dx` fall
//! into s x s phases, each of which sees its own taps at stride 1.
#![expect(unsafe_code, reason = "raw rows of images feed the register tiles")]

use std::cell::RefCell;
use std::ops::Range;

use ndarray::{ArrayView4, ArrayViewMut4};
use rayon::prelude::*;

use super::division::{for_each_task, share};
use super::image::Image;
use super::lanes::{Kernel, LANES, Lanes, dispatch};
use super::tile::{MOST_ROWS, add_products, for_panels, for_rows, panels_of_tile};
use super::write::{Output, PanelWrite, Place, Write};
use crate::simd::{Level, vectorize};
use crate::{Accumulation, Scratch, Window};

/// Pixels per task. A multiple of every tile's rows; a chunk's rows and a few panels of weights stay in the second-level cache.
const CHUNK: usize = 72;
/// Below this number of input channels, a line of the kernel is one tap: its inputs lie side by side.
const FEW_CHANNELS: usize = 8;

/// Panels that are packed together: rows of weights lie far apart, so a few lines of each are read at a time.
const PACKED_TOGETHER: usize = 4;

/// One tap: which input pixel it reads relative to the output pixel, and its place in the packed weights.
struct Tap {
    row: isize,
    column: isize,
    weight: usize,
}

/// What [`run`] computes: `outputs[first + step i] (+)= sum over taps of source[scale i + tap] x weights[tap]`.
struct Job<'a> {
    source: Image<*const f32>,
    /// Images of one height and width; each has whole panels of weights.
    outputs: &'a [Output<'a>],
    /// Rows and columns of the grid of output pixels, the pixel of its origin and the step between its pixels.
    grid: [usize; 2],
    first: [usize; 2],
    step: [usize; 2],
    /// Source pixels per step of the grid.
    scale: [usize; 2],
    taps: Vec<Tap>,
    /// Pixels of the source side by side under one tap.
    tap_width: usize,
    packed: &'a [f32],
    panel_length: usize,
    zeros: &'a [f32],
}

/// Memory of a thread: the table of input rows, the places of outputs, lines of inputs that reach over the border.
#[derive(Default)]
struct Rows {
    table: Vec<*const f32>,
    /// `[output][pixel]`
    places: Vec<Place>,
    taps: Vec<usize>,
    lines: Vec<f32>,
}

thread_local! {
    static ROWS: RefCell<Rows> = RefCell::default();
}

/// The forward pass with the weights of [`pack`].
pub(super) fn forward(level: Level, x: ArrayView4<'_, f32>, packed: &[f32], window: Window, outputs: &[Output<'_>]) {
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
    let source = Image::new(&x);
    let scale = window.stride;
    run(
        level,
        &Job {
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

pub(super) fn backward_input(
    level: Level,
    dy: ArrayView4<'_, f32>,
    weight: ArrayView4<'_, f32>,
    window: Window,
    accumulation: Accumulation,
    mut dx: ArrayViewMut4<'_, f32>,
    scratch: &mut Scratch<f32>,
) {
    let write = if window.kernel[0] < window.stride[0] || window.kernel[1] < window.stride[1] {
        // Some pixels were read by no output.
        if accumulation == Accumulation::Set {
            dx.fill(0.0);
        }
        Write::Add
    } else {
        accumulation.into()
    };
    let (height, width, _, outputs) = weight.dim();
    let panel_length = height * width * outputs * LANES;
    let packed = scratch.take(transposed_length(&weight));
    pack_transposed(&weight, packed);
    let (packed, zeros) = packed.split_at(packed.len() - outputs);
    let output = Image::new_mut(&mut dx);
    let source = Image::new(&dy);
    let [stride_rows, stride_columns] = window.stride;
    for first_row in 0..stride_rows.min(output.shape[1]) {
        for first_column in 0..stride_columns.min(output.shape[2]) {
            // dx[row] reads dy[(row + padding - tap) / stride] where that divides.
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
                &Job {
                    source,
                    outputs: &[Output { image: output, write }],
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

/// The length of what [`pack`] fills.
pub(super) fn packed_length(weight: &ArrayView4<'_, f32>) -> usize {
    let (height, width, inputs, outputs) = weight.dim();
    outputs.div_ceil(LANES) * height * width * inputs * LANES + width * inputs
}

/// Packs `weight [taps][inputs][outputs]` as `[outputs / 16][tap][input][16]`, the last panel filled up with zeros, and
/// as many zeros as a line of the kernel reads.
pub(super) fn pack(weight: &ArrayView4<'_, f32>, packed: &mut [f32]) {
    let (height, width, inputs, outputs) = weight.dim();
    let values = weight.to_slice().expect("asserted: weights lie in standard layout");
    let rows = height * width * inputs;
    let panel_length = rows * LANES;
    let (panels, zeros) = packed.split_at_mut(outputs.div_ceil(LANES) * panel_length);
    zeros.fill(0.0);
    panels.par_chunks_mut((PACKED_TOGETHER * panel_length).max(1)).enumerate().for_each(|(group, panels)| {
        let first = group * PACKED_TOGETHER * LANES;
        vectorize(
            #[inline(always)]
            || {
                for (row, values) in values.chunks_exact(outputs).enumerate() {
                    let values = &values[first..outputs.min(first + PACKED_TOGETHER * LANES)];
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

/// The length of what [`pack_transposed`] fills.
fn transposed_length(weight: &ArrayView4<'_, f32>) -> usize {
    let (height, width, inputs, outputs) = weight.dim();
    inputs.div_ceil(LANES) * height * width * outputs * LANES + outputs
}

/// Packs `weight [taps][inputs][outputs]` transposed, as `[inputs / 16][tap][output][16]`, and a row of zeros as long as
/// a row of outputs.
fn pack_transposed(weight: &ArrayView4<'_, f32>, packed: &mut [f32]) {
    let (height, width, inputs, outputs) = weight.dim();
    let values = weight.to_slice().expect("asserted: weights lie in standard layout");
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

/// Divides a job into tasks and runs them. What a task computes doesn't depend on the division.
fn run(level: Level, job: &Job<'_>) {
    let pixels = job.source.shape[0] * job.grid[0] * job.grid[1];
    // The output of each panel, and the panel's first channel there.
    let panels: Vec<[usize; 2]> = (0..job.outputs.len())
        .flat_map(|output| (0..job.outputs[output].image.shape[3]).step_by(LANES).map(move |first| [output, first]))
        .collect();
    for_each_task(pixels, CHUNK, panels.len(), |pixels, group| {
        ROWS.with_borrow_mut(|rows| {
            // SAFETY: levels are only handed in after they were detected, images are valid while the job is, and no two tasks
            // write the same.
            unsafe { dispatch(level, Chunk { job, pixels, panels: &panels[group.clone()], first: group.start, rows }) }
        });
    });
}

/// Some panels of some pixels.
struct Chunk<'a> {
    job: &'a Job<'a>,
    pixels: Range<usize>,
    panels: &'a [[usize; 2]],
    /// The number of the first panel.
    first: usize,
    rows: &'a mut Rows,
}

impl Kernel for Chunk<'_> {
    type Output = ();

    /// Fills the table of input rows, then walks panels over tiles.
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Self { job, pixels, panels, first, rows } = self;
        let Rows { table, places, taps, lines } = rows;
        taps.clear();
        taps.extend(job.taps.iter().map(|tap| tap.weight));
        let count = pixels.len();
        fill_table(job, pixels, table, places, lines);
        let tile_panels = L::TILE[1];
        let mut panel = 0;
        while panel < panels.len() {
            let width = panels_of_tile(panels.len() - panel, tile_panels);
            // SAFETY: the table holds readable rows of all taps, the packed weights all panels, and `places` the pixels that
            // this task owns.
            unsafe {
                let group = Panels {
                    job,
                    table,
                    taps,
                    depth: job.tap_width * job.source.shape[3],
                    places,
                    pixels: count,
                    weights: job.packed.as_ptr().add((first + panel) * job.panel_length),
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

/// As many panels as a tile has, and all pixels of a chunk.
struct Panels<'a> {
    job: &'a Job<'a>,
    /// `[tap][pixel]`, and behind it as many as another tile would read.
    table: &'a [*const f32],
    taps: &'a [usize],
    /// Numbers of a row.
    depth: usize,
    /// `[output][pixel]`
    places: &'a [Place],
    pixels: usize,
    weights: *const f32,
    panels: &'a [[usize; 2]],
    /// Whether to prefetch the next tile's rows: no tile has read them yet, and they may be far away.
    prefetches_rows: bool,
}

/// Where the sums of one panel go, and the places of the chunk's pixels there.
struct Target<'a, L> {
    write: PanelWrite<'a, L>,
    places: &'a [Place],
}

impl Panels<'_> {
    /// # Safety
    /// All rows of all taps are readable for `depth` numbers, so are the weights of all taps and panels, and each output at the
    /// places of all pixels is this task's; and as [`Lanes`] asks.
    #[inline(always)]
    unsafe fn run<L: Lanes, const PANELS: usize>(&self) {
        let targets: [Target<'_, L>; PANELS] = std::array::from_fn(|p| {
            let [output, first] = self.panels[p];
            let places = &self.places[output * self.pixels..][..self.pixels];
            let output = &self.job.outputs[output];
            // SAFETY: the caller's.
            Target { write: unsafe { PanelWrite::new(output, first) }, places }
        });
        let tiles = self.pixels.div_ceil(L::TILE[0]);
        for tile in 0..tiles {
            let pixels = share(self.pixels, tiles, tile);
            // SAFETY: the caller's.
            unsafe { for_rows!(pixels.len(), self.tile::<L, PANELS>(&targets, pixels.start)) }
        }
    }

    /// The tile whose first pixel has this number.
    ///
    /// # Safety
    /// There are so many rows; and as [`Panels::run`].
    #[inline(always)]
    unsafe fn tile<L: Lanes, const ROWS: usize, const PANELS: usize>(
        &self,
        targets: &[Target<'_, L>; PANELS],
        first: usize,
    ) {
        // SAFETY: the caller's; behind the table's last tile there are as many rows as in a tile.
        unsafe {
            for target in targets {
                target.write.prefetch::<ROWS>(*target.places.as_ptr().add(first).cast());
            }
            let mut sums = [[L::zero(); PANELS]; ROWS];
            for (t, &tap) in self.taps.iter().enumerate() {
                let entries = self.table.as_ptr().add(t * self.pixels + first);
                let next = self.prefetches_rows.then(|| *entries.add(ROWS).cast());
                let weights = self.weights.add(tap * self.depth * LANES);
                sums = add_products(*entries.cast(), self.depth, weights, self.job.panel_length, next, sums);
            }
            for_panels!(PANELS, |P| {
                let target = &targets[P];
                let places = *target.places.as_ptr().add(first).cast();
                target.write.write::<ROWS>(std::array::from_fn(|row| sums[row][P]), places);
            });
        }
    }
}

/// Pixels of a job's grid that lie side by side: the first is number `at` of its chunk.
struct Run {
    at: usize,
    image: usize,
    row: usize,
    columns: Range<usize>,
}

/// The runs of some pixels of a grid of so many rows and columns.
#[inline(always)]
fn runs([height, width]: [usize; 2], pixels: Range<usize>) -> impl Iterator<Item = Run> {
    let mut next = pixels.start;
    std::iter::from_fn(move || {
        (next < pixels.end).then(|| {
            let (line, first) = (next / width, next % width);
            let length = (width - first).min(pixels.end - next);
            let at = next - pixels.start;
            next += length;
            Run { at, image: line / height, row: line % height, columns: first..first + length }
        })
    })
}

/// Writes where each tap of each pixel reads (`[tap][pixel]`) and where each pixel of each output is written. Lines that reach over the
/// border, or whose pixels don't lie side by side, are copied.
#[inline(always)]
fn fill_table(
    job: &Job<'_>,
    pixels: Range<usize>,
    table: &mut Vec<*const f32>,
    places: &mut Vec<Place>,
    lines: &mut Vec<f32>,
) {
    let count = pixels.len();
    let width = job.tap_width;
    let [_, rows_in, columns_in, channels] = job.source.shape;
    let side_by_side = width == 1 || job.source.strides[2] == channels as isize;
    let line = width * channels;
    table.clear();
    // Behind the last tile's rows there are as many as the next one would read.
    table.resize(count * job.taps.len() + MOST_ROWS, job.zeros.as_ptr());
    if width > 1 && lines.len() < table.len() * line {
        lines.resize(table.len() * line, 0.0);
    }
    let lines = lines.as_mut_ptr();
    places.clear();
    places.resize(count * job.outputs.len(), [0; 2]);
    for Run { at, image, row, columns } in runs(job.grid, pixels) {
        for (output, places) in job.outputs.iter().zip(places.chunks_exact_mut(count)) {
            let [row, column] = [job.first[0] + row * job.step[0], job.first[1] + columns.start * job.step[1]];
            let mut next = output.place(image, row, column);
            let [_, step] = output.steps();
            for place in &mut places[at..at + columns.len()] {
                *place = next;
                for (next, step) in next.iter_mut().zip(step) {
                    *next += step * job.step[1] as isize;
                }
            }
        }
        for (t, tap) in job.taps.iter().enumerate() {
            let source_row = (row * job.scale[0]) as isize + tap.row;
            if !(0..rows_in as isize).contains(&source_row) {
                continue;
            }
            let source_column = |column: usize| (column * job.scale[1]) as isize + tap.column;
            // The columns whose taps lie inside: from the first that isn't too far left to the first too far right.
            let scale = job.scale[1] as isize;
            let last_inside = columns_in as isize - width as isize - tap.column;
            let begin = (-tap.column).max(0).unsigned_abs().div_ceil(job.scale[1]);
            let end = if last_inside < 0 { 0 } else { (last_inside / scale) as usize + 1 };
            let inside = begin.clamp(columns.start, columns.end)..end.clamp(columns.start, columns.end);
            let entries = &mut table[t * count + at..][..columns.len()];
            if side_by_side && !inside.is_empty() {
                let first = source_column(inside.start) as usize;
                let mut offset = job.source.offset(image, source_row as usize, first);
                let step = scale * job.source.strides[2];
                for entry in &mut entries[inside.start - columns.start..inside.end - columns.start] {
                    // SAFETY: the pixels are inside the source.
                    *entry = unsafe { job.source.pointer.offset(offset) };
                    offset += step;
                }
            }
            if width > 1 {
                for column in columns.clone().filter(|column| !(side_by_side && inside.contains(column))) {
                    let entry = column - columns.start;
                    // SAFETY: there is a line for each entry of the table; the source of a job is valid for its shape and strides.
                    unsafe {
                        let copy = lines.add((t * count + at + entry) * line);
                        let numbers = std::slice::from_raw_parts_mut(copy, line);
                        job.source.gather(image, [source_row, source_column(column)], [1, width], numbers);
                        entries[entry] = copy;
                    }
                }
            }
        }
    }
}
