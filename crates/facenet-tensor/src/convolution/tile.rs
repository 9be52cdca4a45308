//! The register tiles of products. (Those of weight gradients are in `outer_products`.)
//!
//! A tile holds `ROWS` x `PANELS` x 16 sums in registers. Each sum runs over its terms in one fixed order with one
//! rounding per term, so tiles of any size on any level with fused multiply-add compute the same bits.

use super::lanes::{LANES, Lanes};

/// How many vectors ahead weights are asked for: where few pixels share them, the time to fetch them is all there is.
const AHEAD: usize = 24;

/// The sums of a tile.
pub(super) type Sums<L, const ROWS: usize, const PANELS: usize> = [[L; PANELS]; ROWS];

/// Rows of the largest tile on any level.
pub(super) const MOST_ROWS: usize = 9;

/// Calls a method that is compiled for each number of rows, of which a tile has nine at most.
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
pub(in crate::convolution) use for_rows;

/// Does something for each panel of a tile, of which there are three at most, with the panel's number as a constant: sums that a
/// variable picks would be kept in memory instead of registers.
macro_rules! for_panels {
    ($panels:expr, |$panel:ident| $body:block) => {
        const { assert!($panels <= 3) }
        $crate::convolution::tile::for_panels!($panels, |$panel| $body, 0, 1, 2)
    };
    ($panels:expr, |$panel:ident| $body:block, $($number:literal),*) => {
        $(if $number < $panels {
            const $panel: usize = $number;
            $body
        })*
    };
}
pub(in crate::convolution) use for_panels;

/// How many of the `left` panels go into the next tile. (Two tiles of two panels are better than one of three and one of one.)
#[inline(always)]
pub(super) fn panels_of_tile(left: usize, most: usize) -> usize {
    if left == 4 { most.min(2) } else { most.min(left) }
}

/// Adds products of input channels and weights to the sums of a tile, and asks for the rows that the `next` tile will read.
///
/// ```text
/// sums[r][p][j] += sum over c of rows[r][c] * weights[p * panel_stride + c * 16 + j]
/// ```
///
/// # Safety
/// Each row is readable for `channels` numbers, the weights at all indices above; and as [`Lanes`] asks.
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
        // SAFETY: the caller's contract covers every read; any address may be asked for.
        unsafe {
            if let Some(next) = next
                && c.is_multiple_of(LANES)
            {
                next.iter().for_each(|row| L::prefetch(row.wrapping_add(c)));
            }
            let mut b = [L::zero(); PANELS];
            for (p, b) in b.iter_mut().enumerate() {
                let weights = weights.add(p * panel_stride + c * LANES);
                L::prefetch(weights.wrapping_add(AHEAD * LANES));
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
