//! Decoding JPEGs at a reduced scale, from the coefficients of low frequencies.
//!
//! The inverse discrete cosine transform of `n` points, applied to the `n x n` coefficients of
//! lowest frequency of a block of 8 x 8 samples, gives `n x n` samples of it: the image at the
//! scale `n / 8`, without the aliasing of skipped pixels. Only these coefficients are stored, also
//! of a progressive JPEG, whose scans a decoder otherwise holds in full.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use crate::codec::jpeg_scans::{Coefficients, Component, Frame, JpegError, Scans, ZIGZAG};
use crate::codec::jpeg_segments::ColorSpace;

/// A scale at which a JPEG is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    Full,
    Half,
    Quarter,
}

impl Scale {
    /// Samples that each row and column of 8 becomes.
    fn points(self) -> usize {
        match self {
            Self::Full => 8,
            Self::Half => 4,
            Self::Quarter => 2,
        }
    }

    /// The length of a side at this scale.
    pub(crate) fn apply(self, length: usize) -> usize {
        (length * self.points()).div_ceil(8)
    }

    /// Rows and columns of samples, and of coefficients, of each block of a component. Components
    /// with fewer samples are reduced less, as far as blocks have them.
    fn points_of(self, frame: &Frame, component: &Component) -> [usize; 2] {
        let [most_across, most_down] = frame.largest_factors();
        [(most_down, component.down), (most_across, component.across)].map(|(most, factor)| {
            let exact = self.points() * most / factor;
            if most % factor == 0 && exact <= 8 { exact } else { self.points() }
        })
    }
}

/// The bytes that [`decode_scaled`] allocates at most, without the pixels that it returns.
pub(crate) fn working_bytes(frame: &Frame, scale: Scale) -> u64 {
    let coefficients = |component| Coefficients::byte_count(frame, component, scale.points_of(frame, component));
    let [_, down] = frame.largest_factors();
    // A row of units of each component, and what their last row of blocks exceeds the image by.
    let rows = (frame.width + 64) * 4 * (8 * down + 2);
    frame.components.iter().map(coefficients).sum::<u64>() + rows as u64
}

/// Decodes a JPEG as RGB at a reduced scale, row by row; a part of a pixel at the right and lower
/// edge becomes a whole one.
pub(crate) fn decode_scaled(
    bytes: &[u8],
    frame: Frame,
    color_space: ColorSpace,
    scale: Scale,
) -> Result<Vec<u8>, JpegError> {
    let (scans, result) = Scans::read(bytes, frame, |frame, component| scale.points_of(frame, component));
    result?;
    let frame = &scans.frame;
    let planes = frame.components.iter().zip(&scans.components);
    let mut planes = planes
        .map(|(component, coefficients)| Plane::new(frame, component, coefficients, scale))
        .collect::<Result<Vec<_>, _>>()?;
    let [width, height] = [scale.apply(frame.width), scale.apply(frame.height)];
    let [_, most_down] = frame.largest_factors();
    let rows_of_unit = most_down * scale.points();
    let mut pixels = vec![0; width * height * 3];
    for (unit, rows) in pixels.chunks_mut(width * 3 * rows_of_unit).enumerate() {
        planes.iter_mut().for_each(|plane| plane.transform(unit));
        for (row, pixels) in rows.chunks_exact_mut(width * 3).enumerate() {
            planes.iter_mut().for_each(|plane| plane.expand(row));
            let lines: Vec<&[u8]> = planes.iter().map(|plane| &plane.line[..]).collect();
            convert(color_space, &lines, pixels.as_chunks_mut().0)?;
        }
    }
    Ok(pixels)
}

/// A row of minimum coded units of a component.
struct Plane<'a> {
    coefficients: &'a Coefficients,
    quantization: [f32; 64],
    down: usize,
    bases: [Basis; 2],
    /// `[rows, blocks across * columns of a block]`.
    samples: Vec<u8>,
    stride: usize,
    /// Rows and columns of the component, of so many of the image.
    rows: [usize; 2],
    /// The column of the component for each one of the image.
    columns: Vec<u32>,
    /// One row of the image.
    line: Vec<u8>,
}

