//! Dot products of rows with rows of another matrix, packed once.

use std::ops::Range;

use ndarray::{ArrayView2, Axis};
use rayon::prelude::*;

use crate::convolution::kernels::RowProducts;
use crate::memory::aligned_vec::AlignedVec;
use crate::scalar::Scalar;
use crate::simd::lanes::LANES;
use crate::simd::level::simd_level;

/// The rows of a matrix, packed for dot products with other rows.
///
/// ```text
/// products[i, j] = sum over c of x[i, c] * rows[j, c]
/// ```
///
/// In `f32` this is a 1x1 convolution without the transposition of the rows into weights. Each sum
/// adds its terms in the order of the columns, with one rounding per term where the instruction set
/// fuses. A product therefore depends on its two rows only, not on their place, and equal rows have
/// equal products: `|a|^2 + |b|^2 - 2 a.b` is exactly 0 for them.
#[derive(Clone, Debug)]
pub struct PackedRows<T> {
    rows: usize,
    dimension: usize,
    /// `[rows / 16][column][16]`; the last panel is padded with zeros.
    panels: AlignedVec<T>,
    squared_norms: Vec<T>,
}

impl<T: Scalar> PackedRows<T> {
    /// Rows per panel: ranges of rows begin at multiples of it.
    pub const PANEL: usize = LANES;

    /// Copies the rows.
    ///
    /// # Shapes
    /// `rows [n, dimension]`, of any layout.
    #[must_use]
    pub fn new(rows: ArrayView2<'_, T>) -> Self {
        let (n, dimension) = rows.dim();
        let panel_length = dimension * Self::PANEL;
        let mut panels = AlignedVec::zeros(n.div_ceil(Self::PANEL) * panel_length);
        let mut squared_norms = vec![T::zero(); n];
        let matrix = rows.as_standard_layout();
        let blocks = matrix.axis_chunks_iter(Axis(0), Self::PANEL).into_par_iter();
        let targets = squared_norms.par_chunks_mut(Self::PANEL).zip(panels.par_chunks_exact_mut(panel_length.max(1)));
        blocks.zip(targets).for_each(|(rows, (norms, panel))| {
            for (lane, row) in rows.outer_iter().enumerate() {
                panel.iter_mut().skip(lane).step_by(Self::PANEL).zip(row).for_each(|(packed, &value)| *packed = value);
            }
            // The diagonal of products of each panel with itself, so that norms round as products do.
            let count = rows.nrows();
            let mut products = [T::zero(); LANES * LANES];
            let operands = RowProducts { x: rows.reborrow(), panels: panel, products: &mut products[..count * count] };
            T::row_products(simd_level(), operands);
            norms.iter_mut().zip(products.iter().step_by(count + 1)).for_each(|(norm, &product)| *norm = product);
        });
        Self { rows: n, dimension, panels, squared_norms }
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// The squared norm of each row, rounded as its product with itself.
    #[must_use]
    pub fn squared_norms(&self) -> &[T] {
        &self.squared_norms
    }

    /// The dot products of rows of `x` with a range of these rows, on the calling thread.
    ///
    /// # Shapes
    /// `x [m, dimension]` with contiguous rows; `products [m, range.len()]`, row by row.
    ///
    /// # Panics
    /// If the shapes disagree, rows are not contiguous, or the range is out of bounds or does not begin
    /// at a multiple of [`PANEL`](Self::PANEL).
    #[track_caller]
    pub fn products(&self, x: ArrayView2<'_, T>, range: Range<usize>, products: &mut [T]) {
        let (m, dimension) = x.dim();
        assert!(dimension == self.dimension, "rows of {dimension} and of {} columns", self.dimension);
        assert!(
            range.start <= range.end && range.end <= self.rows && range.start.is_multiple_of(Self::PANEL),
            "rows {range:?} of {} in panels of {}",
            self.rows,
            Self::PANEL
        );
        assert!(products.len() == m * range.len(), "{} products of {m} and {} rows", products.len(), range.len());
        assert!(m == 0 || dimension < 2 || x.strides()[1] == 1, "rows are not contiguous: strides {:?}", x.strides());
        if products.is_empty() {
            return;
        }
        let first = range.start * dimension;
        let panels = &self.panels[first..range.end.next_multiple_of(Self::PANEL) * dimension];
        T::row_products(simd_level(), RowProducts { x: x.reborrow(), panels, products });
    }
}
