//! The k nearest rows, by exhaustive search.

use std::ops::Range;
use std::sync::Mutex;

use facenet_tensor::{AlignedVec, vectorize};
use ndarray::ArrayView2;
use rayon::prelude::*;

use crate::candidates::{CHUNK, Candidates, Neighbors};
use crate::prepared_rows::{PreparedRows, squared_distance};

/// Rows per block of a search among all pairs.
const BLOCK: usize = 1024;
/// Queries per task of a search.
const QUERIES: usize = 144;
/// Rows and columns of a tile of products, which stays in the cache.
const TILE: [usize; 2] = [36, 192];

impl Neighbors {
    /// The `k` smallest of each row of a matrix of squared distances, or all if there are fewer
    /// columns. Infinity marks excluded pairs.
    ///
    /// # Shapes
    ///
    /// `squared_distances`: `[queries, rows]`, not negative, not NaN.
    ///
    /// # Panics
    ///
    /// If a row has fewer than `k` finite distances, or there are more than 2^32 - 1 columns.
    #[must_use]
    #[track_caller]
    pub fn of_squared_distances(squared_distances: ArrayView2<'_, f32>, k: usize) -> Self {
        let (queries, columns) = squared_distances.dim();
        let k = k.min(checked_index_count(columns));
        debug_assert!(squared_distances.iter().all(|&distance| distance >= 0.0), "negative or NaN distances");
        let blocks: Vec<Candidates> = (0..queries.div_ceil(QUERIES))
            .into_par_iter()
            .map(|block| {
                let rows = block * QUERIES..queries.min((block + 1) * QUERIES);
                let mut candidates = Candidates::new(rows.len(), k);
                for (row, index) in rows.enumerate() {
                    let distances = squared_distances.row(index);
                    let distances = distances.as_standard_layout();
                    let distances = distances.as_slice().expect("standard layout");
                    offer_row(distances, row, &mut candidates);
                }
                candidates
            })
            .collect();
        Candidates::collect(blocks, queries, k)
    }
}

