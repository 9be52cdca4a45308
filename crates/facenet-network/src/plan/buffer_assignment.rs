//! Assignment of slots to buffers: slots that are never needed at the same time share one.

/// The buffer of each slot, for operations in the order in which they run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BufferAssignment {
    /// The buffer of each slot. A slot reuses the buffer of another one that is no longer needed
    /// when this one is first used.
    pub buffers: Vec<usize>,
    /// For each operation, the slots that it is the first to use.
    pub first_used: Vec<Vec<usize>>,
}

impl BufferAssignment {
    /// Assigns buffers given the slots that each operation reads or writes (`used`). The slot
    /// `initial` has contents before the first operation; the slot `retained` is needed after the
    /// last.
    pub fn new(used: &[Vec<usize>], shapes: &[[usize; 3]], initial: usize, retained: Option<usize>) -> Self {
        let mut lifetimes = vec![None; shapes.len()];
        lifetimes[initial] = Some((0, 0));
        for (index, slots) in used.iter().enumerate() {
            for &slot in slots {
                let (first, _) = lifetimes[slot].unwrap_or((index, index));
                lifetimes[slot] = Some((first, index));
            }
        }
        if let Some(retained) = retained {
            lifetimes[retained] = lifetimes[retained].map(|(first, _)| (first, usize::MAX));
        }
        let size = |slot: usize| shapes[slot].iter().product::<usize>();
        let mut buffers = vec![0; shapes.len()];
        let mut sizes = vec![size(initial)];
        let mut free: Vec<usize> = Vec::new();
        let mut first_used = Vec::new();
        for (index, slots) in used.iter().enumerate() {
            let mut slots = slots.clone();
            slots.sort_unstable();
            slots.dedup();
            let is_first = |slot: &usize| *slot != initial && lifetimes[*slot].is_some_and(|(first, _)| first == index);
            let first: Vec<usize> = slots.iter().copied().filter(is_first).collect();
            for &slot in &first {
                // The smallest free buffer that is large enough, else the largest, which grows.
                let fit = |&at: &usize| (sizes[free[at]] < size(slot), sizes[free[at]].abs_diff(size(slot)));
                buffers[slot] = match (0..free.len()).min_by_key(fit) {
                    Some(at) => free.swap_remove(at),
                    None => {
                        sizes.push(0);
                        sizes.len() - 1
                    }
                };
                sizes[buffers[slot]] = sizes[buffers[slot]].max(size(slot));
            }
            let is_last = |slot: &&usize| lifetimes[**slot].is_some_and(|(_, last)| last == index);
            free.extend(slots.iter().filter(is_last).map(|&slot| buffers[slot]));
            first_used.push(first);
        }
        Self { buffers, first_used }
    }
}
