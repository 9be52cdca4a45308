//! Weight gradient as a sum of outer products over pixels.
//!
//! The result is divided into groups of rows (some taps, some input channels), and, where it is small and pixels are many, the
//! pixels into parts with partial sums of their own, added up in order. The parts depend on shapes only; a sum is the same in
//! any group. A task copies inputs and gradients of some pixels into memory of its own, where they are read once per tile of the
//! result.
#![expect(unsafe_code, reason = "tasks write rows of one result")]

use std::cell::RefCell;
use std::ops::Range;

use ndarray::{ArrayView4, ArrayViewMut4};
use rayon::prelude::*;

use super::division::{keeps_busy, share};
use super::image::Image;
use super::lanes::{Kernel, Lanes, dispatch};
use super::outer_products::{OuterProducts, Target, row_length};
use crate::simd::Level;
use crate::{AlignedVec, Scratch, Window};

/// Pixels whose rows are copied together: they stay in the cache while they are read.
const BLOCK: usize = 96;
/// Fewest and most rows of the result per task, where there are more.
const GROUP: [usize; 2] = [63, 640];
/// Pixels that a partial sum must be worth.
const PART: usize = 1024;
/// Most parts, and most numbers in all their partial sums.
const MOST_PARTS: usize = 16;
const MOST_PARTIAL: usize = 1 << 21;
/// Numbers of the result per task when partial sums are added up.
const STRETCH: usize = 2048;

/// Memory of a thread: inputs and gradients of some pixels.
#[derive(Default)]
struct Memory {
    inputs: AlignedVec<f32>,
    gradients: AlignedVec<f32>,
}

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::default();
}

/// Some rows of the result that lie side by side: all inputs of some lines of the kernel, or some inputs of one tap.
struct Group {
    lines: Range<usize>,
    columns: Range<usize>,
    inputs: Range<usize>,
}

impl Group {
    /// The groups of a result: the fewest that keep so many threads busy with so many parts each, neither too large for the cache
    /// nor, if that can be had, small.
    fn of([height, width]: [usize; 2], inputs: usize, parts: usize, threads: usize) -> Vec<Self> {
        let by_lines = (1..=height).map(|lines| [lines, 1, 1]);
        let by_inputs = (1..=inputs).map(|inputs| [height, width, inputs]);
        let rows = |[lines, columns, groups]: [usize; 3]| {
            height.div_ceil(lines) * width.div_ceil(columns) * inputs.div_ceil(groups)
        };
        let mut divisions = by_lines.chain(by_inputs).filter(|&division| rows(division) <= GROUP[1]);
        let mut division = divisions.next().unwrap_or([height, width, inputs]);
        while !keeps_busy(parts * division.iter().product::<usize>(), threads) {
            match divisions.next().filter(|&next| rows(next) >= GROUP[0]) {
                Some(next) => division = next,
                None => break,
            }
        }
        let [lines, columns, groups] = division;
        (0..lines * columns * groups)
            .map(|group| Self {
                lines: share(height, lines, group / (columns * groups)),
                columns: share(width, columns, group / groups % columns),
                inputs: share(inputs, groups, group % groups),
            })
            .collect()
    }

    fn rows(&self) -> usize {
        self.lines.len() * self.columns.len() * self.inputs.len()
    }
}

struct Job {
    x: Image<*const f32>,
    dy: Image<*const f32>,
    window: Window,
}

pub(super) fn backward_weight(
    level: Level,
    x: ArrayView4<'_, f32>,
    dy: ArrayView4<'_, f32>,
    window: Window,
    mut dweight: ArrayViewMut4<'_, f32>,
    scratch: &mut Scratch<f32>,
) {
    let (_, width, inputs, outputs) = dweight.dim();
    let job = Job { x: Image::new(&x), dy: Image::new(&dy), window };
    let pixels = job.dy.shape[0] * job.dy.shape[1] * job.dy.shape[2];
    let result = dweight.as_slice_mut().expect("asserted: weights lie in standard layout");
    if pixels == 0 || result.is_empty() {
        return;
    }
    let parts = (pixels / PART).min(MOST_PARTIAL / result.len()).clamp(1, MOST_PARTS);
    let groups = Group::of(window.kernel, inputs, parts, rayon::current_num_threads());
    let length = result.len();
    let partial = scratch.take(if parts == 1 { 0 } else { parts * length });
    let target = Target(if parts == 1 { result.as_mut_ptr() } else { partial.as_mut_ptr() });
    (0..parts * groups.len()).into_par_iter().for_each(|task| {
        let Target(target) = { target };
        let (part, group) = (task / groups.len(), &groups[task % groups.len()]);
        let first_row = (group.lines.start * width + group.columns.start) * inputs + group.inputs.start;
        // SAFETY: this part and these rows of the target belong to this task.
        let target = unsafe { target.add(part * length + first_row * outputs) };
        let pixels = share(pixels, parts, part);
        MEMORY.with_borrow_mut(|memory| {
            // SAFETY: levels are only handed in after they were detected; `target` is this task's.
            unsafe { dispatch(level, GroupSum { job: &job, group, pixels, target, fresh: parts > 1, memory }) }
        });
    });
    if parts > 1 {
        let partial = &*partial;
        result.par_chunks_mut(STRETCH).enumerate().for_each(|(stretch, result)| {
            for part in partial.chunks_exact(length) {
                for (result, partial) in result.iter_mut().zip(&part[stretch * STRETCH..]) {
                    *result += partial;
                }
            }
        });
    }
}

