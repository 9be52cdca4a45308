//! The smallest distances so far.

use ndarray::Array2;
use rayon::prelude::*;

/// The nearest rows of each query, the nearest first; ties by the lowest index.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbors {
    /// Indices of rows: `[queries, k]`.
    pub indices: Array2<usize>,
    /// Their squared distances: `[queries, k]`.
    pub squared_distances: Array2<f32>,
}

/// The smallest (distance, index) of each row of a block so far, and some more.
///
/// Candidates at most at the threshold are collected; when there may be no room for another chunk, the k
/// smallest stay, and the largest of them is the new threshold. The result does not depend on the order of the
/// offers.
pub(crate) struct Candidates {
    k: usize,
    capacity: usize,
    /// The bits of a distance, then the index: their order is that of (distance, index), since
    /// distances are not negative.
    keys: Vec<u64>,
    lengths: Vec<usize>,
    thresholds: Vec<f32>,
}

fn key(distance: f32, index: usize) -> u64 {
    // -0 becomes 0.
    u64::from((distance + 0.0).to_bits()) << 32 | index as u64
}

fn distance_of(key: u64) -> f32 {
    f32::from_bits((key >> 32) as u32)
}

/// Distances that are offered at a time.
pub(crate) const CHUNK: usize = 16;

impl Candidates {
    pub(crate) fn new(rows: usize, k: usize) -> Self {
        // Room for a chunk beside the candidates that wait for the next selection.
        let capacity = if k == 0 { 0 } else { k + k / 2 + CHUNK };
        // With k = 0 nothing is collected, and infinity marks an excluded pair.
        let threshold = if k == 0 { f32::NEG_INFINITY } else { f32::MAX };
        Self { k, capacity, keys: vec![0; rows * capacity], lengths: vec![0; rows], thresholds: vec![threshold; rows] }
    }

    /// The largest distance of each row that is of interest.
    pub(crate) fn thresholds(&self) -> &[f32] {
        &self.thresholds
    }

    /// Offers to a row at most [`CHUNK`] distances, of indices from `start` on.
    #[inline(never)]
    pub(crate) fn offer_to_row(&mut self, row: usize, distances: &[f32], start: usize) {
        assert!(distances.len() <= CHUNK, "{} distances", distances.len());
        self.make_room(row);
        let threshold = self.thresholds[row];
        let length = &mut self.lengths[row];
        let Some((free, _)) = self.keys[row * self.capacity + *length..].split_first_chunk_mut::<CHUNK>() else {
            // k = 0.
            return;
        };
        // Without branches: each key is written, and overwritten by the next unless it counts.
        let mut accepted = 0;
        for (offset, &distance) in distances.iter().enumerate() {
            // At most `offset`; the remainder only spares a check.
            free[accepted % CHUNK] = key(distance, start + offset);
            accepted += usize::from(distance <= threshold);
        }
        *length += accepted;
    }

    /// Offers to the rows from `first` on their distance to an index.
    #[inline(never)]
    pub(crate) fn offer_to_rows(&mut self, first: usize, distances: &[f32], index: usize) {
        for (row, &distance) in (first..).zip(distances) {
            if distance <= self.thresholds[row] {
                self.make_room(row);
                self.keys[row * self.capacity + self.lengths[row]] = key(distance, index);
                self.lengths[row] += usize::from(distance <= self.thresholds[row]);
            }
        }
    }

    /// Selects the candidates of a row if there may be no room for another chunk.
    #[inline(always)]
    fn make_room(&mut self, row: usize) {
        if self.lengths[row] + CHUNK > self.capacity && self.k > 0 {
            self.compact(row);
        }
    }

    #[cold]
    fn compact(&mut self, row: usize) {
        let keys = &mut self.keys[row * self.capacity..][..self.lengths[row]];
        let (_, &mut last, _) = keys.select_nth_unstable(self.k - 1);
        self.lengths[row] = self.k;
        self.thresholds[row] = distance_of(last);
    }

    /// The k smallest of each row.
    fn sorted(mut self) -> Vec<u64> {
        let mut sorted = Vec::with_capacity(self.lengths.len() * self.k);
        for (row, &length) in self.lengths.iter().enumerate() {
            assert!(length >= self.k, "{length} finite distances, fewer than k = {}", self.k);
            let keys = &mut self.keys[row * self.capacity..][..length];
            keys.sort_unstable();
            sorted.extend_from_slice(&keys[..self.k]);
        }
        sorted
    }

    /// The result of some blocks, which are those of all queries.
    pub(crate) fn collect(blocks: Vec<Self>, queries: usize, k: usize) -> Neighbors {
        let keys: Vec<Vec<u64>> = blocks.into_par_iter().map(Self::sorted).collect();
        let keys = Array2::from_shape_vec((queries, k), keys.concat()).expect("k candidates of each query");
        Neighbors { indices: keys.mapv(|key| key as u32 as usize), squared_distances: keys.mapv(distance_of) }
    }
}
