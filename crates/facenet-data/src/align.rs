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
/// from, which are sampled as [`align`] does. A face each pixel of which is more than [`MAX_SIDE`] pixels of the picture is black.
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
    face.fill(0);
    if map.scale() > f64::from(MAX_SIDE) {
        return;
    }
    let positions = (map.scale() as usize).clamp(1, MOST_POSITIONS);
    // From the centre of a pixel to the first position within it, and from there to the next ones.
    let step = 1.0 / positions as f64;
    let first = 0.5 * step - 0.5;
    let along_row = {
        let [start, next] = [[0.0; 2], [step, 0.0]].map(|at| map.apply(at));
        [0, 1].map(|axis| fixed(next[axis] - start[axis]))
    };
    let share = 1.0 / (positions * positions) as f64 / (ONE * ONE) as f64;
    let mut sums = vec![[0_u64; 3]; width];
    for (row, pixels) in face.as_chunks_mut::<3>().0.chunks_exact_mut(width).enumerate() {
        sums.fill([0; 3]);
        for index in 0..positions {
            let start = map.apply([first, row as f64 + first + index as f64 * step]);
            if !start.iter().all(|at| at.abs() < FAR) {
                continue;
            }
            let mut at = start.map(fixed);
            for sum in &mut sums {
                for _ in 0..positions {
                    let levels = picture.at(at);
                    sum.iter_mut().zip(levels).for_each(|(sum, level)| *sum += level);
                    at = [0, 1].map(|axis| at[axis].saturating_add(along_row[axis]));
                }
            }
        }
        for (pixel, sums) in pixels.iter_mut().zip(&sums) {
            *pixel = sums.map(|sum| (sum as i64 as f64 * share + 0.5) as u8);
        }
    }
}

/// Positions have so many binary places, and those between two pixels so many.
const PLACES: u32 = 32;
const PLACES_BETWEEN: u32 = 20;
/// The whole way from one pixel to the next.
const ONE: u64 = 1 << PLACES_BETWEEN;
/// From so many pixels away no row of a face comes back to the picture: a face has fewer than 2^15 pixels along a side, and each is at
/// most [`MAX_SIDE`] pixels of the picture.
const FAR: f64 = (1_u64 << 30) as f64;

/// A position of less than 2^31 pixels, or a way. (What is more becomes the largest number, and what is none 0.)
fn fixed(at: f64) -> i64 {
    (at * (1_u64 << PLACES) as f64).round() as i64
}

/// A picture as rows of pixels.
struct Picture<'a> {
    pixels: &'a [[u8; 3]],
    height: usize,
    width: usize,
}

impl Picture<'_> {
    /// The levels at a [`fixed`] position, between pixels bilinear, black outside: as many times [`ONE`] squared.
    fn at(&self, [x, y]: [i64; 2]) -> [u64; 3] {
        let (left, upper) = ((x >> PLACES) as usize, (y >> PLACES) as usize);
        // Nearly all positions lie within the centres, where nothing is to be clamped. (Those before 0 are large numbers here.)
        if left < self.width.saturating_sub(1) && upper < self.height.saturating_sub(1) {
            let first = upper * self.width + left;
            if let (Some(above), Some(below)) =
                (self.pixels[first..].first_chunk(), self.pixels[first + self.width..].first_chunk())
            {
                return bilinear(above, below, [x, y].map(between));
            }
        }
        self.at_edge([x, y])
    }

    /// The same near the outermost centres or outside.
    #[cold]
    fn at_edge(&self, [x, y]: [i64; 2]) -> [u64; 3] {
        let half = 1 << (PLACES - 1);
        let [last_column, last_row] = [self.width, self.height].map(|side| (side as i64 - 1) << PLACES);
        if !(-half..last_column + half).contains(&x) || !(-half..last_row + half).contains(&y) {
            return [0; 3];
        }
        let [x, y] = [x.clamp(0, last_column), y.clamp(0, last_row)];
        let [left, upper] = [x, y].map(|at| (at >> PLACES) as usize);
        let (right, lower) = ((left + 1).min(self.width - 1), (upper + 1).min(self.height - 1));
        let [above, below] =
            [upper, lower].map(|row| [left, right].map(|column| self.pixels[row * self.width + column]));
        bilinear(&above, &below, [x, y].map(between))
    }
}

/// How far a position lies from the last centre that is not behind it, of [`ONE`].
fn between(at: i64) -> u64 {
    (at >> (PLACES - PLACES_BETWEEN)) as u64 % ONE
}

/// The levels between two pixels above and two below.
fn bilinear(above: &[[u8; 3]; 2], below: &[[u8; 3]; 2], [right, down]: [u64; 2]) -> [u64; 3] {
    let (left, up) = (ONE - right, ONE - down);
    let shares = [left * up, right * up, left * down, right * down];
    array::from_fn(|channel| {
        let levels = [above[0], above[1], below[0], below[1]].map(|pixel| u64::from(pixel[channel]));
        levels.iter().zip(shares).map(|(level, share)| level * share).sum()
    })
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

    #[test]
    fn what_lies_far_away_is_black() {
        let picture = Array3::from_elem((9, 9, 3), 255);
        for (shift, scale) in [(1e5, 1.0), (-1e12, 1.0), (1e300, 1.0), (0.0, 1e5), (-3e9, 1e9), (1e18, 1e18)] {
            let map = Similarity::nearest(&[[0.0, 0.0], [1.0, 0.0]], &[[shift; 2], [shift + scale, shift]]);
            if let Some(map) = map {
                assert!(warp(picture.view(), &map, [40, 40]).iter().all(|&level| level == 0), "{map:?}");
            }
        }
        // A row that comes from far away and goes far beyond.
        let map = Similarity::nearest(&[[0.0, 0.0], [1.0, 0.0]], &[[-160_000.0, 4.0], [-159_999.0, 4.0]]).unwrap();
        let face = warp(picture.view(), &map, [1, 170_000]);
        let lit = 160_000..160_009;
        assert!(face.iter().enumerate().all(|(index, &level)| (level == 255) == lit.contains(&(index / 3))));
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
