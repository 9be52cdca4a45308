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

use super::image::Image;
#[cfg(target_arch = "aarch64")]
use super::lanes::Neon;
#[cfg(target_arch = "x86_64")]
use super::lanes::{Avx2, Avx512};
use super::lanes::{LANES, Lanes, Portable};
use super::tile::{Sums, product};
use crate::packed::{Epilogue, FusedActivation};
use crate::sigmoid::sigmoid;
use crate::simd::Level;
use crate::{Scratch, Window};

/// Pixels per task. A multiple of every tile's rows; a chunk's rows and one panel of weights stay in the second-level cache.
const CHUNK: usize = 96;
/// Tasks below which panels are divided as well, so that small maps keep several threads busy.
const FEW_TASKS: usize = 32;
/// Below this number of input channels, the inputs of all taps are gathered into one row per pixel.
const FEW_CHANNELS: usize = 8;

/// One tap: which input pixel it reads relative to the output pixel, and its place in the packed weights.
struct Tap {
    row: isize,
    column: isize,
    weight: usize,
}

/// What [`run`] computes: `output[first + step i] (+)= sum over taps of source[scale i + tap] x weights[tap]`.
struct Job<'a> {
    source: Image<*const f32>,
    output: Image<*mut f32>,
    /// Rows and columns of the grid of output pixels, the pixel of its origin and the step between its pixels.
    grid: [usize; 2],
    first: [usize; 2],
    step: [usize; 2],
    /// Source pixels per step of the grid.
    scale: [usize; 2],
    taps: Vec<Tap>,
    /// The kernel whose taps these are, all of them and in order, if its inputs are to be gathered.
    gathered: Option<[usize; 2]>,
    packed: &'a [f32],
    panel_length: usize,
    zeros: &'a [f32],
    write: Write<'a>,
}

/// What becomes of a sum.
#[derive(Clone, Copy)]
pub(super) enum Write<'a> {
    Set,
    Add,
    /// Bias and activation first.
    Finished(&'a Epilogue<f32>),
}

/// Memory of a thread: the table of input rows, the places of the outputs, gathered inputs.
#[derive(Default)]
struct Rows {
    table: Vec<*const f32>,
    outputs: Vec<isize>,
    taps: Vec<usize>,
    gathered: Vec<f32>,
}

thread_local! {
    static ROWS: RefCell<Rows> = RefCell::default();
}

/// The forward pass with the weights of [`pack`].
pub(super) fn forward(
    level: Level,
    x: ArrayView4<'_, f32>,
    packed: &[f32],
    window: Window,
    mut y: ArrayViewMut4<'_, f32>,
    write: Write<'_>,
) {
    let [height, width] = window.kernel;
    let inputs = x.dim().3;
    let panel_length = height * width * inputs * LANES;
    let (packed, zeros) = packed.split_at(packed.len() - inputs);
    let taps = (0..height * width)
        .map(|tap| Tap {
            row: (tap / width) as isize - window.padding[0] as isize,
            column: (tap % width) as isize - window.padding[1] as isize,
            weight: tap,
        })
        .collect();
    let output = Image::new_mut(&mut y);
    let grid = [output.shape[1], output.shape[2]];
    let source = Image::new(&x);
    let scale = window.stride;
    let gathered = ((1..FEW_CHANNELS).contains(&inputs) && height * width > 1).then_some(window.kernel);
    run(
        level,
        &Job {
            source,
            output,
            grid,
            first: [0; 2],
            step: [1; 2],
            scale,
            taps,
            gathered,
            packed,
            panel_length,
            zeros,
            write,
        },
    );
}

pub(super) fn backward_input(
    level: Level,
    dy: ArrayView4<'_, f32>,
    weight: ArrayView4<'_, f32>,
    window: Window,
    mut dx: ArrayViewMut4<'_, f32>,
    scratch: &mut Scratch<f32>,
) {
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
                    output,
                    grid,
                    first,
                    step,
                    scale: [1; 2],
                    taps,
                    gathered: None,
                    packed,
                    panel_length,
                    zeros,
                    write: Write::Add,
                },
            );
        }
    }
}

