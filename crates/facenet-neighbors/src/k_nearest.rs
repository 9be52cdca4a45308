//! The k nearest rows, by exhaustive search.

use std::ops::Range;
use std::sync::Mutex;

use facenet_tensor::vectorize;
use ndarray::Array2;
use rayon::prelude::*;

use crate::prepared_rows::PreparedRows;

/// The nearest rows of each query, the nearest first; ties by the lowest index.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbors {
    /// Indices of rows: `[queries, k]`.
    pub indices: Array2<usize>,
    /// Their squared distances: `[queries, k]`.
    pub squared_distances: Array2<f32>,
}

/// Rows per block. Blocks of different queries are searched in parallel.
const BLOCK: usize = 512;
/// Rows and columns of a tile of distances, which stays in the L2 cache.
const TILE: [usize; 2] = [64, 192];
/// Distances that are compared with a threshold at a time.
const CHUNK: usize = 16;

impl PreparedRows<'_, f32> {
    /// The `k` nearest of these rows to each query, or all if there are fewer, on all threads of the
    /// pool.
    ///
    /// Memory: 24 bytes per query and neighbour beside the result.
    ///
    /// # Panics
    ///
    /// If the dimensions differ, or there are more than 2^32 - 1 rows.
    #[must_use]
    #[track_caller]
    pub fn k_nearest(&self, queries: &PreparedRows<'_, f32>, k: usize) -> Neighbors {
        let (own, other) = (self.rows().ncols(), queries.rows().ncols());
        assert!(own == other, "rows of {own} columns and queries of {other}");
        let k = k.min(self.indexable());
        let blocks: Vec<Candidates> = (0..queries.len().div_ceil(BLOCK))
            .into_par_iter()
            .map(|block| {
                let rows = block * BLOCK..queries.len().min((block + 1) * BLOCK);
                let mut candidates = Candidates::new(rows.len(), k);
                let mut tile = Vec::new();
                for columns in tiles(0..self.len(), TILE[1]) {
                    for rows in tiles(rows.clone(), TILE[0]) {
                        tile.resize(rows.len() * columns.len(), 0.0);
                        queries.squared_distances_block(self, rows.clone(), columns.clone(), &mut tile);
                        offer(&tile, rows, columns.clone(), block * BLOCK, &mut candidates);
                    }
                }
                candidates
            })
            .collect();
        collect(blocks, queries.len(), k)
    }

    /// The `k` nearest other rows of each row, or all others if there are fewer, on all threads of the
    /// pool. Each distance is computed once for both rows.
    ///
    /// Memory: 24 bytes per row and neighbour beside the result.
    ///
    /// # Panics
    ///
    /// If there are more than 2^32 - 1 rows.
    #[must_use]
    #[track_caller]
    pub fn k_nearest_others(&self, k: usize) -> Neighbors {
        let k = k.min(self.indexable().saturating_sub(1));
        let blocks = self.len().div_ceil(BLOCK);
        let rows_of = |block: usize| block * BLOCK..self.len().min((block + 1) * BLOCK);
        let candidates: Vec<Mutex<Candidates>> =
            (0..blocks).map(|block| Mutex::new(Candidates::new(rows_of(block).len(), k))).collect();
        let lock = |block: usize| candidates[block].lock().expect("no task panics while it holds a block");
        // In round r, block i meets block j = r - i modulo the number of blocks: every block is in one
        // pair (or meets itself), so pairs of a round run in parallel, and every pair of blocks has its
        // round.
        for round in 0..blocks {
            (0..blocks).into_par_iter().for_each(|first| {
                let second = (round + blocks - first) % blocks;
                let (rows, columns) = (rows_of(first), rows_of(second));
                let mut tile = Vec::new();
                if first == second {
                    self.offer_within(rows, &mut tile, &mut lock(first));
                } else if first < second {
                    let (mut of_rows, mut of_columns) = (lock(first), lock(second));
                    self.offer_between(rows, columns, &mut tile, [&mut of_rows, &mut of_columns]);
                }
            });
        }
        let candidates = candidates.into_iter().map(|block| block.into_inner().expect("no task has panicked"));
        collect(candidates.collect(), self.len(), k)
    }

    /// The number of rows, whose indices fit in half a key.
    #[track_caller]
    fn indexable(&self) -> usize {
        assert!(u32::try_from(self.len()).is_ok(), "{} rows exceed the limit of 2^32 - 1", self.len());
        self.len()
    }

    /// Offers the distances between two blocks to the rows of both.
    fn offer_between(
        &self,
        rows: Range<usize>,
        columns: Range<usize>,
        tile: &mut Vec<f32>,
        [of_rows, of_columns]: [&mut Candidates; 2],
    ) {
        let (first_row, first_column) = (rows.start, columns.start);
        for columns in tiles(columns, TILE[1]) {
            for rows in tiles(rows.clone(), TILE[0]) {
                tile.resize(rows.len() * columns.len(), 0.0);
                self.squared_distances_block(self, rows.clone(), columns.clone(), tile);
                offer(tile, rows.clone(), columns.clone(), first_row, of_rows);
                offer_to_columns(tile, rows, columns.clone(), first_column, of_columns);
            }
        }
    }

    /// Offers the distances within a block. Each is computed twice, and that of a row to itself left
    /// out.
    fn offer_within(&self, block: Range<usize>, tile: &mut Vec<f32>, candidates: &mut Candidates) {
        for columns in tiles(block.clone(), TILE[1]) {
            for rows in tiles(block.clone(), TILE[0]) {
                tile.resize(rows.len() * columns.len(), 0.0);
                self.squared_distances_block(self, rows.clone(), columns.clone(), tile);
                for row in rows.start.max(columns.start)..rows.end.min(columns.end) {
                    tile[(row - rows.start) * columns.len() + row - columns.start] = f32::INFINITY;
                }
                offer(tile, rows, columns.clone(), block.start, candidates);
            }
        }
    }
}

