//! The rows of a matrix, prepared for distances to other rows.

use std::ops::Range;

use facenet_tensor::{PackedRows, Scalar, vectorize};
use ndarray::{ArrayView2, CowArray, Ix2, s};

use crate::error::NotFinite;

/// The rows of a matrix, checked and packed for squared distances to other rows.
///
/// ```text
/// |a - b|^2 = |a|^2 + |b|^2 - 2 a.b, clamped at 0
/// ```
///
/// A distance depends on its two rows only: it is symmetric, has the same bits on any number of
/// threads and wherever the rows stand, and is exactly 0 for equal rows. Close rows lose digits to
/// cancellation: the absolute error is that of sums of `dimension` terms, about 1e-6 for unit vectors of
/// 128 elements in `f32`, however small the distance.
///
/// Memory: the packed rows take as much as the matrix.
#[derive(Clone, Debug)]
pub struct PreparedRows<'a, T> {
    rows: CowArray<'a, T, Ix2>,
    packed: PackedRows<T>,
}

impl<'a, T: Scalar> PreparedRows<'a, T> {
    /// Packs the rows of an array or a view.
    ///
    /// # Shapes
    ///
    /// `rows`: `[n, dimension]`.
    ///
    /// # Errors
    ///
    /// [`NotFinite`] if a row contains NaN, or its distances could overflow.
    pub fn new(rows: impl Into<CowArray<'a, T, Ix2>>) -> Result<Self, NotFinite> {
        let mut rows = rows.into();
        if !rows.is_standard_layout() {
            rows = CowArray::from(rows.as_standard_layout().into_owned());
        }
        let packed = PackedRows::new(rows.view());
        // A squared distance is at most four times the larger squared norm.
        let limit = T::max_value() / (T::one() + T::one() + T::one() + T::one());
        match packed.squared_norms().iter().position(|&norm| norm.is_nan() || norm > limit) {
            Some(row) => Err(NotFinite { row }),
            None => Ok(Self { rows, packed }),
        }
    }

    /// The rows: `[n, dimension]`.
    #[must_use]
    pub fn rows(&self) -> ArrayView2<'_, T> {
        self.rows.view()
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.packed.rows()
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The squared norm of each row.
    #[must_use]
    pub fn squared_norms(&self) -> &[T] {
        self.packed.squared_norms()
    }

    /// The squared distances from a block of these rows to a block of others, on the calling thread:
    /// what everything else here is made of.
    ///
    /// # Shapes
    ///
    /// `distances`: `[rows.len(), columns.len()]`, row by row.
    ///
    /// # Panics
    ///
    /// If the dimensions or lengths disagree, a block is out of bounds, or `columns` does not begin at
    /// a multiple of [`PreparedRows::ALIGNMENT`].
    #[track_caller]
    pub fn squared_distances_block(
        &self,
        others: &PreparedRows<'_, T>,
        rows: Range<usize>,
        columns: Range<usize>,
        distances: &mut [T],
    ) {
        let norms = &self.squared_norms()[rows.clone()];
        self.products_block(others, rows, columns.clone(), distances);
        let column_norms = &others.squared_norms()[columns];
        if column_norms.is_empty() {
            return;
        }
        vectorize(
            #[inline(always)]
            || {
                for (distances, &norm) in distances.chunks_exact_mut(column_norms.len()).zip(norms) {
                    for (distance, &other) in distances.iter_mut().zip(column_norms) {
                        *distance = squared_distance(norm, other, *distance);
                    }
                }
            },
        );
    }

    /// The dot products of a block of these rows and a block of others.
    #[track_caller]
    pub(crate) fn products_block(
        &self,
        others: &PreparedRows<'_, T>,
        rows: Range<usize>,
        columns: Range<usize>,
        products: &mut [T],
    ) {
        others.packed.products(self.rows.slice(s![rows, ..]), columns, products);
    }

    /// Blocks of columns begin at multiples of this.
    pub const ALIGNMENT: usize = PackedRows::<T>::PANEL;
}

/// The squared distance of two rows by their squared norms and their product.
#[inline(always)]
pub(crate) fn squared_distance<T: Scalar>(norm: T, other: T, product: T) -> T {
    let difference = (norm + other) - (product + product);
    if difference < T::zero() { T::zero() } else { difference }
}
