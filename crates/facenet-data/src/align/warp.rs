//! Aligning a face: warping an image so that landmarks land where a network expects them.

use std::array;

use ndarray::{Array3, ArrayView3};

use crate::align::landmarks::Landmarks;
use crate::align::similarity_transform::SimilarityTransform;

/// The most image pixels that one face pixel may be wide.
const MAX_SCALE: f64 = 16_384.0;

/// The most samples per axis that are averaged for one pixel of a face.
const MAX_SAMPLES_PER_AXIS: usize = 32;

/// Aligns a face: warps the image so that its landmarks match a template, and cuts out a face of
/// `size` `[height, width]`.
///
/// The warp is the [`SimilarityTransform`] from landmarks to template with the least squared error.
/// Each pixel is sampled bilinearly at the image position that its center maps to. Where the face
/// is reduced to half its size or less, a pixel is the mean of `s x s` samples spread evenly over
/// it, `s` being the number of image pixels per face pixel, rounded down, at most 32. Outside the
/// image all is black; the edge pixels extend half a pixel beyond their centers.
///
/// Returns `None` for degenerate landmarks: they span less than 2 pixels, or match the template so
/// badly that one face pixel would be more than 16,384 image pixels wide.
///
/// # Shapes
/// `image` is `[height, width, 3]`; the result is `[size[0], size[1], 3]`.
///
/// # Panics
/// If `size` contains a 0, or the image does not have three channels in standard layout.
#[must_use]
#[track_caller]
pub fn align(
    image: ArrayView3<'_, u8>,
    landmarks: &Landmarks,
    template: &Landmarks,
    size: [usize; 2],
) -> Option<Array3<u8>> {
    Some(warp(image, &face_to_image(landmarks, template)?, size))
}

/// Cuts a face of `size` `[height, width]` out of an image. `map` takes positions in the face to
/// positions in the image, which is sampled as in [`align`]. If one face pixel is more than
/// 16,384 image pixels wide, the face is black.
///
/// # Shapes
/// `image` is `[height, width, 3]`; the result is `[size[0], size[1], 3]`.
///
/// # Panics
/// If `size` contains a 0, or the image does not have three channels in standard layout.
#[must_use]
#[track_caller]
pub fn warp(image: ArrayView3<'_, u8>, map: &SimilarityTransform, size: [usize; 2]) -> Array3<u8> {
    let mut face = Array3::zeros((size[0], size[1], 3));
    warp_into(image, map, size, face.as_slice_mut().expect("a new array is contiguous"));
    face
}

/// The least extent of valid landmarks, in pixels. Landmarks given as fractions of the image size
/// fall below it.
const MIN_LANDMARK_SPAN: f64 = 2.0;

/// The map from positions in the aligned face to positions in the image; `None` for degenerate
/// landmarks.
pub(crate) fn face_to_image(landmarks: &Landmarks, template: &Landmarks) -> Option<SimilarityTransform> {
    let span = |axis: usize| {
        let values = landmarks.to_f64().map(|point| point[axis]);
        values.iter().copied().fold(f64::MIN, f64::max) - values.iter().copied().fold(f64::MAX, f64::min)
    };
    if span(0).max(span(1)) < MIN_LANDMARK_SPAN {
        return None;
    }
    let map = SimilarityTransform::fit(&landmarks.to_f64(), &template.to_f64())?.inverse()?;
    (map.scale() <= MAX_SCALE).then_some(map)
}

