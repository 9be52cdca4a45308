//! Forward pass and input gradient: transform, multiply, transform back.
#![expect(unsafe_code, reason = "raw rows of images feed the transforms and register tiles")]

use std::cell::RefCell;
use std::marker::PhantomData;
use std::ops::Range;

use ndarray::ArrayView4;

use crate::convolution::fast::epilogue::{Output, PanelStore};
use crate::convolution::fast::partition::{for_each_task, split};
use crate::convolution::fast::raw_image::RawImage;
use crate::convolution::fast::register_tile::{add_products, for_rows, panels_of_next_tile};
use crate::convolution::fast::winograd::pack::pack_taps;
use crate::convolution::fast::winograd::tiles::{Grid, pixels, tiles_per_task, transform};
use crate::convolution::fast::winograd::tiling::Tiling;
use crate::convolution::fast::winograd::transforms::{F2, F4, WinogradTransform};
use crate::convolution::kernels::ConvolutionBackwardInput;
use crate::memory::aligned_vec::AlignedVec;
use crate::simd::dispatch::dispatch;
use crate::simd::lanes::{LANES, Lanes, SimdKernel};
use crate::simd::level::SimdLevel;

/// Convolves with packed weights.
pub(in crate::convolution::fast) fn forward(
    tiling: Tiling,
    level: SimdLevel,
    x: ArrayView4<'_, f32>,
    packed: &[f32],
    padding: [usize; 2],
    output: Output<'_>,
) {
    let source = RawImage::new(&x);
    let (packed, zeros) = packed.split_at(packed.len() - source.shape[3]);
    let operands = Operands { source, output, padding, packed, zeros };
    match tiling {
        Tiling::TwoByTwo => run::<F2, 4, 2>(level, &operands),
        Tiling::FourByFour => run::<F4, 6, 4>(level, &operands),
    }
}

/// The input gradient: the convolution of `dy` with the kernel rotated by 180 degrees and inputs
/// and outputs exchanged.
pub(in crate::convolution::fast) fn backward_input(level: SimdLevel, operands: ConvolutionBackwardInput<'_, f32>) {
    let ConvolutionBackwardInput { dy, weight, window, accumulation, mut dx, scratch } = operands;
    let (_, _, inputs, outputs) = weight.dim();
    let values = weight.to_slice().expect("asserted: weights are in standard layout");
    let packed = scratch.take(Tiling::TwoByTwo.packed_length([outputs, inputs]));
    pack_taps(Tiling::TwoByTwo, [outputs, inputs], packed, |tap, output, lanes, target| {
        let rows = values[(8 - tap) * inputs * outputs..].chunks_exact(outputs).skip(lanes.start).take(lanes.len());
        for (target, row) in target.iter_mut().zip(rows) {
            *target = row[output];
        }
    });
    let padding = window.padding.map(|padding| 2 - padding);
    let output = Output { image: RawImage::new_mut(&mut dx), store: accumulation.into() };
    forward(Tiling::TwoByTwo, level, dy, packed, padding, output);
}

/// The operands of a forward pass.
struct Operands<'a> {
    source: RawImage<*const f32>,
    output: Output<'a>,
    padding: [usize; 2],
    packed: &'a [f32],
    zeros: &'a [f32],
}

/// Buffers of a thread.
#[derive(Default)]
struct ThreadBuffers {
    /// Transformed inputs `[point][tile][input]`.
    inputs: AlignedVec<f32>,
    /// Sums over input channels `[point][tile][channel of the panels]`.
    sums: AlignedVec<f32>,
    /// Where outputs are stored, `[tile][output of the tile]`; those outside the image are clamped
    /// to it.
    targets: Vec<*const f32>,
}

thread_local! {
    static BUFFERS: RefCell<ThreadBuffers> = RefCell::default();
}

fn run<F: WinogradTransform<POINTS, OUTPUTS>, const POINTS: usize, const OUTPUTS: usize>(
    level: SimdLevel,
    operands: &Operands<'_>,
) {
    let [images, _, _, outputs] = operands.output.image.shape;
    let grid = Grid::new(operands.output.image.shape, OUTPUTS);
    let chunk = tiles_per_task(POINTS * POINTS, operands.source.shape[3].next_multiple_of(LANES));
    for_each_task(images * grid.tiles(), chunk, outputs.div_ceil(LANES), |tiles, panels| {
        BUFFERS.with_borrow_mut(|buffers| {
            let task = Task::<POINTS, OUTPUTS, F> { operands, grid, tiles, panels, buffers, transform: PhantomData };
            // SAFETY: the level was detected, the images outlive `operands`, and no two tasks write
            // the same elements.
            unsafe { dispatch(level, task) }
        });
    });
}