impl<'a> Plane<'a> {
    fn new(
        frame: &Frame,
        component: &Component,
        coefficients: &'a Coefficients,
        scale: Scale,
    ) -> Result<Self, JpegError> {
        let [down, across] = coefficients.stored;
        // Also missing if no scan contains the component.
        let steps = coefficients.quantization.ok_or(JpegError::Damaged("a quantization table is missing"))?;
        let mut quantization = [0.0; 64];
        for (step, (row, column)) in steps.iter().zip(ZIGZAG) {
            if usize::from(row) < down && usize::from(column) < across {
                quantization[usize::from(row) * across + usize::from(column)] = f32::from(*step);
            }
        }
        let [most_across, most_down] = frame.largest_factors();
        let width = scale.apply(frame.width);
        let stride = coefficients.blocks_across * across;
        let columns =
            (0..width).map(|column| (column * component.across * across / (most_across * scale.points())) as u32);
        Ok(Self {
            coefficients,
            quantization,
            down: component.down,
            bases: [Basis::new(down), Basis::new(across)],
            samples: vec![0; component.down * down * stride],
            stride,
            rows: [component.down * down, most_down * scale.points()],
            columns: columns.collect(),
            line: vec![0; width],
        })
    }

    /// Transforms the blocks of a row of units.
    fn transform(&mut self, unit: usize) {
        let [down, across] = self.coefficients.stored;
        let blocks = self.coefficients.blocks_across;
        for block_row in 0..self.down {
            let first = (unit * self.down + block_row) * blocks;
            for column in 0..blocks {
                let at = (first + column) * down * across;
                let levels = &self.coefficients.levels[at..at + down * across];
                let start = block_row * down * self.stride + column * across;
                inverse_transform(levels, &self.quantization, &self.bases, &mut self.samples[start..], self.stride);
            }
        }
    }

    /// Fills the line with the samples for a row of the image, counted within the row of units.
    fn expand(&mut self, row: usize) {
        let row = row * self.rows[0] / self.rows[1];
        let samples = &self.samples[row * self.stride..(row + 1) * self.stride];
        for (sample, &column) in self.line.iter_mut().zip(&self.columns) {
            *sample = samples[column as usize];
        }
    }
}

/// The discrete cosine transform of at most 8 points: the share of coefficient `u` in sample `x`,
/// at `[x][u]`. The factors are those of 8 points (T.81, A.3.3), which coefficients are made for.
struct Basis {
    points: usize,
    factors: [[f32; 8]; 8],
}

impl Basis {
    fn new(points: usize) -> Self {
        let mut factors = [[0.0; 8]; 8];
        for (x, row) in factors.iter_mut().enumerate().take(points) {
            for (u, factor) in row.iter_mut().enumerate().take(points) {
                let norm = if u == 0 { FRAC_1_SQRT_2 } else { 1.0 };
                *factor = (0.5 * norm * ((2 * x + 1) as f64 * u as f64 * PI / (2 * points) as f64).cos()) as f32;
            }
        }
        Self { points, factors }
    }
}

/// The inverse transform of one block.
fn inverse_transform(
    levels: &[i16],
    quantization: &[f32; 64],
    [down, across]: &[Basis; 2],
    samples: &mut [u8],
    stride: usize,
) {
    let mut rows = [[0.0_f32; 8]; 8];
    // Along the columns, then along the rows.
    for (u, levels) in levels.chunks_exact(across.points).enumerate() {
        let steps = &quantization[u * across.points..];
        if levels.iter().all(|&level| level == 0) {
            continue;
        }
        for (row, factors) in rows.iter_mut().zip(&down.factors).take(down.points) {
            for ((sum, &level), step) in row.iter_mut().zip(levels).zip(steps) {
                *sum += f32::from(level) * step * factors[u];
            }
        }
    }
    for (row, samples) in rows.iter().zip(samples.chunks_mut(stride)).take(down.points) {
        for (sample, factors) in samples.iter_mut().zip(&across.factors).take(across.points) {
            let sum: f32 = row.iter().zip(factors).map(|(coefficient, factor)| coefficient * factor).sum();
            // Conversion saturates.
            *sample = (sum + 128.5) as u8;
        }
    }
}