/// [`warp`] into a slice.
#[track_caller]
pub(crate) fn warp_into(
    image: ArrayView3<'_, u8>,
    map: &SimilarityTransform,
    [height, width]: [usize; 2],
    face: &mut [u8],
) {
    assert!(height > 0 && width > 0, "a face needs a height and a width of at least 1, not {height} x {width}");
    assert_eq!(image.dim().2, 3, "an image has three channels, not shape {:?}", image.dim());
    let source = Source {
        pixels: image.to_slice().expect("an image is in standard layout").as_chunks().0,
        height: image.dim().0,
        width: image.dim().1,
    };
    face.fill(0);
    if map.scale() > MAX_SCALE {
        return;
    }
    let samples = (map.scale() as usize).clamp(1, MAX_SAMPLES_PER_AXIS);
    // Offset of the first sample from the pixel's center, and the spacing of the samples.
    let step = 1.0 / samples as f64;
    let first = 0.5 * step - 0.5;
    let step_along_row = {
        let [start, next] = [[0.0; 2], [step, 0.0]].map(|position| map.apply(position));
        [0, 1].map(|axis| to_fixed_point(next[axis] - start[axis]))
    };
    let weight = 1.0 / (samples * samples) as f64 / (WEIGHT_ONE * WEIGHT_ONE) as f64;
    let mut sums = vec![[0_u64; 3]; width];
    for (row, pixels) in face.as_chunks_mut::<3>().0.chunks_exact_mut(width).enumerate() {
        sums.fill([0; 3]);
        for index in 0..samples {
            let start = map.apply([first, row as f64 + first + index as f64 * step]);
            if !start.iter().all(|coordinate| coordinate.abs() < FAR) {
                continue;
            }
            let mut position = start.map(to_fixed_point);
            for sum in &mut sums {
                for _ in 0..samples {
                    let levels = source.sample(position);
                    sum.iter_mut().zip(levels).for_each(|(sum, level)| *sum += level);
                    position = [0, 1].map(|axis| position[axis].saturating_add(step_along_row[axis]));
                }
            }
        }
        for (pixel, sums) in pixels.iter_mut().zip(&sums) {
            *pixel = sums.map(|sum| (sum as i64 as f64 * weight + 0.5) as u8);
        }
    }
}

/// Fractional bits of a fixed-point position.
const FRACTION_BITS: u32 = 32;
/// Fractional bits of an interpolation weight.
const WEIGHT_BITS: u32 = 20;
/// An interpolation weight of 1.
const WEIGHT_ONE: u64 = 1 << WEIGHT_BITS;
/// A row of a face that starts this many pixels away does not reach the image: a face has fewer
/// than 2^15 pixels a side, and each is at most [`MAX_SCALE`] image pixels wide.
const FAR: f64 = (1_u64 << 30) as f64;

/// Converts a coordinate or a step, below 2^31 pixels, to fixed point. (Larger values saturate, NaN
/// becomes 0.)
fn to_fixed_point(pixels: f64) -> i64 {
    (pixels * (1_u64 << FRACTION_BITS) as f64).round() as i64
}

/// The image to sample, row by row.
struct Source<'a> {
    pixels: &'a [[u8; 3]],
    height: usize,
    width: usize,
}

impl Source<'_> {
    /// The bilinearly interpolated levels at a fixed-point position, times [`WEIGHT_ONE`] squared;
    /// black outside the image.
    fn sample(&self, [x, y]: [i64; 2]) -> [u64; 3] {
        let (left, upper) = ((x >> FRACTION_BITS) as usize, (y >> FRACTION_BITS) as usize);
        // Nearly all positions lie between pixel centers and need no clamping. (Negative
        // coordinates wrap to large values here.)
        if left < self.width.saturating_sub(1) && upper < self.height.saturating_sub(1) {
            let first = upper * self.width + left;
            if let (Some(above), Some(below)) =
                (self.pixels[first..].first_chunk(), self.pixels[first + self.width..].first_chunk())
            {
                return bilinear(above, below, [x, y].map(fractional_weight));
            }
        }
        self.sample_at_edge([x, y])
    }

    /// [`Source::sample`] at the edge of the image or outside.
    #[cold]
    fn sample_at_edge(&self, [x, y]: [i64; 2]) -> [u64; 3] {
        let half = 1 << (FRACTION_BITS - 1);
        let [last_column, last_row] = [self.width, self.height].map(|side| (side as i64 - 1) << FRACTION_BITS);
        if !(-half..last_column + half).contains(&x) || !(-half..last_row + half).contains(&y) {
            return [0; 3];
        }
        let [x, y] = [x.clamp(0, last_column), y.clamp(0, last_row)];
        let [left, upper] = [x, y].map(|coordinate| (coordinate >> FRACTION_BITS) as usize);
        let (right, lower) = ((left + 1).min(self.width - 1), (upper + 1).min(self.height - 1));
        let [above, below] =
            [upper, lower].map(|row| [left, right].map(|column| self.pixels[row * self.width + column]));
        bilinear(&above, &below, [x, y].map(fractional_weight))
    }
}

