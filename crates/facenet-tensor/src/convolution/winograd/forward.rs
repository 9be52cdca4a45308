//! Forward pass and input gradient: transform, multiply, transform back.
#![expect(unsafe_code, reason = "raw rows of images feed the transforms and register tiles")]

use std::cell::RefCell;
use std::marker::PhantomData;
use std::ops::Range;

use super::{Form, Grid, pixels, tiles_per_task, transform};
use crate::AlignedVec;
use crate::convolution::division::{for_each_task, share};
use crate::convolution::image::Image;
use crate::convolution::lanes::{Kernel, LANES, Lanes, dispatch};
use crate::convolution::tile::{add_products, for_rows, panels_of_tile};
use crate::convolution::write::{Output, PanelWrite};
use crate::simd::Level;

pub(super) struct Job<'a> {
    pub source: Image<*const f32>,
    pub output: Output<'a>,
    pub padding: [usize; 2],
    pub packed: &'a [f32],
    pub zeros: &'a [f32],
}

/// Memory of a thread: transformed inputs `[point][tile][input]`, sums `[point][tile][channel of the panels]`.
#[derive(Default)]
struct Memory {
    inputs: AlignedVec<f32>,
    sums: AlignedVec<f32>,
    /// Where outputs go, `[tile][output of the tile]`; for those outside of the image, where its last ones go.
    targets: Vec<*const f32>,
}

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::default();
}

pub(super) fn run<F: Form<POINTS, OUTPUTS>, const POINTS: usize, const OUTPUTS: usize>(level: Level, job: &Job<'_>) {
    let [images, _, _, outputs] = job.output.image.shape;
    let grid = Grid::new(job.output.image.shape, OUTPUTS);
    let chunk = tiles_per_task(POINTS * POINTS, job.source.shape[3].next_multiple_of(LANES));
    for_each_task(images * grid.tiles(), chunk, outputs.div_ceil(LANES), |tiles, panels| {
        MEMORY.with_borrow_mut(|memory| {
            let task = Task::<POINTS, OUTPUTS, F> { job, grid, tiles, panels, memory, form: PhantomData };
            // SAFETY: levels are only handed in after they were detected, images are valid while the job is, and no two tasks
            // write the same.
            unsafe { dispatch(level, task) }
        });
    });
}

/// Some panels of some tiles.
struct Task<'a, const POINTS: usize, const OUTPUTS: usize, F> {
    job: &'a Job<'a>,
    grid: Grid,
    tiles: Range<usize>,
    panels: Range<usize>,
    memory: &'a mut Memory,
    form: PhantomData<F>,
}