impl PreparedRows<'_, f32> {
    /// The `k` nearest of these rows to each query, or all if there are fewer, on all threads of the
    /// pool.
    ///
    /// Memory: about `12 k + 128` bytes per query beside the result.
    ///
    /// # Panics
    ///
    /// If the dimensions differ, or there are more than 2^32 - 1 rows.
    #[must_use]
    #[track_caller]
    pub fn k_nearest(&self, queries: &PreparedRows<'_, f32>, k: usize) -> Neighbors {
        let (own, other) = (self.rows().ncols(), queries.rows().ncols());
        assert!(own == other, "rows of {own} columns and queries of {other}");
        let k = k.min(checked_index_count(self.len()));
        let blocks: Vec<Candidates> = (0..queries.len().div_ceil(QUERIES))
            .into_par_iter()
            .map(|block| {
                let rows = block * QUERIES..queries.len().min((block + 1) * QUERIES);
                let mut candidates = Candidates::new(rows.len(), k);
                let mut tile = AlignedVec::zeros(TILE[0] * TILE[1]);
                for columns in tiles(0..self.len(), TILE[1]) {
                    for rows in tiles(rows.clone(), TILE[0]) {
                        let tile = Tile::new(queries, self, rows, columns.clone(), &mut tile);
                        tile.offer_to_rows(CandidateBlock { candidates: &mut candidates, first: block * QUERIES });
                    }
                }
                candidates
            })
            .collect();
        Candidates::collect(blocks, queries.len(), k)
    }

    /// The `k` nearest other rows of each row, or all others if there are fewer, on all threads of the
    /// pool. Each distance is computed once for both rows.
    ///
    /// Memory: about `12 k + 128` bytes per row beside the result. Threads: at most one for every two blocks
    /// of 1,024 rows.
    ///
    /// # Panics
    ///
    /// If there are more than 2^32 - 1 rows.
    #[must_use]
    #[track_caller]
    pub fn k_nearest_others(&self, k: usize) -> Neighbors {
        let k = k.min(checked_index_count(self.len()).saturating_sub(1));
        let blocks = self.len().div_ceil(BLOCK);
        let rows_of = |block: usize| block * BLOCK..self.len().min((block + 1) * BLOCK);
        // Distances within each block.
        let candidates: Vec<Mutex<Candidates>> = (0..blocks)
            .into_par_iter()
            .map(|block| {
                let rows = rows_of(block);
                let mut candidates = Candidates::new(rows.len(), k);
                let mut tile = AlignedVec::zeros(TILE[0] * TILE[1]);
                for columns in tiles(rows.clone(), TILE[1]) {
                    for rows in tiles(rows.clone(), TILE[0]) {
                        let tile = Tile::without_self_pairs(self, rows, columns.clone(), &mut tile);
                        tile.offer_to_rows(CandidateBlock { candidates: &mut candidates, first: block * BLOCK });
                    }
                }
                Mutex::new(candidates)
            })
            .collect();
        let lock = |block: usize| candidates[block].lock().expect("no task panics while it holds a block");
        // In round r, block i meets block r - i modulo the number of blocks: every block is in one pair,
        // so the pairs of a round run in parallel, and every pair of blocks has its round.
        for round in 0..blocks {
            (0..blocks).into_par_iter().for_each(|first| {
                let second = (round + blocks - first) % blocks;
                if first < second {
                    let (mut of_rows, mut of_columns) = (lock(first), lock(second));
                    let mut tile = AlignedVec::zeros(TILE[0] * TILE[1]);
                    for columns in tiles(rows_of(second), TILE[1]) {
                        for rows in tiles(rows_of(first), TILE[0]) {
                            let of_rows = CandidateBlock { candidates: &mut of_rows, first: first * BLOCK };
                            let of_columns = CandidateBlock { candidates: &mut of_columns, first: second * BLOCK };
                            Tile::new(self, self, rows, columns.clone(), &mut tile).offer_to_both(of_rows, of_columns);
                        }
                    }
                }
            });
        }
        let candidates = candidates.into_iter().map(|block| block.into_inner().expect("no task has panicked"));
        Candidates::collect(candidates.collect(), self.len(), k)
    }
}

const _: () = assert!(BLOCK.is_multiple_of(PreparedRows::<f32>::ALIGNMENT));
const _: () = assert!(TILE[1].is_multiple_of(PreparedRows::<f32>::ALIGNMENT));

/// A number of rows, whose indices fit in half a key.
#[track_caller]
fn checked_index_count(rows: usize) -> usize {
    assert!(u32::try_from(rows).is_ok(), "{rows} rows exceed the limit of 2^32 - 1");
    rows
}

/// Consecutive parts of a range, of at most `length` each.
fn tiles(range: Range<usize>, length: usize) -> impl Iterator<Item = Range<usize>> {
    let end = range.end;
    range.step_by(length).map(move |start| start..end.min(start + length))
}

/// Offers all distances of a row.
fn offer_row(distances: &[f32], row: usize, candidates: &mut Candidates) {
    vectorize(
        #[inline(always)]
        || {
            let (whole, rest) = distances.as_chunks::<CHUNK>();
            for (chunk, distances) in whole.iter().enumerate() {
                let threshold = candidates.thresholds()[row];
                if distances.iter().fold(false, |any, &distance| any | (distance <= threshold)) {
                    candidates.offer_to_row(row, distances, chunk * CHUNK);
                }
            }
            candidates.offer_to_row(row, rest, whole.len() * CHUNK);
        },
    );
}

/// The candidates of a block of rows, and the first of these.
struct CandidateBlock<'a> {
    candidates: &'a mut Candidates,
    first: usize,
}

/// The products of some queries and some rows, which become distances as they are compared.
struct Tile<'a> {
    rows: Range<usize>,
    columns: Range<usize>,
    row_norms: &'a [f32],
    column_norms: &'a [f32],
    products: &'a [f32],
}