/// Adds the outer products of a range of pixels to the rows of a group, block by block.
///
/// `target` is writable for the group's rows of output channels and nobody else uses them.
struct GroupSum<'a> {
    job: &'a Job,
    group: &'a Group,
    pixels: Range<usize>,
    target: *mut f32,
    /// Whether sums start at zero, whatever the target holds.
    fresh: bool,
    memory: &'a mut Memory,
}

impl Kernel for GroupSum<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Self { job, group, pixels, target, fresh, memory } = self;
        let (inputs, outputs) = (group.rows(), job.dy.shape[3]);
        for first in pixels.clone().step_by(BLOCK) {
            let block = first..(first + BLOCK).min(pixels.end);
            memory.fill(job, group, block.clone());
            let products = OuterProducts {
                pixels: block.len(),
                x: memory.inputs.as_ptr(),
                x_row: row_length(inputs),
                dy: memory.gradients.as_ptr(),
                dy_row: row_length(outputs),
                sums: target,
                sums_row: outputs,
                fresh: fresh && first == pixels.start,
            };
            // SAFETY: the rows were filled, the target's are this task's.
            unsafe { products.run::<L>(inputs, outputs) }
        }
    }
}

impl Memory {
    /// Copies the inputs under the group's taps, zeros where these lie outside, and the gradients, filled up to whole vectors.
    #[inline(always)]
    fn fill(&mut self, job: &Job, group: &Group, pixels: Range<usize>) {
        let [_, height, width, outputs] = job.dy.shape;
        let Window { stride, padding, .. } = job.window;
        let kernel = [group.lines.len(), group.columns.len()];
        let (x_row, dy_row) = (row_length(group.rows()), row_length(outputs));
        self.inputs.grow(pixels.len() * x_row);
        self.gradients.grow(pixels.len() * dy_row);
        let x = job.x.channels(group.inputs.clone());
        let rows = self.inputs.chunks_exact_mut(x_row).zip(self.gradients.chunks_exact_mut(dy_row));
        for (pixel, (inputs, gradients)) in pixels.zip(rows) {
            let (image, row, column) = (pixel / (width * height), pixel / width % height, pixel % width);
            let corner = [
                (row * stride[0] + group.lines.start) as isize - padding[0] as isize,
                (column * stride[1] + group.columns.start) as isize - padding[1] as isize,
            ];
            let (gradients, filling) = gradients.split_at_mut(outputs);
            filling.fill(0.0);
            // SAFETY: images are valid for their shapes and strides as long as the job is.
            unsafe {
                x.gather(image, corner, kernel, &mut inputs[..group.rows()]);
                job.dy.gather(image, [row as isize, column as isize], [1, 1], gradients);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_cover_each_row_once_in_order() {
        let convolutions =
            [([7, 7], 3, 1), ([1, 1], 896, 2), ([3, 3], 192, 1), ([1, 7], 128, 1), ([5, 5], 32, 9), ([7, 7], 96, 1)];
        for (kernel, inputs, parts) in convolutions {
            for threads in [1, 2, 5, 64] {
                let groups = Group::of(kernel, inputs, parts, threads);
                let rows: Vec<usize> = groups
                    .iter()
                    .flat_map(|group| {
                        let first = (group.lines.start * kernel[1] + group.columns.start) * inputs + group.inputs.start;
                        first..first + group.rows()
                    })
                    .collect();
                assert_eq!(rows, (0..kernel[0] * kernel[1] * inputs).collect::<Vec<_>>(), "{kernel:?} {inputs}");
                assert!(groups.iter().all(|group| group.rows() <= GROUP[1]));
            }
        }
    }
}