/// Converts a row of samples to RGB.
fn convert(color_space: ColorSpace, lines: &[&[u8]], pixels: &mut [[u8; 3]]) -> Result<(), JpegError> {
    match (color_space, lines) {
        (ColorSpace::Gray, [gray]) => {
            pixels.iter_mut().zip(*gray).for_each(|(pixel, &level)| *pixel = [level; 3]);
        }
        (ColorSpace::Rgb, [red, green, blue]) => {
            for (((pixel, &red), &green), &blue) in pixels.iter_mut().zip(*red).zip(*green).zip(*blue) {
                *pixel = [red, green, blue];
            }
        }
        (ColorSpace::YCbCr, [luma, blue, red]) => {
            for (((pixel, &luma), &blue), &red) in pixels.iter_mut().zip(*luma).zip(*blue).zip(*red) {
                *pixel = ycbcr_to_rgb(luma, blue, red);
            }
        }
        (ColorSpace::Cmyk | ColorSpace::Ycck, [first, second, third, black]) => {
            let inks = first.iter().zip(*second).zip(*third).zip(*black);
            for (pixel, (((&first, &second), &third), &black)) in pixels.iter_mut().zip(inks) {
                // 255 means no ink, and YCbCr gives the complement.
                let light = match color_space {
                    ColorSpace::Ycck => ycbcr_to_rgb(first, second, third).map(|level| 255 - level),
                    _ => [first, second, third],
                };
                *pixel = light.map(|level| ((u32::from(level) * u32::from(black) + 127) / 255) as u8);
            }
        }
        _ => return Err(JpegError::Damaged("the number of components changes")),
    }
    Ok(())
}

/// ITU T.871, section 7, with 16 fractional bits.
fn ycbcr_to_rgb(luma: u8, blue: u8, red: u8) -> [u8; 3] {
    let luma = (i32::from(luma) << 16) + (1 << 15);
    let (blue, red) = (i32::from(blue) - 128, i32::from(red) - 128);
    let sums = [luma + 91_881 * red, luma - 22_554 * blue - 46_802 * red, luma + 116_130 * blue];
    sums.map(|sum| (sum >> 16).clamp(0, 255) as u8)
}

#[cfg(test)]
mod tests {
    use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

    use super::*;
    use crate::codec::decode::decode_image;
    use crate::codec::jpeg_segments::JpegSegments;

    const BASELINE: &[u8] = include_bytes!("../../tests/data/baseline.jpg");
    /// The coefficients of [`BASELINE`], by spectral selection and successive approximation.
    const PROGRESSIVE: [&[u8]; 2] = [
        include_bytes!("../../tests/data/progressive.jpg"),
        include_bytes!("../../tests/data/progressive_restarts.jpg"),
    ];

    fn scaled(bytes: &[u8], scale: Scale) -> Result<Vec<u8>, JpegError> {
        let segments = JpegSegments::new(bytes);
        decode_scaled(bytes, Frame::of(&segments)?, segments.color_space().unwrap(), scale)
    }

