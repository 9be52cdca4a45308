//! How work is divided into tasks: by pixels, and by panels of output channels where there are few pixels.

use std::ops::Range;

use rayon::prelude::*;

/// Pixels below which a part is not divided further.
const FEWEST_PIXELS: usize = 9;

/// The part of `count` things that falls to one of `parts` as equal as can be.
pub(super) fn share(count: usize, parts: usize, part: usize) -> Range<usize> {
    part * count / parts..(part + 1) * count / parts
}

/// Calls `task(pixels, panels)` for all pixels and panels, on all threads of the pool. A task gets at most `chunk` pixels, all
/// panels of them or, so that no thread waits long for the others, a part. What is computed must not depend on this
/// division: it differs with the number of threads.
pub(super) fn for_each_task(
    pixels: usize,
    chunk: usize,
    panels: usize,
    task: impl Fn(Range<usize>, Range<usize>) + Sync,
) {
    if pixels == 0 || panels == 0 {
        return;
    }
    let [chunks, groups] = divide(pixels, chunk, panels, rayon::current_num_threads());
    if chunks * groups == 1 {
        return task(0..pixels, 0..panels);
    }
    (0..chunks * groups).into_par_iter().for_each(|index| {
        task(share(pixels, chunks, index / groups), share(panels, groups, index % groups));
    });
}

/// Whether with so many tasks of one size threads are busy 95 % of the time.
pub(super) fn keeps_busy(tasks: usize, threads: usize) -> bool {
    20 * tasks >= 19 * tasks.next_multiple_of(threads)
}

/// The fewest parts of pixels and of panels with which threads are busy 95 % of the time: first parts of panels, whose weights are
/// then read once, but of two panels at least, then smaller parts of pixels.
fn divide(pixels: usize, chunk: usize, panels: usize, threads: usize) -> [usize; 2] {
    let chunks = pixels.div_ceil(chunk);
    let most_groups = (panels / 2).max(1);
    let most_chunks = (pixels / FEWEST_PIXELS).max(chunks);
    let busy = |[chunks, groups]: &[usize; 2]| keeps_busy(chunks * groups, threads);
    let by_panels = (1..=most_groups).map(|groups| [chunks, groups]);
    let by_pixels = (chunks..=most_chunks).map(|chunks| [chunks, most_groups]);
    by_panels.chain(by_pixels).find(busy).unwrap_or([most_chunks, most_groups])
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
    fn panels_are_divided_where_chunks_are_few_and_pixels_where_panels_are() {
        assert_eq!([divide(50, 72, 12, 1), divide(7200, 72, 12, 8)], [[1, 1], [100, 1]]);
        assert_eq!([divide(50, 72, 12, 2), divide(200, 72, 12, 2)], [[1, 2], [3, 2]]);
        assert_eq!([divide(50, 72, 2, 2), divide(50, 72, 12, 64)], [[2, 1], [5, 6]]);
    }
}
