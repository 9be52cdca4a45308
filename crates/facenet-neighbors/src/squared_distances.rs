//! Matrices of squared distances.

use facenet_tensor::Scalar;
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, s};
use rayon::prelude::*;

use crate::error::NotFinite;
use crate::prepared_rows::PreparedRows;
use crate::symmetric::{BLOCK_ROWS, symmetrize};

/// Squared distances from each row of one matrix to each of another: see [`PreparedRows`].
///
/// # Shapes
///
/// `a`: `[m, dimension]`, `b`: `[n, dimension]`, the result `[m, n]`.
///
/// # Errors
///
/// [`NotFinite`] for the first row of `a`, else of `b`, whose squared norm is not finite.
///
/// # Panics
///
/// If the dimensions differ.
#[track_caller]
pub fn squared_distances<T: Scalar>(a: ArrayView2<'_, T>, b: ArrayView2<'_, T>) -> Result<Array2<T>, NotFinite> {
    assert!(a.ncols() == b.ncols(), "rows {:?} and {:?} differ in dimension", a.shape(), b.shape());
    let (a, b) = (PreparedRows::new(a)?, PreparedRows::new(b)?);
    let mut distances = Array2::zeros((a.len(), b.len()));
    distances.axis_chunks_iter_mut(Axis(0), BLOCK_ROWS).into_par_iter().enumerate().for_each(|(block, mut rows)| {
        let start = block * BLOCK_ROWS;
        let range = start..start + rows.nrows();
        let rows = rows.as_slice_mut().expect("rows of a new array are contiguous");
        a.squared_distances_block(&b, range, 0..b.len(), rows);
    });
    Ok(distances)
}

/// Squared distances between all pairs of rows of one matrix: exactly symmetric, with an exact 0 on
/// the diagonal.
///
/// # Shapes
///
/// `rows`: `[n, dimension]`, the result `[n, n]`.
///
/// # Errors
///
/// [`NotFinite`].
pub fn pairwise_squared_distances<T: Scalar>(rows: ArrayView2<'_, T>) -> Result<Array2<T>, NotFinite> {
    Ok(PreparedRows::new(rows)?.pairwise_squared_distances())
}

impl<T: Scalar> PreparedRows<'_, T> {
    /// Squared distances between all pairs of rows: `[n, n]`, exactly symmetric, with an exact 0 on the
    /// diagonal. On all threads of the pool.
    #[must_use]
    pub fn pairwise_squared_distances(&self) -> Array2<T> {
        let mut distances = Array2::zeros((self.len(), self.len()));
        self.pairwise_squared_distances_into(distances.view_mut());
        distances
    }

    /// [`pairwise_squared_distances`](Self::pairwise_squared_distances) into an existing buffer, which
    /// is overwritten.
    ///
    /// # Panics
    ///
    /// If the buffer is not `[n, n]`.
    #[track_caller]
    pub fn pairwise_squared_distances_into(&self, mut distances: ArrayViewMut2<'_, T>) {
        let n = self.len();
        assert!(distances.dim() == (n, n), "squared distances of {n} rows are [{n}, {n}], not {:?}", distances.shape());
        distances.axis_chunks_iter_mut(Axis(0), BLOCK_ROWS).into_par_iter().enumerate().for_each(
            |(block, mut target)| {
                let rows = block * BLOCK_ROWS..block * BLOCK_ROWS + target.nrows();
                let columns = rows.start..n;
                let mut upper = vec![T::zero(); rows.len() * columns.len()];
                self.squared_distances_block(self, rows.clone(), columns.clone(), &mut upper);
                let upper = ArrayView2::from_shape((rows.len(), columns.len()), &upper).expect("one block");
                target.slice_mut(s![.., columns]).assign(&upper);
            },
        );
        symmetrize(distances, |upper, _| upper);
    }
}