    /// Smooth colors, and the settings of the encoder.
    fn encoded(
        [height, width]: [usize; 2],
        color: ColorType,
        setup: impl FnOnce(&mut Encoder<&mut Vec<u8>>),
    ) -> Vec<u8> {
        let channels = match color {
            ColorType::Luma => 1,
            ColorType::Rgb => 3,
            _ => 4,
        };
        let mut samples = Vec::new();
        for (row, column) in (0..height).flat_map(|row| (0..width).map(move |column| (row as f64, column as f64))) {
            let level = |channel: usize| 125.0 + 70.0 * (0.09 * row + 0.05 * column * channel as f64).sin();
            samples.extend((0..channels).map(|channel| level(channel) as u8));
        }
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, 95);
        setup(&mut encoder);
        encoder.encode(&samples, width as u16, height as u16, color).unwrap();
        bytes
    }

    /// The means of the squares of pixels that become one.
    fn reduced(whole: &ndarray::Array3<u8>, scale: Scale) -> Vec<f64> {
        let (height, width, _) = whole.dim();
        let side = 8 / scale.points();
        let mut means = Vec::new();
        for (row, column) in
            (0..scale.apply(height)).flat_map(|row| (0..scale.apply(width)).map(move |column| (row, column)))
        {
            let square = whole.slice(ndarray::s![
                row * side..height.min((row + 1) * side),
                column * side..width.min((column + 1) * side),
                ..
            ]);
            means.extend(
                square.mapv(f64::from).mean_axis(ndarray::Axis(0)).unwrap().mean_axis(ndarray::Axis(0)).unwrap(),
            );
        }
        means
    }

    #[track_caller]
    fn assert_reduced(bytes: &[u8], name: &str) {
        let whole = decode_image(bytes, std::path::Path::new(name)).unwrap();
        for scale in [Scale::Half, Scale::Quarter] {
            let (decoded, expected) = (scaled(bytes, scale).unwrap(), reduced(&whole, scale));
            assert_eq!(decoded.len(), expected.len(), "{name}");
            let differences = || decoded.iter().zip(&expected).map(|(a, b)| (f64::from(*a) - b).abs());
            let mean = differences().sum::<f64>() / expected.len() as f64;
            let largest = differences().fold(0.0, f64::max);
            // Means attenuate high frequencies, and the other decoder interpolates between samples of
            // colors.
            assert!(mean < 5.0 && largest < 25.0, "{name}, {scale:?}: {mean} on average, at most {largest}");
        }
    }

    #[test]
    fn a_reduced_image_is_the_mean_of_the_whole_one() {
        for size in [[64, 48], [41, 53], [7, 3], [8, 130]] {
            for sampling in [
                SamplingFactor::R_4_4_4,
                SamplingFactor::R_4_2_2,
                SamplingFactor::R_4_4_0,
                SamplingFactor::R_4_2_0,
                SamplingFactor::R_4_1_1,
            ] {
                for color in [ColorType::Rgb, ColorType::Luma, ColorType::Cmyk, ColorType::CmykAsYcck] {
                    let bytes = encoded(size, color, |encoder| encoder.set_sampling_factor(sampling));
                    let name = format!("{size:?}, {sampling:?}, {color:?}");
                    assert_reduced(&bytes, &name);
                    let progressive = encoded(size, color, |encoder| {
                        encoder.set_sampling_factor(sampling);
                        encoder.set_progressive(true);
                    });
                    let with_restarts = encoded(size, color, |encoder| {
                        encoder.set_sampling_factor(sampling);
                        encoder.set_restart_interval(2);
                    });
                    for scale in [Scale::Full, Scale::Half, Scale::Quarter] {
                        let expected = scaled(&bytes, scale);
                        assert!(scaled(&progressive, scale) == expected, "{name}, progressive");
                        assert!(scaled(&with_restarts, scale) == expected, "{name}, with restart markers");
                    }
                }
            }
        }
    }

    #[test]
    fn successive_approximation_gives_the_same_pixels() {
        assert_reduced(BASELINE, "baseline");
        for scale in [Scale::Full, Scale::Half, Scale::Quarter] {
            let expected = scaled(BASELINE, scale).unwrap();
            for progressive in PROGRESSIVE {
                assert!(scaled(progressive, scale).unwrap() == expected);
            }
        }
    }

    #[test]
    fn missing_data_is_an_error() {
        for bytes in [BASELINE, PROGRESSIVE[0], PROGRESSIVE[1]] {
            let last_scan = bytes.windows(2).rposition(|marker| marker == [0xff, 0xda]).unwrap();
            for cut in last_scan + 14..bytes.len() - 2 {
                assert_eq!(scaled(&bytes[..cut], Scale::Half), Err(JpegError::Truncated), "cut at {cut}");
            }
        }
    }

    #[test]
    fn damaged_files_are_errors_or_images() {
        let mut random = 1_u32;
        let mut next = |end: usize| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 8) as usize % end
        };
        for whole in [BASELINE, PROGRESSIVE[0], PROGRESSIVE[1]] {
            for _ in 0..2000 {
                let mut bytes = whole.to_vec();
                for _ in 0..1 + next(4) {
                    bytes[2 + next(whole.len() - 2)] = next(256) as u8;
                }
                let [width, height] = JpegSegments::new(&bytes).size().unwrap_or_default();
                let known = JpegSegments::new(&bytes).color_space().is_some();
                if known && width * height < 100_000 {
                    let _ = scaled(&bytes, Scale::Half);
                }
            }
        }
    }
}
