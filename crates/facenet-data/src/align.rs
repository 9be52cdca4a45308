//! From a picture and the landmarks of a face to the face in the place where a network expects it.

use std::array;

use ndarray::{Array3, ArrayView3};

use crate::{Landmarks, MAX_SIDE, Similarity};

/// The most positions along each axis that one pixel of a face is the mean of.
const MOST_POSITIONS: usize = 32;

/// Turns, scales and shifts a picture so that its landmarks come as near as they can to those of a template, and cuts out
/// a face of `size` `[height, width]`.
///
/// The map is the [`Similarity`] from landmarks to template that is nearest in least squares. A pixel is sampled
/// bilinearly at the position that its centre comes from. Where a face is shrunk to a half or less, it is the mean of
/// `s x s` such samples, evenly spread over it, `s` being the picture's pixels per pixel of the face, rounded down, and
/// at most 32. Outside the picture all is black; up to half a pixel beyond the outermost centres, where the outermost
/// pixels end, they are repeated.
///
/// `None` if the landmarks do not span a face: they lie within 2 pixels, or have so little in common with the template that one
/// pixel of the face would be more than [`MAX_SIDE`] pixels of the picture.
///
/// # Shapes
/// `picture` is `[height, width, 3]`; the result is `[size[0], size[1], 3]`.
///
/// # Panics
/// If the size holds a 0, or the picture does not have three channels in standard layout.
#[must_use]
#[track_caller]
pub fn align(
    picture: ArrayView3<'_, u8>,
    landmarks: &Landmarks,
    template: &Landmarks,
    size: [usize; 2],
) -> Option<Array3<u8>> {
    Some(warp(picture, &source_of(landmarks, template)?, size))
}

/// Cuts a face of `size` `[height, width]` out of a picture: `map` tells where in the picture the pixels of the face come
/// from, which are sampled as [`align`] does.
///
/// # Shapes
/// `picture` is `[height, width, 3]`; the result is `[size[0], size[1], 3]`.
///
/// # Panics
/// If the size holds a 0, or the picture does not have three channels in standard layout.
#[must_use]
#[track_caller]
pub fn warp(picture: ArrayView3<'_, u8>, map: &Similarity, size: [usize; 2]) -> Array3<u8> {
    let mut face = Array3::zeros((size[0], size[1], 3));
    sample(picture, map, size, face.as_slice_mut().expect("a new array is contiguous"));
    face
}

/// Landmarks nearer together, in pixels, are none of a face: such are those given as shares of the picture's sides.
const LEAST_SPAN: f64 = 2.0;

/// From positions in the face to those in the picture.
pub(crate) fn source_of(landmarks: &Landmarks, template: &Landmarks) -> Option<Similarity> {
    let across = |axis: usize| {
        let values = landmarks.points().map(|point| point[axis]);
        values.iter().copied().fold(f64::MIN, f64::max) - values.iter().copied().fold(f64::MAX, f64::min)
    };
    if across(0).max(across(1)) < LEAST_SPAN {
        return None;
    }
    let map = Similarity::nearest(&landmarks.points(), &template.points())?.inverse()?;
    (map.scale() <= f64::from(MAX_SIDE)).then_some(map)
}

/// Samples a picture at the positions that a map gives for the pixels of a face.
#[track_caller]
pub(crate) fn sample(picture: ArrayView3<'_, u8>, map: &Similarity, [height, width]: [usize; 2], face: &mut [u8]) {
    assert!(height > 0 && width > 0, "a face needs a height and a width of at least 1, not {height} x {width}");
    assert_eq!(picture.dim().2, 3, "a picture has three channels: {:?}", picture.dim());
    let picture = Picture {
        pixels: picture.to_slice().expect("a picture is in standard layout").as_chunks().0,
        height: picture.dim().0,
        width: picture.dim().1,
    };
    let positions = (map.scale() as usize).clamp(1, MOST_POSITIONS);
    // From the centre of a pixel to the positions within it.
    let offsets: Vec<f64> = (0..positions).map(|index| (index as f64 + 0.5) / positions as f64 - 0.5).collect();
    let share = 1.0 / (positions * positions) as f32;
    for (row, pixels) in face.as_chunks_mut::<3>().0.chunks_exact_mut(width).enumerate() {
        for (column, pixel) in pixels.iter_mut().enumerate() {
            let mut sum = [0.0; 4];
            for down in &offsets {
                for right in &offsets {
                    let levels = picture.at(map.apply([column as f64 + right, row as f64 + down]));
                    sum.iter_mut().zip(levels).for_each(|(sum, level)| *sum += level);
                }
            }
            for (level, sum) in pixel.iter_mut().zip(sum) {
                *level = (sum * share + 0.5) as u8;
            }
        }
    }
}

/// A picture as rows of pixels.
struct Picture<'a> {
    pixels: &'a [[u8; 3]],
    height: usize,
    width: usize,
}