/// The length of what [`pack`] fills.
pub(super) fn packed_length(weight: &ArrayView4<'_, f32>) -> usize {
    let (height, width, inputs, outputs) = weight.dim();
    outputs.div_ceil(LANES) * height * width * inputs * LANES + inputs
}

/// Packs `weight [taps][inputs][outputs]` as `[outputs / 16][tap][input][16]`, the last panel filled up with zeros, and
/// a row of zeros as long as a row of inputs.
pub(super) fn pack(weight: &ArrayView4<'_, f32>, packed: &mut [f32]) {
    let (height, width, inputs, outputs) = weight.dim();
    let values = weight.to_slice().expect("asserted: weights lie in standard layout");
    pack_panels(packed, height * width * inputs, outputs, |first, count, panel| {
        for (lanes, row) in panel.chunks_exact_mut(LANES).zip(values.chunks_exact(outputs)) {
            lanes[..count].copy_from_slice(&row[first..first + count]);
            lanes[count..].fill(0.0);
        }
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
    pack_panels(packed, height * width * outputs, inputs, |first, count, panel| {
        panel.fill(0.0);
        for (panel, values) in panel.chunks_exact_mut(outputs * LANES).zip(values.chunks_exact(inputs * outputs)) {
            for (lane, row) in values[first * outputs..(first + count) * outputs].chunks_exact(outputs).enumerate() {
                for (lanes, value) in panel.chunks_exact_mut(LANES).zip(row) {
                    lanes[lane] = *value;
                }
            }
        }
    });
}

/// Fills `columns / 16` panels of `rows x 16` weights, each by `fill(first column, number of columns, panel)`, and the
/// rest with zeros.
fn pack_panels(packed: &mut [f32], rows: usize, columns: usize, fill: impl Fn(usize, usize, &mut [f32]) + Sync) {
    let panel_length = rows * LANES;
    let (panels, zeros) = packed.split_at_mut(columns.div_ceil(LANES) * panel_length);
    zeros.fill(0.0);
    panels.par_chunks_exact_mut(panel_length.max(1)).enumerate().for_each(|(panel, values)| {
        let first = panel * LANES;
        fill(first, LANES.min(columns - first), values);
    });
}

/// Divides a job into tasks (chunks of pixels, and panels where chunks are few) and runs them. What a task computes
/// doesn't depend on the division.
fn run(level: Level, job: &Job<'_>) {
    let pixels = job.output.shape[0] * job.grid[0] * job.grid[1];
    let panels = job.output.shape[3].div_ceil(LANES);
    let chunks = pixels.div_ceil(CHUNK);
    if pixels == 0 || panels == 0 {
        return;
    }
    let groups = (FEW_TASKS / chunks).clamp(1, panels);
    let group = panels.div_ceil(groups).next_multiple_of(2);
    let groups = panels.div_ceil(group);
    (0..chunks * groups).into_par_iter().for_each(|task| {
        let pixels = (task / groups * CHUNK)..((task / groups + 1) * CHUNK).min(pixels);
        let panels = (task % groups * group)..((task % groups + 1) * group).min(panels);
        ROWS.with_borrow_mut(|rows| match level {
            // SAFETY: a level above `Portable` is only handed in after it was detected.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { chunk_avx512(job, pixels, panels, rows) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { chunk_avx2(job, pixels, panels, rows) },
            // SAFETY: every processor of this architecture has it; and as below.
            #[cfg(target_arch = "aarch64")]
            Level::Neon => unsafe { chunk::<Neon, 6, 1>(job, pixels, panels, rows) },
            // SAFETY: `chunk` asks for nothing that a `Job` doesn't hold.
            _ => unsafe { chunk::<Portable, 4, 1>(job, pixels, panels, rows) },
        });
    });
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
unsafe fn chunk_avx512(job: &Job<'_>, pixels: Range<usize>, panels: Range<usize>, rows: &mut Rows) {
    // SAFETY: the caller's.
    unsafe { chunk::<Avx512, 8, 2>(job, pixels, panels, rows) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn chunk_avx2(job: &Job<'_>, pixels: Range<usize>, panels: Range<usize>, rows: &mut Rows) {
    // SAFETY: the caller's.
    unsafe { chunk::<Avx2, 6, 1>(job, pixels, panels, rows) }
}

/// Computes some panels of a chunk of pixels: fills the table of input rows, then walks panels over tiles.
///
/// # Safety
/// The images of the job must be valid for their shapes and strides, and no other task may write the same pixels and panels.
#[inline(always)]
unsafe fn chunk<L: Lanes, const TILE: usize, const PANELS: usize>(
    job: &Job<'_>,
    pixels: Range<usize>,
    panels: Range<usize>,
    rows: &mut Rows,
) {
    let tiles = pixels.len().div_ceil(TILE);
    let mut depth = job.source.shape[3];
    let Rows { table, outputs, taps, gathered } = rows;
    table.clear();
    taps.clear();
    outputs.clear();
    if let Some(kernel) = job.gathered {
        depth *= kernel[0] * kernel[1];
        taps.push(0);
        // SAFETY: the caller's.
        unsafe { gather(job, kernel, pixels.clone(), tiles * TILE, gathered, outputs) };
        table.extend((0..tiles * TILE).map(|pixel| &raw const gathered[pixel * depth]));
    } else {
        taps.extend(job.taps.iter().map(|tap| tap.weight));
        table.resize(tiles * TILE * taps.len(), job.zeros.as_ptr());
        fill_table(job, pixels.clone(), TILE, table, outputs);
    }
    let mut panel = panels.start;
    while panel < panels.end {
        let paired = panel + PANELS <= panels.end;
        for tile in 0..tiles {
            let count = TILE.min(pixels.len() - tile * TILE);
            let place = &outputs[tile * TILE..][..count];
            let first = panel * LANES;
            // SAFETY: the table holds readable rows of `depth` numbers, the packed weights all panels, and `place` the
            // pixels that this task owns.
            unsafe {
                let rows = table.as_ptr().add(tile * TILE * taps.len());
                let weights = job.packed.as_ptr().add(panel * job.panel_length);
                if paired {
                    let sums = product::<L, TILE, PANELS>(rows, taps, depth, weights, job.panel_length);
                    store(&sums, job.output.pointer, place, job.output.shape[3], first, job.write);
                } else {
                    let sums = product::<L, TILE, 1>(rows, taps, depth, weights, job.panel_length);
                    store(&sums, job.output.pointer, place, job.output.shape[3], first, job.write);
                }
            }
        }
        panel += if paired { PANELS } else { 1 };
    }
}

/// Calls `each(position, image, row, column)` for pixels of a job's grid, in order, and writes where each is written.
#[inline(always)]
fn for_each_pixel(
    job: &Job<'_>,
    pixels: Range<usize>,
    outputs: &mut Vec<isize>,
    mut each: impl FnMut(usize, usize, usize, usize),
) {
    let [height, width] = job.grid;
    let (mut image, mut row, mut column) =
        (pixels.start / (width * height), pixels.start / width % height, pixels.start % width);
    for at in 0..pixels.len() {
        let place = [job.first[0] + row * job.step[0], job.first[1] + column * job.step[1]];
        outputs.push(job.output.offset(image, place[0], place[1]));
        each(at, image, row, column);
        column += 1;
        if column == width {
            (column, row) = (0, row + 1);
            if row == height {
                (row, image) = (0, image + 1);
            }
        }
    }
}

/// Writes where each tap of each pixel reads (`[tile][tap][row of the tile]`) and where each pixel is written.
#[inline(always)]
fn fill_table(job: &Job<'_>, pixels: Range<usize>, rows: usize, table: &mut [*const f32], outputs: &mut Vec<isize>) {
    let taps = job.taps.len();
    for_each_pixel(
        job,
        pixels,
        outputs,
        #[inline(always)]
        |at, image, row, column| {
            let entries = &mut table[at / rows * rows * taps..];
            for (t, tap) in job.taps.iter().enumerate() {
                let source_row = (row * job.scale[0]) as isize + tap.row;
                let source_column = (column * job.scale[1]) as isize + tap.column;
                let inside = (0..job.source.shape[1] as isize).contains(&source_row)
                    && (0..job.source.shape[2] as isize).contains(&source_column);
                if inside {
                    let offset = job.source.offset(image, source_row as usize, source_column as usize);
                    // SAFETY: the pixel is inside the source.
                    entries[t * rows + at % rows] = unsafe { job.source.pointer.offset(offset) };
                }
            }
        },
    );
}

/// Copies the few channels of all taps into one row per pixel, zeros into the rows up to `rows`, and writes where each pixel
/// is written.
///
/// # Safety
/// The source of the job must be valid for its shape and strides.
#[inline(always)]
unsafe fn gather(
    job: &Job<'_>,
    kernel: [usize; 2],
    pixels: Range<usize>,
    rows: usize,
    gathered: &mut Vec<f32>,
    outputs: &mut Vec<isize>,
) {
    let depth = kernel[0] * kernel[1] * job.source.shape[3];
    let corner = &job.taps[0];
    gathered.resize(rows * depth, 0.0);
    gathered[pixels.len() * depth..].fill(0.0);
    for_each_pixel(
        job,
        pixels,
        outputs,
        #[inline(always)]
        |at, image, row, column| {
            let corner = [(row * job.scale[0]) as isize + corner.row, (column * job.scale[1]) as isize + corner.column];
            // SAFETY: the caller's.
            unsafe { job.source.gather(image, corner, kernel, &mut gathered[at * depth..][..depth]) };
        },
    );
}

/// Writes the sums of a tile to its pixels, bias and activation applied: channels `first` and following.
///
/// # Safety
/// `output + places[r]` is writable for `columns` numbers and owned by this task; and as [`Lanes`] asks.
#[inline(always)]
unsafe fn store<L: Lanes, const TILE: usize, const PANELS: usize>(
    sums: &Sums<L, TILE, PANELS>,
    output: *mut f32,
    places: &[isize],
    columns: usize,
    first: usize,
    write: Write<'_>,
) {
    for p in 0..PANELS {
        let lanes = first + p * LANES..first + (p + 1) * LANES;
        let count = LANES.min(columns - lanes.start);
        // SAFETY: the caller's contract; bias and slopes have numbers for whole panels.
        unsafe {
            let (bias, slope, activation) = match write {
                Write::Set | Write::Add => (L::zero(), L::zero(), &FusedActivation::None),
                Write::Finished(Epilogue { bias, activation }) => {
                    let slope = match activation {
                        FusedActivation::PRelu(slope) => L::load(slope[lanes.clone()].as_ptr()),
                        _ => L::zero(),
                    };
                    (L::load(bias[lanes.clone()].as_ptr()), slope, activation)
                }
            };
            let output = output.add(lanes.start);
            for (sums, &place) in sums.iter().zip(places) {
                let target = output.offset(place);
                let before = if let Write::Add = write { L::load_first(target, count) } else { bias };
                let y = before.multiply_add(1.0, sums[p]);
                let y = match activation {
                    FusedActivation::None => y,
                    FusedActivation::Relu => y.relu(),
                    FusedActivation::Sigmoid => y.map(sigmoid),
                    FusedActivation::PRelu(_) => y.prelu(slope),
                };
                y.store_first(target, count);
            }
        }
    }
}