/// Distance from the preceding pixel center, as a fraction of [`WEIGHT_ONE`].
fn fractional_weight(coordinate: i64) -> u64 {
    (coordinate >> (FRACTION_BITS - WEIGHT_BITS)) as u64 % WEIGHT_ONE
}

/// Interpolates between two pixels above and two below.
fn bilinear(above: &[[u8; 3]; 2], below: &[[u8; 3]; 2], [right, down]: [u64; 2]) -> [u64; 3] {
    let (left, up) = (WEIGHT_ONE - right, WEIGHT_ONE - down);
    let weights = [left * up, right * up, left * down, right * down];
    array::from_fn(|channel| {
        let levels = [above[0], above[1], below[0], below[1]].map(|pixel| u64::from(pixel[channel]));
        levels.iter().zip(weights).map(|(level, weight)| level * weight).sum()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reference implementation: the mean of bilinear samples in f64.
    fn naive(image: &Array3<u8>, map: &SimilarityTransform, samples: usize, [row, column, channel]: [usize; 3]) -> f64 {
        let (height, width, _) = image.dim();
        let level = |row: f64, column: f64| {
            let (row, column) = (row.clamp(0.0, height as f64 - 1.0), column.clamp(0.0, width as f64 - 1.0));
            f64::from(image[[row as usize, column as usize, channel]])
        };
        let mut sum = 0.0;
        for index in 0..samples * samples {
            let [down, right] =
                [index / samples, index % samples].map(|index| (2 * index + 1) as f64 / (2 * samples) as f64 - 0.5);
            let [x, y] = map.apply([column as f64 + right, row as f64 + down]);
            if x < -0.5 || y < -0.5 || x >= width as f64 - 0.5 || y >= height as f64 - 0.5 {
                continue;
            }
            let (left, upper) = (x.floor(), y.floor());
            let (fx, fy) = (x - left, y - upper);
            sum += (1.0 - fy) * ((1.0 - fx) * level(upper, left) + fx * level(upper, left + 1.0))
                + fy * ((1.0 - fx) * level(upper + 1.0, left) + fx * level(upper + 1.0, left + 1.0));
        }
        sum / (samples * samples) as f64
    }

    #[test]
    fn positions_far_outside_the_image_are_black() {
        let image = Array3::from_elem((9, 9, 3), 255);
        for (shift, scale) in [(1e5, 1.0), (-1e12, 1.0), (1e300, 1.0), (0.0, 1e5), (-3e9, 1e9), (1e18, 1e18)] {
            let map = SimilarityTransform::fit(&[[0.0, 0.0], [1.0, 0.0]], &[[shift; 2], [shift + scale, shift]]);
            if let Some(map) = map {
                assert!(warp(image.view(), &map, [40, 40]).iter().all(|&level| level == 0), "{map:?}");
            }
        }
        // A row that starts far to the left of the image and ends far to the right.
        let map = SimilarityTransform::fit(&[[0.0, 0.0], [1.0, 0.0]], &[[-160_000.0, 4.0], [-159_999.0, 4.0]]).unwrap();
        let face = warp(image.view(), &map, [1, 170_000]);
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
            let image = Array3::from_shape_simple_fn((sides[0], sides[1], 3), || {
                state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                (state >> 56) as u8
            });
            let (sin, cos) = degrees.to_radians().sin_cos();
            let corner = [shift[0] + scale * cos, shift[1] + scale * sin];
            let map = SimilarityTransform::fit(&[[0.0, 0.0], [1.0, 0.0]], &[shift, corner]).expect("two distinct points");
            let mut face = Array3::zeros((size[0], size[1], 3));
            warp_into(image.view(), &map, size, face.as_slice_mut().expect("contiguous"));
            let samples = if scale < 2.0 { 1 } else { map.scale().floor() as usize };
            for ((row, column, channel), &level) in face.indexed_iter() {
                let expected = naive(&image, &map, samples, [row, column, channel]);
                // Half a level for rounding, and a little for the fixed-point weights.
                prop_assert!((f64::from(level) - expected).abs() < 0.501, "{level} for {expected} at {row}, {column}");
            }
        }
    }
}
