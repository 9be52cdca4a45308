//! 3x3 convolutions at stride 1 with fewer products, by minimal filtering.
//!
//! After Winograd (1980) and Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016): the outputs of a tile
//! are computed at as many points of a polynomial product as the tile has inputs. Inputs and weights are transformed, then
//! multiplied point by point, channels summed, and the sums transformed back:
//!
//! ```text
//! y = A^T [ sum over channels of (G w G^T) * (B^T x B) ] A
//! ```
//!
//! F(4x4) takes 36 products for 16 outputs where the direct sum takes 144; F(2x2) 16 for 4 instead of 36, with rounding
//! errors nearly as small as the direct sum's. A task transforms some tiles, multiplies them with one matrix of weights per
//! point, by the same register tiles as all products, and transforms back; all it touches stays in the second-level cache.
//! The gradient at the weights is the same product seen from its other side:
//!
//! ```text
//! dweight = G^T [ sum over tiles of (B^T x B) * (A dy A^T) ] G
//! ```
#![expect(unsafe_code, reason = "raw rows of images feed the transforms and register tiles")]

mod forward;
mod weight_gradient;

use std::ops::Range;

use ndarray::{ArrayView4, ArrayViewMut4};
use rayon::prelude::*;

use self::forward::Job;
use super::image::Image;
use super::lanes::{LANES, Lanes};
use super::write::Output;
use crate::simd::{Level, vectorize};
use crate::{Accumulation, Scratch, Window};

/// Numbers of transformed inputs per task: one mebibyte, which the second-level cache of most processors holds.
const TRANSFORMED: usize = 1 << 18;
/// Fewest and most tiles per task.
const TILES: [usize; 2] = [9, 72];

/// Transforms of one dimension: `OUTPUTS` outputs from `POINTS` inputs.
pub(super) trait Form<const POINTS: usize, const OUTPUTS: usize> {
    /// `B^T x`.
    unsafe fn input<L: Lanes>(x: [L; POINTS]) -> [L; POINTS];
    /// `A^T m`.
    unsafe fn output<L: Lanes>(m: [L; POINTS]) -> [L; OUTPUTS];
    /// `G w`.
    fn weight(w: [f32; 3]) -> [f32; POINTS];
}

/// The transforms of the gradient at the weights, where outputs and weights change places.
pub(super) trait GradientForm<const POINTS: usize, const OUTPUTS: usize>: Form<POINTS, OUTPUTS> {
    /// `A dy`.
    unsafe fn output_gradient<L: Lanes>(dy: [L; OUTPUTS]) -> [L; POINTS];
    /// `G^T u`.
    fn weight_gradient(u: [f32; POINTS]) -> [f32; 3];
}

/// Points 0, 1, -1 and infinity.
pub(super) struct F2;

impl Form<4, 2> for F2 {
    #[inline(always)]
    unsafe fn input<L: Lanes>(x: [L; 4]) -> [L; 4] {
        // SAFETY: the caller's.
        unsafe { [x[0].subtract(x[2]), x[1].add(x[2]), x[2].subtract(x[1]), x[1].subtract(x[3])] }
    }

    #[inline(always)]
    unsafe fn output<L: Lanes>(m: [L; 4]) -> [L; 2] {
        // SAFETY: the caller's.
        unsafe { [m[0].add(m[1]).add(m[2]), m[1].subtract(m[2]).subtract(m[3])] }
    }

    #[inline(always)]
    fn weight(w: [f32; 3]) -> [f32; 4] {
        let (even, odd) = (0.5 * (w[0] + w[2]), 0.5 * w[1]);
        [w[0], even + odd, even - odd, w[2]]
    }
}

impl GradientForm<4, 2> for F2 {
    #[inline(always)]
    unsafe fn output_gradient<L: Lanes>(dy: [L; 2]) -> [L; 4] {
        // SAFETY: the caller's.
        unsafe { [dy[0], dy[0].add(dy[1]), dy[0].subtract(dy[1]), L::zero().subtract(dy[1])] }
    }

    #[inline(always)]
    fn weight_gradient(u: [f32; 4]) -> [f32; 3] {
        let (even, odd) = (0.5 * (u[1] + u[2]), 0.5 * (u[1] - u[2]));
        [u[0] + even, odd, even + u[3]]
    }
}