impl Picture<'_> {
    /// The levels at a position as [`four`] numbers, between pixels bilinear, black outside.
    fn at(&self, [x, y]: [f64; 2]) -> [f32; 4] {
        let (last_column, last_row) = (self.width as f64 - 1.0, self.height as f64 - 1.0);
        // Nearly all positions lie within the centres, where nothing is to be clamped.
        if x >= 0.0 && x < last_column && y >= 0.0 && y < last_row {
            let ((left, fx), (upper, fy)) = (before(x), before(y));
            let first = upper * self.width + left;
            return bilinear(&self.pixels[first..][..2], &self.pixels[first + self.width..][..2], fx, fy);
        }
        self.at_edge([x, y])
    }

    /// The same near the outermost centres or outside.
    #[cold]
    fn at_edge(&self, [x, y]: [f64; 2]) -> [f32; 4] {
        let (last_column, last_row) = (self.width as f64 - 1.0, self.height as f64 - 1.0);
        if !(-0.5..last_column + 0.5).contains(&x) || !(-0.5..last_row + 0.5).contains(&y) {
            return [0.0; 4];
        }
        let ((left, fx), (upper, fy)) = (before(x.clamp(0.0, last_column)), before(y.clamp(0.0, last_row)));
        let (right, lower) = ((left + 1).min(self.width - 1), (upper + 1).min(self.height - 1));
        let [above, below] =
            [upper, lower].map(|row| [left, right].map(|column| self.pixels[row * self.width + column]));
        bilinear(&above, &below, fx, fy)
    }
}

/// The levels of a pixel and a 0: so many numbers fit a vector register, and are computed with at once.
fn four(&[red, green, blue]: &[u8; 3]) -> [f32; 4] {
    [f32::from(red), f32::from(green), f32::from(blue), 0.0]
}

/// From one pixel to another by a part of the way.
fn between(from: [f32; 4], to: [f32; 4], part: f32) -> [f32; 4] {
    array::from_fn(|channel| from[channel] + (to[channel] - from[channel]) * part)
}

/// The last centre that is not behind a position, and how far it is from there.
fn before(at: f64) -> (usize, f32) {
    // No side reaches 2^31, and no other conversion is as cheap.
    let before = at as i32;
    (before as usize, (at - f64::from(before)) as f32)
}

/// The levels between two pixels above and two below.
fn bilinear(above: &[[u8; 3]], below: &[[u8; 3]], fx: f32, fy: f32) -> [f32; 4] {
    let above = between(four(&above[0]), four(&above[1]), fx);
    let below = between(four(&below[0]), four(&below[1]), fx);
    between(above, below, fy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition: the mean of bilinear samples in f64.
    fn naive(picture: &Array3<u8>, map: &Similarity, positions: usize, [row, column, channel]: [usize; 3]) -> f64 {
        let (height, width, _) = picture.dim();
        let level = |row: f64, column: f64| {
            let (row, column) = (row.clamp(0.0, height as f64 - 1.0), column.clamp(0.0, width as f64 - 1.0));
            f64::from(picture[[row as usize, column as usize, channel]])
        };
        let mut sum = 0.0;
        for index in 0..positions * positions {
            let [down, right] = [index / positions, index % positions]
                .map(|index| (2 * index + 1) as f64 / (2 * positions) as f64 - 0.5);
            let [x, y] = map.apply([column as f64 + right, row as f64 + down]);
            if x < -0.5 || y < -0.5 || x >= width as f64 - 0.5 || y >= height as f64 - 0.5 {
                continue;
            }
            let (left, upper) = (x.floor(), y.floor());
            let (fx, fy) = (x - left, y - upper);
            sum += (1.0 - fy) * ((1.0 - fx) * level(upper, left) + fx * level(upper, left + 1.0))
                + fy * ((1.0 - fx) * level(upper + 1.0, left) + fx * level(upper + 1.0, left + 1.0));
        }
        sum / (positions * positions) as f64
    }

    proptest! {
        #[test]
        fn agrees_with_sampling_in_f64(
            sides in prop::array::uniform2(1..40_usize),
            size in prop::array::uniform2(1..12_usize),
            scale in 0.1..5.0,
            degrees in -180.0..180.0_f64,
            shift in prop::array::uniform2(-10.0..30.0),
            seed: u64,
        ) {
            let mut state = seed;
            let picture = Array3::from_shape_simple_fn((sides[0], sides[1], 3), || {
                state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                (state >> 56) as u8
            });
            let (sin, cos) = degrees.to_radians().sin_cos();
            let corner = [shift[0] + scale * cos, shift[1] + scale * sin];
            let map = Similarity::nearest(&[[0.0, 0.0], [1.0, 0.0]], &[shift, corner]).expect("two points apart");
            let mut face = Array3::zeros((size[0], size[1], 3));
            sample(picture.view(), &map, size, face.as_slice_mut().expect("contiguous"));
            let positions = if scale < 2.0 { 1 } else { map.scale().floor() as usize };
            for ((row, column, channel), &level) in face.indexed_iter() {
                let expected = naive(&picture, &map, positions, [row, column, channel]);
                // Half a level for rounding, and what f32 leaves.
                prop_assert!((f64::from(level) - expected).abs() < 0.501, "{level} for {expected} at {row}, {column}");
            }
        }
    }
}
