//! Partitions work into tasks: by pixels, and by panels of output channels where pixels are few.

use std::ops::Range;

use rayon::prelude::*;

/// The fewest pixels per task.
const MIN_PIXELS_PER_TASK: usize = 9;

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
}