/// Points 0, a, -a, b, -b and infinity, with a = sqrt(1/2) and b = sqrt(2): their errors are a third of those of 1 and 2.
pub(super) struct F4;

const A: f32 = std::f32::consts::FRAC_1_SQRT_2;
const B: f32 = std::f32::consts::SQRT_2;

impl Form<6, 4> for F4 {
    #[inline(always)]
    unsafe fn input<L: Lanes>(x: [L; 6]) -> [L; 6] {
        // SAFETY: the caller's.
        unsafe {
            let (even_a, odd_a) = (x[4].multiply_add(-2.0, x[2]), x[3].multiply_add(-2.0, x[1]));
            let (even_b, odd_b) = (x[4].multiply_add(-0.5, x[2]), x[3].multiply_add(-0.5, x[1]));
            [
                x[4].add(x[0]).multiply_add(-2.5, x[2]),
                even_a.multiply_add(A, odd_a),
                even_a.multiply_add(-A, odd_a),
                even_b.multiply_add(B, odd_b),
                even_b.multiply_add(-B, odd_b),
                x[5].add(x[1]).multiply_add(-2.5, x[3]),
            ]
        }
    }

    #[inline(always)]
    unsafe fn output<L: Lanes>(m: [L; 6]) -> [L; 4] {
        // SAFETY: the caller's.
        unsafe {
            let (even_a, odd_a) = (m[1].add(m[2]), m[1].subtract(m[2]));
            let (even_b, odd_b) = (m[3].add(m[4]), m[3].subtract(m[4]));
            [
                m[0].add(even_a).add(even_b),
                L::zero().multiply_add(A, odd_a).multiply_add(B, odd_b),
                L::zero().multiply_add(0.5, even_a).multiply_add(2.0, even_b),
                m[5].multiply_add(0.5 * A, odd_a).multiply_add(2.0 * B, odd_b),
            ]
        }
    }

    #[inline(always)]
    fn weight(w: [f32; 3]) -> [f32; 6] {
        let (even_a, odd_a) = ((w[0] + 0.5 * w[2]) / -1.5, A * w[1] / -1.5);
        let (even_b, odd_b) = ((w[0] + 2.0 * w[2]) / 6.0, B * w[1] / 6.0);
        [w[0], even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, w[2]]
    }
}

/// Which tiles a convolution is computed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tiling {
    /// For training.
    TwoByTwo,
    /// For inference: its rounding errors are some three times larger.
    FourByFour,
}

impl Tiling {
    /// Of inference, where tiles win: small maps would be padded to whole tiles, and read more weights for few pixels.
    pub fn of_inference(window: Window, channels: [usize; 2], output: [usize; 2]) -> Option<Self> {
        let tiling = if output.iter().all(|&size| size > 8) { Self::FourByFour } else { Self::TwoByTwo };
        Self::wins(window, channels, output).then_some(tiling)
    }

    /// Whether tiles take less time than the direct sum. It depends on shapes only, and not on the number of images: an image has
    /// the same outputs in any company.
    pub fn wins(window: Window, channels: [usize; 2], output: [usize; 2]) -> bool {
        // With fewer channels the transforms outweigh what they save; small maps leave tiles half empty, and their weights, of
        // which there are more than before, are read for few pixels.
        window.kernel == [3, 3]
            && window.stride == [1, 1]
            && window.padding.iter().all(|&padding| padding <= 2)
            && channels.iter().all(|&channels| channels >= 16)
            && output.iter().all(|&size| size >= 6)
    }

    fn points(self) -> usize {
        match self {
            Self::TwoByTwo => 16,
            Self::FourByFour => 36,
        }
    }

    /// The length of packed weights.
    pub fn packed_length(self, [inputs, outputs]: [usize; 2]) -> usize {
        outputs.div_ceil(LANES) * self.points() * inputs * LANES + inputs
    }

    /// Transforms and packs `weight [3][3][inputs][outputs]` for [`Tiling::forward`].
    pub fn pack(self, weight: &ArrayView4<'_, f32>, packed: &mut [f32]) {
        let (_, _, inputs, outputs) = weight.dim();
        let values = weight.to_slice().expect("asserted: weights lie in standard layout");
        self.pack_taps([inputs, outputs], packed, |tap, input, lanes, numbers| {
            let row = &values[(tap * inputs + input) * outputs..][lanes];
            numbers[..row.len()].copy_from_slice(row);
        });
    }

