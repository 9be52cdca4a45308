//! Tiles of images and their two-dimensional transforms.
#![expect(unsafe_code, reason = "raw rows of images feed the transforms")]

use crate::convolution::fast::raw_image::RawImage;
use crate::simd::lanes::{LANES, Lanes};

/// Elements of transformed inputs per task: one mebibyte, which fits in the L2 cache of most
/// processors.
const TRANSFORMED_ELEMENTS: usize = 1 << 18;
/// The fewest and the most tiles per task.
const TILES_PER_TASK: [usize; 2] = [9, 72];

/// The grid of tiles that covers the outputs of an image.
#[derive(Clone, Copy)]
pub(super) struct Grid {
    /// Rows and columns of tiles.
    shape: [usize; 2],
    /// Outputs per tile in each direction.
    outputs: usize,
}

impl Grid {
    pub fn new([_, height, width, _]: [usize; 4], outputs: usize) -> Self {
        Self { shape: [height.div_ceil(outputs), width.div_ceil(outputs)], outputs }
    }

    /// Tiles per image.
    pub fn tiles(self) -> usize {
        self.shape[0] * self.shape[1]
    }

    /// The image of a tile, and the row and column of its first output.
    #[inline(always)]
    pub fn corner(self, tile: usize) -> (usize, [usize; 2]) {
        let (image, tile) = (tile / self.tiles(), tile % self.tiles());
        (image, [tile / self.shape[1] * self.outputs, tile % self.shape[1] * self.outputs])
    }
}

/// Tiles per task, so that `elements` elements of each tile and point stay in cache.
pub(super) fn tiles_per_task(points: usize, elements: usize) -> usize {
    let [min, max] = TILES_PER_TASK;
    (TRANSFORMED_ELEMENTS / (points * elements) / min * min).clamp(min, max)
}

/// The pixels of a square, `zeros` where it is outside the image. `corner` is its upper left corner
/// in the padded image.
#[inline(always)]
pub(super) fn pixels<const SIZE: usize>(
    source: &RawImage<*const f32>,
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

/// Transforms both dimensions of a tile, 16 channels at a time; points are `stride` elements apart
/// in the target.
///
/// # Safety
/// Each pixel is readable for `channels` elements, `target` is writable for all points and
/// channels, padded to whole vectors, and the requirements of [`Lanes`] hold.
#[inline(always)]
pub(super) unsafe fn transform<L: Lanes, const FROM: usize, const TO: usize>(
    pixels: &[[*const f32; FROM]; FROM],
    channels: usize,
    target: *mut f32,
    stride: usize,
    transform: impl Fn([L; FROM]) -> [L; TO],
) {
    for first in (0..channels).step_by(LANES) {
        let count = LANES.min(channels - first);
        // SAFETY: guaranteed by the caller.
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