impl<const POINTS: usize, const OUTPUTS: usize, F: Form<POINTS, OUTPUTS>> Kernel for Task<'_, POINTS, OUTPUTS, F> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Self { job, grid, tiles, panels, memory, .. } = self;
        let inputs = job.source.shape[3];
        let row = inputs.next_multiple_of(LANES);
        let points = POINTS * POINTS;
        let panel_length = points * inputs * LANES;
        let [_, tile_panels] = L::TILE;
        memory.inputs.grow(points * tiles.len() * row);
        memory.sums.grow(points * tiles.len() * tile_panels * LANES);
        let (transformed, sums) = (memory.inputs.as_mut_ptr(), memory.sums.as_mut_ptr());
        let steps = job.output.steps();
        memory.targets.clear();
        for (at, tile) in tiles.clone().enumerate() {
            let (image, corner) = grid.corner(tile);
            let [_, height, width, _] = job.output.image.shape;
            memory.targets.extend((0..OUTPUTS * OUTPUTS).map(|output| {
                let [row, column] = [corner[0] + output / OUTPUTS, corner[1] + output % OUTPUTS];
                let offset = job.output.image.offset(image, row.min(height - 1), column.min(width - 1));
                job.output.image.pointer.wrapping_offset(offset).cast_const()
            }));
            let pixels = pixels::<POINTS>(&job.source, image, corner, job.padding, job.zeros.as_ptr());
            // SAFETY: a pixel has `inputs` numbers, and so have the zeros; a row of transformed inputs has room for whole vectors.
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
            let width = panels_of_tile(panels.end - panel, tile_panels);
            // SAFETY: as above; the packed weights hold all panels, and the sums have room for a tile's panels.
            unsafe {
                let products = Products {
                    points,
                    tiles: tiles.len(),
                    inputs,
                    row,
                    transformed,
                    weights: job.packed.as_ptr().add(panel * panel_length),
                    panel_stride: panel_length,
                    sums,
                    targets: &memory.targets,
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
                    let write = PanelWrite::<L>::new(&job.output, first);
                    for (at, tile) in tiles.clone().enumerate() {
                        let outputs = transform_sums::<L, F, POINTS, OUTPUTS>(
                            sums.add((at * width + p) * LANES),
                            tiles.len() * width * LANES,
                        );
                        let (image, corner) = grid.corner(tile);
                        let rows = OUTPUTS.min(job.output.image.shape[1] - corner[0]);
                        let columns = OUTPUTS.min(job.output.image.shape[2] - corner[1]);
                        let place = job.output.place(image, corner[0], corner[1]);
                        for (i, outputs) in outputs.into_iter().enumerate().take(rows) {
                            let places = std::array::from_fn(|j| {
                                let [down, right] = [i as isize, j as isize];
                                [0, 1].map(|k| place[k] + down * steps[0][k] + right * steps[1][k])
                            });
                            if columns == OUTPUTS {
                                write.write(outputs, places);
                            } else {
                                for (sums, place) in outputs.into_iter().zip(places).take(columns) {
                                    write.write([sums], [place]);
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

/// `A^T m A` of one tile and sixteen channels, a `stride` from one point to the next.
///
/// # Safety
/// `sums` is readable for sixteen numbers at each point; and as [`Lanes`] asks.
#[inline(always)]
unsafe fn transform_sums<L: Lanes, F: Form<POINTS, OUTPUTS>, const POINTS: usize, const OUTPUTS: usize>(
    sums: *const f32,
    stride: usize,
) -> [[L; OUTPUTS]; OUTPUTS] {
    // SAFETY: the caller's.
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

/// The products of a task, one matrix product per point.
struct Products<'a> {
    points: usize,
    tiles: usize,
    inputs: usize,
    /// Numbers of a row of transformed inputs.
    row: usize,
    transformed: *const f32,
    weights: *const f32,
    panel_stride: usize,
    sums: *mut f32,
    /// Where each output of each tile goes, or one of its neighbours inside of the image.
    targets: &'a [*const f32],
    /// Outputs of a tile.
    outputs: usize,
    /// The first channel of the panels.
    first: usize,
}

impl Products<'_> {
    /// # Safety
    /// Transformed inputs, weights and sums have all points, and these all tiles; and as [`Lanes`] asks.
    #[inline(always)]
    unsafe fn run<L: Lanes, const PANELS: usize>(&self) {
        let blocks = self.tiles.div_ceil(L::TILE[0]);
        for point in 0..self.points {
            for block in 0..blocks {
                let tiles = share(self.tiles, blocks, block);
                let first = point * self.tiles + tiles.start;
                // SAFETY: the caller's.
                unsafe { for_rows!(tiles.len(), self.block::<L, PANELS>(point, first)) }
            }
        }
    }

    /// # Safety
    /// As [`Products::run`].
    #[inline(always)]
    unsafe fn block<L: Lanes, const ROWS: usize, const PANELS: usize>(&self, point: usize, first: usize) {
        // SAFETY: the caller's.
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

    /// Prefetches the lines of the outputs that some tiles will be written to, a part of them at each point.
    ///
    /// # Safety
    /// As [`Products::run`].
    #[inline(always)]
    unsafe fn prefetch_targets<L: Lanes, const ROWS: usize, const PANELS: usize>(&self, point: usize, tile: usize) {
        for line in (point..self.outputs * PANELS).step_by(self.points) {
            let (output, panel) = (line / PANELS, line % PANELS);
            for r in 0..ROWS {
                let target = self.targets[(tile + r) * self.outputs + output];
                // SAFETY: any address may be asked for.
                unsafe { L::prefetch(target.wrapping_add(self.first + panel * LANES)) }
            }
        }
    }
}