    /// Packs as `[outputs / 16][point][input][16]`, the last panel filled up with zeros, and a row of zeros as long as a row of
    /// inputs. `weight(tap, input, lanes of outputs, numbers)` gives sixteen weights or the first of them.
    fn pack_taps(
        self,
        channels: [usize; 2],
        packed: &mut [f32],
        weight: impl Fn(usize, usize, Range<usize>, &mut [f32; LANES]) + Sync,
    ) {
        match self {
            Self::TwoByTwo => pack::<F2, 4, 2>(channels, packed, weight),
            Self::FourByFour => pack::<F4, 6, 4>(channels, packed, weight),
        }
    }

    /// Convolves with packed weights.
    pub fn forward(
        self,
        level: Level,
        x: ArrayView4<'_, f32>,
        packed: &[f32],
        padding: [usize; 2],
        output: Output<'_>,
    ) {
        let source = Image::new(&x);
        let (packed, zeros) = packed.split_at(packed.len() - source.shape[3]);
        let job = Job { source, output, padding, packed, zeros };
        match self {
            Self::TwoByTwo => forward::run::<F2, 4, 2>(level, &job),
            Self::FourByFour => forward::run::<F4, 6, 4>(level, &job),
        }
    }
}

/// The gradient at the input: the convolution of `dy` with the kernel turned around, inputs and outputs exchanged.
pub(super) fn backward_input(
    level: Level,
    dy: ArrayView4<'_, f32>,
    weight: &ArrayView4<'_, f32>,
    window: Window,
    accumulation: Accumulation,
    mut dx: ArrayViewMut4<'_, f32>,
    scratch: &mut Scratch<f32>,
) {
    let (_, _, inputs, outputs) = weight.dim();
    let values = weight.to_slice().expect("asserted: weights lie in standard layout");
    let packed = scratch.take(Tiling::TwoByTwo.packed_length([outputs, inputs]));
    Tiling::TwoByTwo.pack_taps([outputs, inputs], packed, |tap, output, lanes, numbers| {
        let rows = values[(8 - tap) * inputs * outputs..].chunks_exact(outputs).skip(lanes.start).take(lanes.len());
        for (number, row) in numbers.iter_mut().zip(rows) {
            *number = row[output];
        }
    });
    let padding = window.padding.map(|padding| 2 - padding);
    let output = Output { image: Image::new_mut(&mut dx), write: accumulation.into() };
    Tiling::TwoByTwo.forward(level, dy, packed, padding, output);
}

/// Adds the gradient at the weights.
pub(super) fn backward_weight(
    level: Level,
    x: ArrayView4<'_, f32>,
    dy: ArrayView4<'_, f32>,
    window: Window,
    mut dweight: ArrayViewMut4<'_, f32>,
    scratch: &mut Scratch<f32>,
) {
    let job = weight_gradient::Job { x: Image::new(&x), dy: Image::new(&dy), padding: window.padding };
    let result = dweight.as_slice_mut().expect("asserted: weights lie in standard layout");
    weight_gradient::run::<F2, 4, 2>(level, &job, result, scratch);
}

fn pack<F: Form<POINTS, OUTPUTS>, const POINTS: usize, const OUTPUTS: usize>(
    [inputs, outputs]: [usize; 2],
    packed: &mut [f32],
    weight: impl Fn(usize, usize, Range<usize>, &mut [f32; LANES]) + Sync,
) {
    let panel_length = POINTS * POINTS * inputs * LANES;
    let (panels, zeros) = packed.split_at_mut(outputs.div_ceil(LANES) * panel_length);
    zeros.fill(0.0);
    panels.par_chunks_exact_mut(panel_length.max(1)).enumerate().for_each(|(panel, packed)| {
        let lanes = panel * LANES..outputs.min((panel + 1) * LANES);
        vectorize(
            #[inline(always)]
            || {
                let mut taps = [[0.0; LANES]; 9];
                for input in 0..inputs {
                    for (tap, numbers) in taps.iter_mut().enumerate() {
                        weight(tap, input, lanes.clone(), numbers);
                    }
                    let half: [[[f32; LANES]; POINTS]; 3] =
                        std::array::from_fn(|column| each_lane([0, 1, 2].map(|row| taps[row * 3 + column]), F::weight));
                    for row in 0..POINTS {
                        let points = each_lane([0, 1, 2].map(|column| half[column][row]), F::weight);
                        for (column, numbers) in points.into_iter().enumerate() {
                            packed[((row * POINTS + column) * inputs + input) * LANES..][..LANES]
                                .copy_from_slice(&numbers);
                        }
                    }
                }
            },
        );
    });
}

