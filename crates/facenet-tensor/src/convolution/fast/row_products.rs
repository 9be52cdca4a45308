//! Dot products of rows with packed rows, tile by tile.
#![expect(unsafe_code, reason = "raw rows feed the register tiles")]

use crate::convolution::fast::partition::split;
use crate::convolution::fast::register_tile::{Sums, add_products, for_panels, for_rows, panels_of_next_tile};
use crate::convolution::kernels::RowProducts;
use crate::simd::dispatch::dispatch;
use crate::simd::lanes::{LANES, Lanes, SimdKernel};
use crate::simd::level::SimdLevel;

/// Computes all products.
pub(super) fn row_products(level: SimdLevel, operands: RowProducts<'_, f32>) {
    let RowProducts { x, panels, products } = operands;
    let (rows, dimension) = x.dim();
    let columns = products.len() / rows;
    if dimension == 0 {
        return products.fill(0.0);
    }
    assert!(rows > 0 && products.len() == rows * columns, "{} products of {rows} rows", products.len());
    assert!(dimension == 1 || x.strides()[1] == 1, "rows are not contiguous: strides {:?}", x.strides());
    assert_eq!(panels.len(), columns.div_ceil(LANES) * dimension * LANES, "elements of the panels");
    let kernel = Products {
        x: x.as_ptr(),
        stride: x.strides()[0],
        rows,
        dimension,
        panels: panels.as_ptr(),
        columns,
        products: products.as_mut_ptr(),
    };
    // SAFETY: the level was detected; `x` has `rows` rows of `dimension` contiguous elements at this
    // stride, which the caller has checked; the panels have a lane for every column, as asserted; and
    // `products` has `rows * columns` elements.
    unsafe { dispatch(level, kernel) }
}

#[derive(Clone, Copy)]
struct Products {
    x: *const f32,
    /// Between rows of `x`, in elements.
    stride: isize,
    rows: usize,
    dimension: usize,
    panels: *const f32,
    columns: usize,
    products: *mut f32,
}

impl SimdKernel for Products {
    type Output = ();

    /// A few panels stay in the L1 cache while all rows pass.
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let panels = self.columns.div_ceil(LANES);
        let [max_rows, max_panels] = L::TILE;
        let tiles = self.rows.div_ceil(max_rows);
        let mut panel = 0;
        while panel < panels {
            let width = panels_of_next_tile(panels - panel, max_panels);
            for tile in 0..tiles {
                // Tiles of nearly equal size: one of a single row would waste most of the registers.
                let rows = split(self.rows, tiles, tile);
                // SAFETY: the tile lies within the rows and panels.
                unsafe {
                    match width {
                        1 => for_rows!(rows.len(), self.one_panel::<L>(rows.start, panel)),
                        2 => for_rows!(rows.len(), self.two_panels::<L>(rows.start, panel)),
                        _ => for_rows!(rows.len(), self.three_panels::<L>(rows.start, panel)),
                    }
                }
            }
            panel += width;
        }
    }
}

impl Products {
    #[inline(always)]
    unsafe fn one_panel<L: Lanes, const ROWS: usize>(self, row: usize, panel: usize) {
        // SAFETY: as for `tile`.
        unsafe { self.tile::<L, ROWS, 1>(row, panel) }
    }

    #[inline(always)]
    unsafe fn two_panels<L: Lanes, const ROWS: usize>(self, row: usize, panel: usize) {
        // SAFETY: as for `tile`.
        unsafe { self.tile::<L, ROWS, 2>(row, panel) }
    }

    #[inline(always)]
    unsafe fn three_panels<L: Lanes, const ROWS: usize>(self, row: usize, panel: usize) {
        // SAFETY: as for `tile`.
        unsafe { self.tile::<L, ROWS, 3>(row, panel) }
    }

    /// # Safety
    /// All `ROWS` rows and `PANELS` panels exist, and the requirements of [`Lanes`] hold.
    #[inline(always)]
    unsafe fn tile<L: Lanes, const ROWS: usize, const PANELS: usize>(self, row: usize, panel: usize) {
        let panel_length = self.dimension * LANES;
        // SAFETY: guaranteed by the caller; the last panel is stored up to its last column.
        unsafe {
            let rows: [*const f32; ROWS] =
                std::array::from_fn(|index| self.x.offset((row + index) as isize * self.stride));
            let sums: Sums<L, ROWS, PANELS> = [[L::zero(); PANELS]; ROWS];
            let panels = self.panels.add(panel * panel_length);
            let sums = add_products(rows, self.dimension, panels, panel_length, None, sums);
            for (r, sums) in sums.into_iter().enumerate() {
                let target = self.products.add((row + r) * self.columns);
                for_panels!(PANELS, |P| {
                    let column = (panel + P) * LANES;
                    sums[P].store_first(target.add(column), LANES.min(self.columns - column));
                });
            }
        }
    }
}
