//! Partitions work into tasks: by pixels, and by panels of output channels where pixels are few.

use std::ops::Range;

use rayon::prelude::*;

/// The fewest pixels per task.
const MIN_PIXELS_PER_TASK: usize = 9;
/// The fewest and the most rows of a weight gradient per group.
const ROWS_PER_GROUP: [usize; 2] = [63, 640];

/// The indices of one part when `count` items are split into `parts` parts of nearly equal size.
pub(super) fn split(count: usize, parts: usize, part: usize) -> Range<usize> {
    part * count / parts..(part + 1) * count / parts
}

/// Calls `task(pixels, panels)` on all threads of the pool, covering all pixels and panels. A task
/// gets at most `chunk` pixels, with all panels or, to balance the load, some of them. Results must
/// not depend on the partition, which varies with the number of threads.
pub(super) fn for_each_task(
    pixels: usize,
    chunk: usize,
    panels: usize,
    task: impl Fn(Range<usize>, Range<usize>) + Sync,
) {
    if pixels == 0 || panels == 0 {
        return;
    }
    let [chunks, groups] = choose_partition(pixels, chunk, panels, rayon::current_num_threads());
    if chunks * groups == 1 {
        return task(0..pixels, 0..panels);
    }
    (0..chunks * groups).into_par_iter().for_each(|index| {
        task(split(pixels, chunks, index / groups), split(panels, groups, index % groups));
    });
}

/// Whether `tasks` tasks of equal size keep `threads` threads busy at least 95 % of the time.
pub(super) fn keeps_busy(tasks: usize, threads: usize) -> bool {
    20 * tasks >= 19 * tasks.next_multiple_of(threads)
}

/// The smallest numbers of chunks of pixels and groups of panels that keep all threads busy 95 % of
/// the time. Panels are split first, down to two per group, since their weights are then read once;
/// then pixels.
fn choose_partition(pixels: usize, chunk: usize, panels: usize, threads: usize) -> [usize; 2] {
    let chunks = pixels.div_ceil(chunk);
    let max_groups = (panels / 2).max(1);
    let max_chunks = (pixels / MIN_PIXELS_PER_TASK).max(chunks);
    let busy = |[chunks, groups]: &[usize; 2]| keeps_busy(chunks * groups, threads);
    let by_panels = (1..=max_groups).map(|groups| [chunks, groups]);
    let by_pixels = (chunks..=max_chunks).map(|chunks| [chunks, max_groups]);
    by_panels.chain(by_pixels).find(busy).unwrap_or([max_chunks, max_groups])
}

/// Contiguous rows of a weight gradient: all inputs of some rows of the kernel, or some inputs of one tap.
pub(super) struct RowGroup {
    pub(super) kernel_rows: Range<usize>,
    pub(super) kernel_columns: Range<usize>,
    pub(super) inputs: Range<usize>,
}

impl RowGroup {
    /// The groups of a result: the fewest that keep `threads` threads busy with `parts` parts each
    /// and fit in cache, and that if possible are not too small.
    pub(super) fn partition([height, width]: [usize; 2], inputs: usize, parts: usize, threads: usize) -> Vec<Self> {
        let by_rows = (1..=height).map(|rows| [rows, 1, 1]);
        let by_inputs = (1..=inputs).map(|inputs| [height, width, inputs]);
        let rows_of_group = |[rows, columns, groups]: [usize; 3]| {
            height.div_ceil(rows) * width.div_ceil(columns) * inputs.div_ceil(groups)
        };
        let mut candidates = by_rows.chain(by_inputs).filter(|&counts| rows_of_group(counts) <= ROWS_PER_GROUP[1]);
        let mut counts = candidates.next().unwrap_or([height, width, inputs]);
        while !keeps_busy(parts * counts.iter().product::<usize>(), threads) {
            match candidates.next().filter(|&next| rows_of_group(next) >= ROWS_PER_GROUP[0]) {
                Some(next) => counts = next,
                None => break,
            }
        }
        let [rows, columns, groups] = counts;
        (0..rows * columns * groups)
            .map(|group| Self {
                kernel_rows: split(height, rows, group / (columns * groups)),
                kernel_columns: split(width, columns, group / groups % columns),
                inputs: split(inputs, groups, group % groups),
            })
            .collect()
    }

    pub(super) fn rows(&self) -> usize {
        self.kernel_rows.len() * self.kernel_columns.len() * self.inputs.len()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn tasks_cover_all_pixels_and_panels_once() {
        for (pixels, chunk, panels) in [(1, 72, 1), (73, 72, 5), (145, 72, 12), (9, 72, 24), (7, 3, 1)] {
            let done = Mutex::new(vec![0; pixels * panels]);
            for_each_task(pixels, chunk, panels, |pixels, group| {
                assert!(pixels.len() <= chunk);
                let mut done = done.lock().unwrap();
                pixels.for_each(|pixel| group.clone().for_each(|panel| done[pixel * panels + panel] += 1));
            });
            assert!(done.into_inner().unwrap().iter().all(|&times| times == 1));
        }
    }

    #[test]
    fn few_chunks_split_panels_and_few_panels_split_pixels() {
        assert_eq!([choose_partition(50, 72, 12, 1), choose_partition(7200, 72, 12, 8)], [[1, 1], [100, 1]]);
        assert_eq!([choose_partition(50, 72, 12, 2), choose_partition(200, 72, 12, 2)], [[1, 2], [3, 2]]);
        assert_eq!([choose_partition(50, 72, 2, 2), choose_partition(50, 72, 12, 64)], [[2, 1], [5, 6]]);
    }

    #[test]
    fn groups_cover_every_row_once_and_in_order() {
        let convolutions =
            [([7, 7], 3, 1), ([1, 1], 896, 2), ([3, 3], 192, 1), ([1, 7], 128, 1), ([5, 5], 32, 9), ([7, 7], 96, 1)];
        for (kernel, inputs, parts) in convolutions {
            for threads in [1, 2, 5, 64] {
                let groups = RowGroup::partition(kernel, inputs, parts, threads);
                let rows: Vec<usize> = groups
                    .iter()
                    .flat_map(|group| {
                        let first = (group.kernel_rows.start * kernel[1] + group.kernel_columns.start) * inputs
                            + group.inputs.start;
                        first..first + group.rows()
                    })
                    .collect();
                assert_eq!(rows, (0..kernel[0] * kernel[1] * inputs).collect::<Vec<_>>(), "{kernel:?} {inputs}");
                assert!(groups.iter().all(|group| group.rows() <= ROWS_PER_GROUP[1]));
            }
        }
    }
}
