use ndarray::{ArrayView2, s};
use rayon::prelude::*;

/// Rows of distances computed by one matrix product.
const BLOCK_ROWS: usize = 64;

/// The squared distances of all pairs `i < j`, row by row.
pub(super) fn condensed_squared_distances(embeddings: ArrayView2<'_, f32>) -> Vec<f32> {
    let n = embeddings.nrows();
    let norms: Vec<f32> = embeddings.outer_iter().map(|row| row.dot(&row)).collect();
    let mut condensed = vec![0.0; n * n.saturating_sub(1) / 2];
    let mut rest = condensed.as_mut_slice();
    let mut blocks = Vec::new();
    for start in (0..n).step_by(BLOCK_ROWS) {
        let rows = start..(start + BLOCK_ROWS).min(n);
        let (block, after) = rest.split_at_mut(rows.clone().map(|row| n - 1 - row).sum());
        rest = after;
        blocks.push((rows, block));
    }
    blocks.into_par_iter().for_each(|(rows, mut block)| {
        let start = rows.start;
        let products = embeddings.slice(s![rows.clone(), ..]).dot(&embeddings.slice(s![start.., ..]).t());
        for (row, products) in rows.zip(products.outer_iter()) {
            let (distances, after) = block.split_at_mut(n - 1 - row);
            block = after;
            let columns = products.iter().zip(&norms[start..]).skip(row + 1 - start);
            for (distance, (&product, &norm)) in distances.iter_mut().zip(columns) {
                *distance = (norms[row] + norm - 2.0 * product).max(0.0);
            }
        }
    });
    condensed
}