/// Consecutive parts of a range, of at most `length` each.
fn tiles(range: Range<usize>, length: usize) -> impl Iterator<Item = Range<usize>> {
    let end = range.end;
    range.step_by(length).map(move |start| start..end.min(start + length))
}

/// Offers a tile of distances to the candidates of its rows; `first` is the row of the first candidates.
fn offer(tile: &[f32], rows: Range<usize>, columns: Range<usize>, first: usize, candidates: &mut Candidates) {
    vectorize(
        #[inline(always)]
        || {
            for (row, distances) in rows.zip(tile.chunks_exact(columns.len())) {
                let row = row - first;
                let (whole, rest) = distances.as_chunks::<CHUNK>();
                let mut start = columns.start;
                for distances in whole {
                    let threshold = candidates.thresholds[row];
                    if distances.iter().fold(false, |any, &distance| any | (distance <= threshold)) {
                        candidates.offer_all(row, distances, start);
                    }
                    start += CHUNK;
                }
                candidates.offer_all(row, rest, start);
            }
        },
    );
}

/// Offers a tile of distances to the candidates of its columns; `first` is the column of the first
/// candidates.
fn offer_to_columns(
    tile: &[f32],
    rows: Range<usize>,
    columns: Range<usize>,
    first: usize,
    candidates: &mut Candidates,
) {
    let local = columns.start - first..columns.end - first;
    vectorize(
        #[inline(always)]
        || {
            for (row, distances) in rows.zip(tile.chunks_exact(columns.len())) {
                let (whole, rest) = distances.as_chunks::<CHUNK>();
                let mut start = local.start;
                for distances in whole {
                    let thresholds = candidates.thresholds[start..].first_chunk::<CHUNK>().expect("a whole chunk");
                    let pairs = distances.iter().zip(thresholds);
                    if pairs.fold(false, |any, (&distance, &threshold)| any | (distance <= threshold)) {
                        candidates.offer_to_all(start, distances, row);
                    }
                    start += CHUNK;
                }
                candidates.offer_to_all(start, rest, row);
            }
        },
    );
}

/// The smallest (distance, index) of each row of a block so far, and some more.
///
/// Candidates below the threshold are collected; when the space of a row is full, the k smallest stay,
/// and the largest of them is the new threshold. The result does not depend on the order of the offers.
struct Candidates {
    k: usize,
    capacity: usize,
    /// The bits of a distance, then the index: their order is that of (distance, index), since
    /// distances are not negative.
    keys: Vec<u64>,
    lengths: Vec<usize>,
    thresholds: Vec<f32>,
}

impl Candidates {
    fn new(rows: usize, k: usize) -> Self {
        let capacity = if k == 0 { 0 } else { 3 * k + CHUNK };
        // Nothing is wanted of no neighbours, and infinity marks a pair that does not count.
        let threshold = if k == 0 { f32::NEG_INFINITY } else { f32::MAX };
        Self { k, capacity, keys: vec![0; rows * capacity], lengths: vec![0; rows], thresholds: vec![threshold; rows] }
    }

    #[inline]
    fn offer(&mut self, row: usize, distance: f32, index: usize) {
        if distance > self.thresholds[row] {
            return;
        }
        let start = row * self.capacity;
        if self.lengths[row] == self.capacity {
            self.compact(row);
            if distance > self.thresholds[row] {
                return;
            }
        }
        self.keys[start + self.lengths[row]] = u64::from(distance.to_bits()) << 32 | index as u64;
        self.lengths[row] += 1;
    }

    /// Offers the distances of a row to consecutive indices.
    #[inline(never)]
    fn offer_all(&mut self, row: usize, distances: &[f32], start: usize) {
        for (offset, &distance) in distances.iter().enumerate() {
            self.offer(row, distance, start + offset);
        }
    }

    /// Offers the distances of consecutive rows to one index.
    #[inline(never)]
    fn offer_to_all(&mut self, first: usize, distances: &[f32], index: usize) {
        for (offset, &distance) in distances.iter().enumerate() {
            self.offer(first + offset, distance, index);
        }
    }

    #[cold]
    fn compact(&mut self, row: usize) {
        let keys = &mut self.keys[row * self.capacity..][..self.lengths[row]];
        let (_, &mut last, _) = keys.select_nth_unstable(self.k - 1);
        self.lengths[row] = self.k;
        self.thresholds[row] = f32::from_bits((last >> 32) as u32);
    }

    /// The k smallest of each row.
    fn sorted(mut self) -> Vec<u64> {
        let mut sorted = Vec::with_capacity(self.lengths.len() * self.k);
        for (row, &length) in self.lengths.iter().enumerate() {
            let keys = &mut self.keys[row * self.capacity..][..length];
            keys.sort_unstable();
            sorted.extend_from_slice(&keys[..self.k]);
        }
        sorted
    }
}

fn collect(blocks: Vec<Candidates>, queries: usize, k: usize) -> Neighbors {
    let keys: Vec<Vec<u64>> = blocks.into_par_iter().map(Candidates::sorted).collect();
    let keys = Array2::from_shape_vec((queries, k), keys.concat()).expect("k candidates of each query");
    Neighbors {
        indices: keys.mapv(|key| key as u32 as usize),
        squared_distances: keys.mapv(|key| f32::from_bits((key >> 32) as u32)),
    }
}