/// A transform of one dimension, lane by lane.
#[inline(always)]
fn each_lane<const FROM: usize, const TO: usize>(
    numbers: [[f32; LANES]; FROM],
    transform: impl Fn([f32; FROM]) -> [f32; TO],
) -> [[f32; LANES]; TO] {
    let mut transformed = [[0.0; LANES]; TO];
    for lane in 0..LANES {
        for (numbers, value) in transformed.iter_mut().zip(transform(std::array::from_fn(|at| numbers[at][lane]))) {
            numbers[lane] = value;
        }
    }
    transformed
}

/// Where the outputs of an image are divided into tiles.
#[derive(Clone, Copy)]
struct Grid {
    /// Rows and columns of tiles.
    shape: [usize; 2],
    /// Outputs of a tile in each direction.
    outputs: usize,
}

impl Grid {
    fn new([_, height, width, _]: [usize; 4], outputs: usize) -> Self {
        Self { shape: [height.div_ceil(outputs), width.div_ceil(outputs)], outputs }
    }

    /// Tiles of an image.
    fn tiles(self) -> usize {
        self.shape[0] * self.shape[1]
    }

    /// The image of a tile, and the row and column of its first output.
    #[inline(always)]
    fn corner(self, tile: usize) -> (usize, [usize; 2]) {
        let (image, tile) = (tile / self.tiles(), tile % self.tiles());
        (image, [tile / self.shape[1] * self.outputs, tile % self.shape[1] * self.outputs])
    }
}

/// Tiles per task, so that so many numbers of each at all points stay in the cache.
fn tiles_per_task(points: usize, numbers: usize) -> usize {
    let [fewest, most] = TILES;
    (TRANSFORMED / (points * numbers) / fewest * fewest).clamp(fewest, most)
}

/// The pixels of a square from `corner` on, `zeros` where it lies outside of the image. The corner is given from as far above and to
/// the left as the padding says.
#[inline(always)]
fn pixels<const SIZE: usize>(
    source: &Image<*const f32>,
    image: usize,
    corner: [usize; 2],
    padding: [usize; 2],
    zeros: *const f32,
) -> [[*const f32; SIZE]; SIZE] {
    let mut pixels = [[zeros; SIZE]; SIZE];
    for (i, pixels) in pixels.iter_mut().enumerate() {
        let row = (corner[0] + i).wrapping_sub(padding[0]);
        for (j, pixel) in pixels.iter_mut().enumerate() {
            let column = (corner[1] + j).wrapping_sub(padding[1]);
            if row < source.shape[1] && column < source.shape[2] {
                // SAFETY: the pixel is inside the image.
                *pixel = unsafe { source.pointer.offset(source.offset(image, row, column)) };
            }
        }
    }
    pixels
}

/// A transform of both dimensions of a tile, sixteen channels at a time, with a `stride` from one point to the next.
///
/// # Safety
/// Each pixel is readable for `channels` numbers, `target` writable for all points and channels, these filled up to
/// sixteen; and as [`Lanes`] asks.
#[inline(always)]
unsafe fn transform<L: Lanes, const FROM: usize, const TO: usize>(
    pixels: &[[*const f32; FROM]; FROM],
    channels: usize,
    target: *mut f32,
    stride: usize,
    transform: impl Fn([L; FROM]) -> [L; TO],
) {
    for first in (0..channels).step_by(LANES) {
        let count = LANES.min(channels - first);
        // SAFETY: the caller's.
        unsafe {
            let mut half = [[L::zero(); FROM]; TO];
            for column in 0..FROM {
                let mut x = [L::zero(); FROM];
                for (row, x) in x.iter_mut().enumerate() {
                    *x = L::load_first(pixels[row][column].add(first), count);
                }
                for (half, x) in half.iter_mut().zip(transform(x)) {
                    half[column] = x;
                }
            }
            for (row, &half) in half.iter().enumerate() {
                for (column, x) in transform(half).into_iter().enumerate() {
                    x.store(target.add((row * TO + column) * stride + first));
                }
            }
        }
    }
}