/// Some panels of some tiles.
struct Task<'a, const POINTS: usize, const OUTPUTS: usize, F> {
    operands: &'a Operands<'a>,
    grid: Grid,
    tiles: Range<usize>,
    panels: Range<usize>,
    buffers: &'a mut ThreadBuffers,
    transform: PhantomData<F>,
}

impl<const POINTS: usize, const OUTPUTS: usize, F: WinogradTransform<POINTS, OUTPUTS>> SimdKernel
    for Task<'_, POINTS, OUTPUTS, F>
{
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Self { operands, grid, tiles, panels, buffers, .. } = self;
        let inputs = operands.source.shape[3];
        let row = inputs.next_multiple_of(LANES);
        let points = POINTS * POINTS;
        let panel_length = points * inputs * LANES;
        let [_, tile_panels] = L::TILE;
        buffers.inputs.grow(points * tiles.len() * row);
        buffers.sums.grow(points * tiles.len() * tile_panels * LANES);
        let (transformed, sums) = (buffers.inputs.as_mut_ptr(), buffers.sums.as_mut_ptr());
        let steps = operands.output.steps();
        buffers.targets.clear();
        for (at, tile) in tiles.clone().enumerate() {
            let (image, corner) = grid.corner(tile);
            let [_, height, width, _] = operands.output.image.shape;
            buffers.targets.extend((0..OUTPUTS * OUTPUTS).map(|output| {
                let [row, column] = [corner[0] + output / OUTPUTS, corner[1] + output % OUTPUTS];
                let offset = operands.output.image.offset(image, row.min(height - 1), column.min(width - 1));
                operands.output.image.pointer.wrapping_offset(offset).cast_const()
            }));
            let pixels = pixels::<POINTS>(&operands.source, image, corner, operands.padding, operands.zeros.as_ptr());
            // SAFETY: pixels and zeros have `inputs` elements; a row of transformed inputs has room
            // for whole vectors.
            unsafe {
                let target = transformed.add(at * row);
                transform(
                    &pixels,
                    inputs,
                    target,
                    tiles.len() * row,
                    #[inline(always)]
                    |x: [L; POINTS]| F::input(x),
                );
            }
        }
        let mut panel = panels.start;
        while panel < panels.end {
            let width = panels_of_next_tile(panels.end - panel, tile_panels);
            // SAFETY: as above; the packed weights have all panels, and the sums have room for the
            // panels of a tile.
            unsafe {
                let products = Products {
                    points,
                    tiles: tiles.len(),
                    inputs,
                    row,
                    transformed,
                    weights: operands.packed.as_ptr().add(panel * panel_length),
                    panel_stride: panel_length,
                    sums,
                    targets: &buffers.targets,
                    outputs: OUTPUTS * OUTPUTS,
                    first: panel * LANES,
                };
                match width {
                    3 => products.run::<L, 3>(),
                    2 => products.run::<L, 2>(),
                    _ => products.run::<L, 1>(),
                }
                for p in 0..width {
                    let first = (panel + p) * LANES;
                    let store = PanelStore::<L>::new(&operands.output, first);
                    for (at, tile) in tiles.clone().enumerate() {
                        let outputs = transform_sums::<L, F, POINTS, OUTPUTS>(
                            sums.add((at * width + p) * LANES),
                            tiles.len() * width * LANES,
                        );
                        let (image, corner) = grid.corner(tile);
                        let rows = OUTPUTS.min(operands.output.image.shape[1] - corner[0]);
                        let columns = OUTPUTS.min(operands.output.image.shape[2] - corner[1]);
                        let offsets = operands.output.offsets(image, corner[0], corner[1]);
                        for (i, outputs) in outputs.into_iter().enumerate().take(rows) {
                            let offsets = std::array::from_fn(|j| {
                                let [down, right] = [i as isize, j as isize];
                                [0, 1].map(|k| offsets[k] + down * steps[0][k] + right * steps[1][k])
                            });
                            if columns == OUTPUTS {
                                store.store(outputs, offsets);
                            } else {
                                for (sums, offsets) in outputs.into_iter().zip(offsets).take(columns) {
                                    store.store([sums], [offsets]);
                                }
                            }
                        }
                    }
                }
            }
            panel += width;
        }
    }
}

