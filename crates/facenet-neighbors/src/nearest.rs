//! The nearest row.

use facenet_tensor::vectorize;
use rayon::prelude::*;

use crate::prepared_rows::PreparedRows;

/// Rows and columns of a tile of distances, which stays in the L2 cache.
const TILE: [usize; 2] = [72, 192];
/// Distances that are compared with the smallest so far at a time.
const CHUNK: usize = 16;

impl PreparedRows<'_, f32> {
    /// The nearest of these rows to each query with its squared distance, ties by the lowest index, on
    /// all threads of the pool. Faster than [`k_nearest`](Self::k_nearest) with a `k` of 1.
    ///
    /// # Panics
    ///
    /// If the dimensions differ, or there are queries but no rows.
    #[must_use]
    #[track_caller]
    pub fn nearest(&self, queries: &PreparedRows<'_, f32>) -> Vec<(usize, f32)> {
        let (own, other) = (self.rows().ncols(), queries.rows().ncols());
        assert!(own == other, "rows of {own} columns and queries of {other}");
        assert!(!self.is_empty() || queries.is_empty(), "no rows to be nearest to {} queries", queries.len());
        let mut nearest = vec![(0, f32::INFINITY); queries.len()];
        nearest.par_chunks_mut(TILE[0]).enumerate().for_each(|(block, nearest)| {
            let rows = block * TILE[0]..block * TILE[0] + nearest.len();
            let mut tile = Vec::with_capacity(TILE[0] * TILE[1]);
            for start in (0..self.len()).step_by(TILE[1]) {
                let columns = start..self.len().min(start + TILE[1]);
                tile.resize(rows.len() * columns.len(), 0.0);
                queries.squared_distances_block(self, rows.clone(), columns.clone(), &mut tile);
                vectorize(
                    #[inline(always)]
                    || {
                        for (nearest, distances) in nearest.iter_mut().zip(tile.chunks_exact(columns.len())) {
                            update(nearest, distances, start);
                        }
                    },
                );
            }
        });
        nearest
    }
}

/// Takes the smallest of some distances, of rows from `start` on, if it is smaller than the smallest so
/// far.
#[inline(always)]
fn update(nearest: &mut (usize, f32), distances: &[f32], start: usize) {
    let (whole, rest) = distances.as_chunks::<CHUNK>();
    for (chunk, distances) in whole.iter().enumerate() {
        let smallest = nearest.1;
        if distances.iter().fold(false, |any, &distance| any | (distance < smallest)) {
            take_smallest(nearest, distances, start + chunk * CHUNK);
        }
    }
    take_smallest(nearest, rest, start + whole.len() * CHUNK);
}

#[inline(never)]
fn take_smallest(nearest: &mut (usize, f32), distances: &[f32], start: usize) {
    for (index, &distance) in distances.iter().enumerate() {
        if distance < nearest.1 {
            *nearest = (start + index, distance);
        }
    }
}
