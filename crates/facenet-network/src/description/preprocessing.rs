//! Conversion of 8-bit pixels to network inputs.

use ndarray::parallel::prelude::*;
use ndarray::{ArrayView4, ArrayViewMut4, Axis, Zip};
use serde::{Deserialize, Serialize};

/// How the pixels of a face are converted to network inputs, and how faces are aligned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocessing {
    /// Channel order of the network's input.
    #[serde(default)]
    pub color_order: ColorOrder,
    /// How pixel values are scaled.
    #[serde(default)]
    pub scaling: Scaling,
    /// Alignment template: the positions of five facial landmarks in the network's input, as
    /// `[x, y]` in pixels with the center of the top left pixel at `[0, 0]`. Order: the eye on the
    /// left side of the image, the eye on its right side, tip of the nose, left and right corner of
    /// the mouth. `None` for networks whose faces are not aligned.
    #[serde(default)]
    pub template: Option<[[f32; 2]; 5]>,
}

/// Channel order of color images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColorOrder {
    /// Red, green, blue.
    #[default]
    Rgb,
    /// Blue, green, red.
    Bgr,
}

/// How pixel values 0..=255 are scaled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Scaling {
    /// `(pixel - subtract) / divide`.
    Fixed {
        /// Subtracted from pixel values: one value per channel, in the network's channel order.
        #[serde(with = "per_channel")]
        subtract: [f32; 3],
        /// Divisor, likewise.
        #[serde(with = "per_channel")]
        divide: [f32; 3],
    },
    /// Each face is standardized to mean 0 and standard deviation 1 over all pixels and channels.
    /// The standard deviation is bounded below by one over the square root of the number of
    /// values, so that a uniform face becomes 0.
    #[default]
    PerImage,
}

impl Preprocessing {
    /// Converts faces to network inputs.
    ///
    /// # Shapes
    ///
    /// `faces`: `[n, height, width, 3]` in RGB; `x` likewise, in the network's channel order.
    ///
    /// # Panics
    ///
    /// If the shapes differ.
    #[track_caller]
    pub fn apply(&self, faces: ArrayView4<'_, u8>, mut x: ArrayViewMut4<'_, f32>) {
        assert_eq!(faces.shape(), x.shape(), "faces and x");
        let bgr = self.color_order == ColorOrder::Bgr;
        x.axis_iter_mut(Axis(0)).into_par_iter().zip(faces.axis_iter(Axis(0))).for_each(|(mut x, mut face)| {
            if bgr {
                face.invert_axis(Axis(2));
            }
            let (subtract, factor) = match self.scaling {
                Scaling::Fixed { subtract, divide } => (subtract, divide.map(|divide| 1.0 / divide)),
                Scaling::PerImage => {
                    let (mean, factor) = standardization(face.iter().copied(), face.len());
                    ([mean; 3], [factor; 3])
                }
            };
            let same = |values: [f32; 3]| values == [values[0]; 3];
            match (x.as_slice_mut(), face.as_slice()) {
                // If all channels are scaled alike, a single loop over all values vectorizes.
                (Some(x), Some(pixels)) if same(subtract) && same(factor) => {
                    let (subtract, factor) = (subtract[0], factor[0]);
                    x.iter_mut().zip(pixels).for_each(|(x, &pixel)| *x = (f32::from(pixel) - subtract) * factor);
                }
                _ => Zip::from(x.lanes_mut(Axis(2))).and(face.lanes(Axis(2))).for_each(|x, pixels| {
                    for (((x, &pixel), subtract), factor) in x.into_iter().zip(pixels).zip(subtract).zip(factor) {
                        *x = (f32::from(pixel) - subtract) * factor;
                    }
                }),
            }
        });
    }
}

/// Serde format of one value per channel: a single number where they are equal.
mod per_channel {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged, expecting = "expected a number, or one for each of the three channels")]
    enum PerChannel {
        Same(f32),
        Each([f32; 3]),
    }

    pub(super) fn serialize<S: Serializer>(&values: &[f32; 3], serializer: S) -> Result<S::Ok, S::Error> {
        let same = values.iter().all(|value| value.to_bits() == values[0].to_bits());
        if same { PerChannel::Same(values[0]) } else { PerChannel::Each(values) }.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[f32; 3], D::Error> {
        Ok(match PerChannel::deserialize(deserializer)? {
            PerChannel::Same(value) => [value; 3],
            PerChannel::Each(values) => values,
        })
    }
}

/// Mean and reciprocal standard deviation, from exact integer sums.
fn standardization(pixels: impl Iterator<Item = u8>, count: usize) -> (f32, f32) {
    let (sum, squares) = pixels.fold((0u64, 0u64), |(sum, squares), pixel| {
        (sum + u64::from(pixel), squares + u64::from(pixel) * u64::from(pixel))
    });
    let count = count.max(1) as f64;
    let mean = sum as f64 / count;
    let deviation = (squares as f64 / count - mean * mean).max(0.0).sqrt().max(1.0 / count.sqrt());
    (mean as f32, (1.0 / deviation) as f32)
}