/// `A^T m A` of one tile and 16 channels; points are `stride` elements apart.
///
/// # Safety
/// `sums` is readable for 16 elements at each point, and the requirements of [`Lanes`] hold.
#[inline(always)]
unsafe fn transform_sums<L: Lanes, F: WinogradTransform<POINTS, OUTPUTS>, const POINTS: usize, const OUTPUTS: usize>(
    sums: *const f32,
    stride: usize,
) -> [[L; OUTPUTS]; OUTPUTS] {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let mut half = [[L::zero(); POINTS]; OUTPUTS];
        for row in 0..POINTS {
            let mut m = [L::zero(); POINTS];
            for (column, m) in m.iter_mut().enumerate() {
                *m = L::load(sums.add((row * POINTS + column) * stride));
            }
            for (half, m) in half.iter_mut().zip(F::output(m)) {
                half[row] = m;
            }
        }
        let mut outputs = [[L::zero(); OUTPUTS]; OUTPUTS];
        for (column, &half) in half.iter().enumerate() {
            for (row, y) in F::output(half).into_iter().enumerate() {
                outputs[row][column] = y;
            }
        }
        outputs
    }
}

/// The products of a task: one matrix product per point.
struct Products<'a> {
    points: usize,
    tiles: usize,
    inputs: usize,
    /// Elements per row of transformed inputs.
    row: usize,
    transformed: *const f32,
    weights: *const f32,
    panel_stride: usize,
    sums: *mut f32,
    /// Where each output of each tile is stored, clamped to the image.
    targets: &'a [*const f32],
    /// Outputs per tile.
    outputs: usize,
    /// The first channel of the panels.
    first: usize,
}

impl Products<'_> {
    /// # Safety
    /// Transformed inputs, weights and sums cover all points, and inputs and sums all tiles, and
    /// the requirements of [`Lanes`] hold.
    #[inline(always)]
    unsafe fn run<L: Lanes, const PANELS: usize>(&self) {
        let blocks = self.tiles.div_ceil(L::TILE[0]);
        for point in 0..self.points {
            for block in 0..blocks {
                let tiles = split(self.tiles, blocks, block);
                let first = point * self.tiles + tiles.start;
                // SAFETY: guaranteed by the caller.
                unsafe { for_rows!(tiles.len(), self.block::<L, PANELS>(point, first)) }
            }
        }
    }

    /// # Safety
    /// Same as [`Products::run`].
    #[inline(always)]
    unsafe fn block<L: Lanes, const ROWS: usize, const PANELS: usize>(&self, point: usize, first: usize) {
        // SAFETY: guaranteed by the caller.
        unsafe {
            self.prefetch_targets::<L, ROWS, PANELS>(point, first - point * self.tiles);
            let rows = self.transformed.add(first * self.row);
            let rows = std::array::from_fn(|r| rows.add(r * self.row));
            let weights = self.weights.add(point * self.inputs * LANES);
            let sums = [[L::zero(); PANELS]; ROWS];
            let sums = add_products::<L, ROWS, PANELS>(rows, self.inputs, weights, self.panel_stride, None, sums);
            let target = self.sums.add(first * PANELS * LANES);
            for (r, sums) in sums.iter().enumerate() {
                for (p, sums) in sums.iter().enumerate() {
                    sums.store(target.add((r * PANELS + p) * LANES));
                }
            }
        }
    }

    /// Prefetches the cache lines that the outputs of some tiles will be written to, some of them
    /// at each point.
    ///
    /// # Safety
    /// Same as [`Products::run`].
    #[inline(always)]
    unsafe fn prefetch_targets<L: Lanes, const ROWS: usize, const PANELS: usize>(&self, point: usize, tile: usize) {
        for line in (point..self.outputs * PANELS).step_by(self.points) {
            let (output, panel) = (line / PANELS, line % PANELS);
            for r in 0..ROWS {
                let target = self.targets[(tile + r) * self.outputs + output];
                // SAFETY: any address may be prefetched.
                unsafe { L::prefetch(target.wrapping_add(self.first + panel * LANES)) }
            }
        }
    }
}