impl<'a> Tile<'a> {
    fn new(
        queries: &'a PreparedRows<'_, f32>,
        others: &'a PreparedRows<'_, f32>,
        rows: Range<usize>,
        columns: Range<usize>,
        products: &'a mut AlignedVec<f32>,
    ) -> Self {
        let products = &mut products[..rows.len() * columns.len()];
        queries.products_block(others, rows.clone(), columns.clone(), products);
        Self::of_products(queries, others, rows, columns, products)
    }

    /// The tile of some rows with some of the same matrix, where the distance of a row to itself is
    /// infinite.
    fn without_self_pairs(
        matrix: &'a PreparedRows<'_, f32>,
        rows: Range<usize>,
        columns: Range<usize>,
        products: &'a mut AlignedVec<f32>,
    ) -> Self {
        let length = rows.len() * columns.len();
        matrix.products_block(matrix, rows.clone(), columns.clone(), &mut products[..length]);
        for row in rows.start.max(columns.start)..rows.end.min(columns.end) {
            products[(row - rows.start) * columns.len() + row - columns.start] = f32::NEG_INFINITY;
        }
        Self::of_products(matrix, matrix, rows, columns, &products[..length])
    }

    fn of_products(
        queries: &'a PreparedRows<'_, f32>,
        others: &'a PreparedRows<'_, f32>,
        rows: Range<usize>,
        columns: Range<usize>,
        products: &'a [f32],
    ) -> Self {
        let row_norms = &queries.squared_norms()[rows.clone()];
        let column_norms = &others.squared_norms()[columns.clone()];
        Self { rows, columns, row_norms, column_norms, products }
    }

    fn offer_to_rows(self, of_rows: CandidateBlock<'_>) {
        let CandidateBlock { candidates, first } = of_rows;
        self.for_each_chunk(
            #[inline(always)]
            |row, column, distances| {
                let row = row - first;
                let threshold = candidates.thresholds()[row];
                if distances.iter().fold(false, |any, &distance| any | (distance <= threshold)) {
                    candidates.offer_to_row(row, distances, column);
                }
            },
        );
    }

    fn offer_to_both(self, of_rows: CandidateBlock<'_>, of_columns: CandidateBlock<'_>) {
        self.for_each_chunk(
            #[inline(always)]
            |row, column, distances| {
                let (local_row, local_column) = (row - of_rows.first, column - of_columns.first);
                let threshold = of_rows.candidates.thresholds()[local_row];
                if distances.iter().fold(false, |any, &distance| any | (distance <= threshold)) {
                    of_rows.candidates.offer_to_row(local_row, distances, column);
                }
                let thresholds = &of_columns.candidates.thresholds()[local_column..][..distances.len()];
                let pairs = distances.iter().zip(thresholds);
                if pairs.fold(false, |any, (&distance, &threshold)| any | (distance <= threshold)) {
                    of_columns.candidates.offer_to_rows(local_column, distances, row);
                }
            },
        );
    }

    /// Calls `compare` with a row, a column and the distances from that column on.
    #[inline(always)]
    fn for_each_chunk(self, mut compare: impl FnMut(usize, usize, &[f32])) {
        let Self { rows, columns, row_norms, column_norms, products } = self;
        vectorize(
            #[inline(always)]
            || {
                let mut buffer = [0.0; TILE[1]];
                let distances = &mut buffer[..columns.len()];
                for ((row, &norm), products) in rows.zip(row_norms).zip(products.chunks_exact(columns.len())) {
                    for ((distance, &other), &product) in distances.iter_mut().zip(column_norms).zip(products) {
                        *distance = squared_distance(norm, other, product);
                    }
                    let (whole, rest) = distances.as_chunks::<CHUNK>();
                    let mut column = columns.start;
                    for distances in whole {
                        compare(row, column, distances);
                        column += CHUNK;
                    }
                    compare(row, column, rest);
                }
            },
        );
    }
}
