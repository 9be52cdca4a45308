//! From 8-bit pixels to the numbers that a network was trained on.

use ndarray::parallel::prelude::*;
use ndarray::{ArrayView4, ArrayViewMut4, Axis, Zip};
use serde::{Deserialize, Serialize};

/// What happens to the pixels of a face before the first layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocessing {
    /// The order in which the network expects the three colours.
    #[serde(default)]
    pub color_order: ColorOrder,
    /// How levels become numbers.
    #[serde(default)]
    pub scaling: Scaling,
    /// Where the faces that the network is made for have five points, as `[x, y]` in pixels of its input, the centre of the
    /// upper left pixel being `[0, 0]`: the eye on the left side of the picture, the eye on its right side, the tip of the
    /// nose, the left and the right corner of the mouth. `None` for a network that does not ask for aligned faces.
    #[serde(default)]
    pub template: Option<[[f32; 2]; 5]>,
}

/// The order of the three colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColorOrder {
    /// Red, green, blue.
    #[default]
    Rgb,
    /// Blue, green, red.
    Bgr,
}

/// How the levels 0..255 become numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Scaling {
    /// `(level - subtract) / divide`.
    Fixed {
        /// Subtracted from each level: a number per colour, in the order that the network expects.
        #[serde(with = "colors")]
        subtract: [f32; 3],
        /// Divides the difference, likewise.
        #[serde(with = "colors")]
        divide: [f32; 3],
    },
    /// Each face has mean 0 and standard deviation 1 over all its pixels and colours; the deviation is taken as at least
    /// one over the square root of their number, so that a uniform face becomes 0.
    #[default]
    PerImage,
}

impl Preprocessing {
    /// Writes the numbers that the network sees.
    ///
    /// # Shapes
    /// `faces [n, height, width, 3]` in RGB, `x` likewise.
    ///
    /// # Panics
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
            let same = |numbers: [f32; 3]| numbers == [numbers[0]; 3];
            match (x.as_slice_mut(), face.as_slice()) {
                // Where colours are alike, one loop over all numbers computes with several at once.
                (Some(x), Some(levels)) if same(subtract) && same(factor) => {
                    let (subtract, factor) = (subtract[0], factor[0]);
                    x.iter_mut().zip(levels).for_each(|(x, &level)| *x = (f32::from(level) - subtract) * factor);
                }
                _ => Zip::from(x.lanes_mut(Axis(2))).and(face.lanes(Axis(2))).for_each(|x, levels| {
                    for (((x, &level), subtract), factor) in x.into_iter().zip(levels).zip(subtract).zip(factor) {
                        *x = (f32::from(level) - subtract) * factor;
                    }
                }),
            }
        });
    }
}

/// A number per colour, written as one number where they are the same.
mod colors {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged, expecting = "expected a number, or one for each of the three colours")]
    enum Colors {
        Same(f32),
        Each([f32; 3]),
    }

    pub(super) fn serialize<S: Serializer>(&numbers: &[f32; 3], serializer: S) -> Result<S::Ok, S::Error> {
        let same = numbers.iter().all(|number| number.to_bits() == numbers[0].to_bits());
        if same { Colors::Same(numbers[0]) } else { Colors::Each(numbers) }.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[f32; 3], D::Error> {
        Ok(match Colors::deserialize(deserializer)? {
            Colors::Same(number) => [number; 3],
            Colors::Each(numbers) => numbers,
        })
    }
}

/// Mean and one over the standard deviation, by exact integer sums.
fn standardization(levels: impl Iterator<Item = u8>, count: usize) -> (f32, f32) {
    let (sum, squares) = levels.fold((0u64, 0u64), |(sum, squares), level| {
        (sum + u64::from(level), squares + u64::from(level) * u64::from(level))
    });
    let count = count.max(1) as f64;
    let mean = sum as f64 / count;
    let deviation = (squares as f64 / count - mean * mean).max(0.0).sqrt().max(1.0 / count.sqrt());
    (mean as f32, (1.0 / deviation) as f32)
}
