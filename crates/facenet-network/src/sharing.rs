//! Memory shared by slots that are never needed at the same time.

/// Which buffer each slot is in, for operations in the order in which they run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sharing {
    /// The buffer of each slot: that of another one, if it is not needed any more where this one is first touched.
    pub buffers: Vec<usize>,
    /// Slots that each operation is the first to touch.
    pub first_touched: Vec<Vec<usize>>,
}

impl Sharing {
    /// `touched` are the slots that each operation reads or writes. One slot holds something `before` the first operation, and one
    /// is needed `after` the last.
    pub fn new(touched: &[Vec<usize>], shapes: &[[usize; 3]], before: usize, after: Option<usize>) -> Self {
        let mut uses = vec![None; shapes.len()];
        uses[before] = Some((0, 0));
        for (index, slots) in touched.iter().enumerate() {
            for &slot in slots {
                let (first, _) = uses[slot].unwrap_or((index, index));
                uses[slot] = Some((first, index));
            }
        }
        if let Some(after) = after {
            uses[after] = uses[after].map(|(first, _)| (first, usize::MAX));
        }
        let size = |slot: usize| shapes[slot].iter().product::<usize>();
        let mut buffers = vec![0; shapes.len()];
        let mut sizes = vec![size(before)];
        let mut free: Vec<usize> = Vec::new();
        let mut first_touched = Vec::new();
        for (index, slots) in touched.iter().enumerate() {
            let mut slots = slots.clone();
            slots.sort_unstable();
            slots.dedup();
            let is_first = |slot: &usize| *slot != before && uses[*slot].is_some_and(|(first, _)| first == index);
            let first: Vec<usize> = slots.iter().copied().filter(is_first).collect();
            for &slot in &first {
                // The smallest buffer that is large enough, else the largest, which grows.
                let fitting = |&at: &usize| (sizes[free[at]] < size(slot), sizes[free[at]].abs_diff(size(slot)));
                buffers[slot] = match (0..free.len()).min_by_key(fitting) {
                    Some(at) => free.swap_remove(at),
                    None => {
                        sizes.push(0);
                        sizes.len() - 1
                    }
                };
                sizes[buffers[slot]] = sizes[buffers[slot]].max(size(slot));
            }
            let is_last = |slot: &&usize| uses[**slot].is_some_and(|(_, last)| last == index);
            free.extend(slots.iter().filter(is_last).map(|&slot| buffers[slot]));
            first_touched.push(first);
        }
        Self { buffers, first_touched }
    }
}
