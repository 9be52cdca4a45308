//! The register tile of matrix products. (Weight gradients have their own, in `outer_products`.)
//!
//! A tile keeps `ROWS` x `PANELS` x 16 sums in registers. Each sum adds its terms in one fixed
//! order with one rounding per term, so tiles of any size compute the same bits on all levels with
//! fused multiply-add.

use crate::simd::lanes::{LANES, Lanes};

/// How many vectors ahead weights are prefetched. Where few pixels share them, fetching them takes
/// all the time.
const PREFETCH_DISTANCE: usize = 24;

/// The sums of a tile.
pub(super) type Sums<L, const ROWS: usize, const PANELS: usize> = [[L; PANELS]; ROWS];

/// Rows of the largest tile on any level.
pub(super) const MAX_TILE_ROWS: usize = 9;

/// Calls a method that is compiled once per number of rows; a tile has at most nine.
macro_rules! for_rows {
    ($rows:expr, $self:ident.$method:ident::<$lanes:ident $(, $panels:ident)?>($($argument:expr),*)) => {
        match $rows {
            1 => $self.$method::<$lanes, 1 $(, $panels)?>($($argument),*),
            2 => $self.$method::<$lanes, 2 $(, $panels)?>($($argument),*),
            3 => $self.$method::<$lanes, 3 $(, $panels)?>($($argument),*),
            4 => $self.$method::<$lanes, 4 $(, $panels)?>($($argument),*),
            5 => $self.$method::<$lanes, 5 $(, $panels)?>($($argument),*),
            6 => $self.$method::<$lanes, 6 $(, $panels)?>($($argument),*),
            7 => $self.$method::<$lanes, 7 $(, $panels)?>($($argument),*),
            8 => $self.$method::<$lanes, 8 $(, $panels)?>($($argument),*),
            9 => $self.$method::<$lanes, 9 $(, $panels)?>($($argument),*),
            rows => unreachable!("a tile of {rows} rows"),
        }
    };
}
pub(in crate::convolution::fast) use for_rows;

/// Unrolls a loop over the panels of a tile, of which there are at most three. The index is a
/// constant: sums indexed by a variable would be kept in memory instead of registers.
macro_rules! for_panels {
    ($panels:expr, |$panel:ident| $body:block) => {
        const { assert!($panels <= 3) }
        $crate::convolution::fast::register_tile::for_panels!($panels, |$panel| $body, 0, 1, 2)
    };
    ($panels:expr, |$panel:ident| $body:block, $($index:literal),*) => {
        $(if $index < $panels {
            const $panel: usize = $index;
            $body
        })*
    };
}
pub(in crate::convolution::fast) use for_panels;

/// How many of the remaining `left` panels go into the next tile. (Two tiles of two panels are
/// faster than one of three and one of one.)
#[inline(always)]
pub(super) fn panels_of_next_tile(left: usize, max: usize) -> usize {
    if left == 4 { max.min(2) } else { max.min(left) }
}

/// Adds products of input channels and weights to the sums of a tile, and prefetches the rows of
/// the `next` tile.
///
/// ```text
/// sums[r][p][j] += sum over c of rows[r][c] * weights[p * panel_stride + c * 16 + j]
/// ```
///
/// # Safety
/// Each row is readable for `channels` elements, the weights at all indices above, and the
/// requirements of [`Lanes`] hold.
#[inline(always)]
#[expect(unsafe_code, reason = "the inner loop of all convolutions: no bounds checks")]
pub(super) unsafe fn add_products<L: Lanes, const ROWS: usize, const PANELS: usize>(
    rows: [*const f32; ROWS],
    channels: usize,
    weights: *const f32,
    panel_stride: usize,
    next: Option<[*const f32; ROWS]>,
    mut sums: Sums<L, ROWS, PANELS>,
) -> Sums<L, ROWS, PANELS> {
    for c in 0..channels {
        // SAFETY: the caller guarantees that every read is valid; any address may be prefetched.
        unsafe {
            if let Some(next) = next
                && c.is_multiple_of(LANES)
            {
                next.iter().for_each(|row| L::prefetch(row.wrapping_add(c)));
            }
            let mut b = [L::zero(); PANELS];
            for (p, b) in b.iter_mut().enumerate() {
                let weights = weights.add(p * panel_stride + c * LANES);
                L::prefetch(weights.wrapping_add(PREFETCH_DISTANCE * LANES));
                *b = L::load(weights);
            }
            for r in 0..ROWS {
                let a = *rows[r].add(c);
                for p in 0..PANELS {
                    sums[r][p] = sums[r][p].multiply_add(a, b[p]);
                }
            }
        }
    }
    sums
}
