use facenet_neighbors::PreparedRows;
use rayon::prelude::*;

/// Rows of distances computed by one matrix product.
const BLOCK_ROWS: usize = 64;

/// The squared distances of all pairs `i < j`, row by row.
pub(super) fn condensed_squared_distances(points: &PreparedRows<'_, f32>) -> Vec<f32> {
    let n = points.len();
    let mut condensed = vec![0.0; n * n.saturating_sub(1) / 2];
    let mut rest = condensed.as_mut_slice();
    let mut blocks = Vec::new();
    for start in (0..n).step_by(BLOCK_ROWS) {
        let rows = start..(start + BLOCK_ROWS).min(n);
        let (block, after) = rest.split_at_mut(rows.clone().map(|row| n - 1 - row).sum());
        rest = after;
        blocks.push((rows, block));
    }
    blocks.into_par_iter().for_each_init(Vec::new, |distances, (rows, mut block)| {
        let start = rows.start;
        distances.resize(rows.len() * (n - start), 0.0);
        points.squared_distances_block(points, rows.clone(), start..n, distances);
        for (row, distances) in rows.zip(distances.chunks_exact(n - start)) {
            let (target, after) = block.split_at_mut(n - 1 - row);
            block = after;
            target.copy_from_slice(&distances[row + 1 - start..]);
        }
    });
    condensed
}
