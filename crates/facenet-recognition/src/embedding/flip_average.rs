//! Averaging over horizontal flips.

use ndarray::{Array2, ArrayView4, Axis};

use crate::embedding::embed::Embed;
use crate::error::Error;

/// Embeddings are averaged over the face and its horizontal flip, then normalized.
///
/// ```text
/// embedding = (e(face) + e(flipped)) / |e(face) + e(flipped)|
/// ```
///
/// A flipped face shows the same person, so the difference between the two is noise, which
/// averaging reduces. Takes twice the time. Two opposite embeddings give zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlipAverage<E>(pub E);

impl<E: Embed> Embed for FlipAverage<E> {
    fn input_size(&self) -> [usize; 2] {
        self.0.input_size()
    }

    fn dimension(&self) -> usize {
        self.0.dimension()
    }

    #[track_caller]
    fn embed(&self, faces: ArrayView4<'_, u8>) -> Result<Array2<f32>, Error> {
        let mut flipped = faces;
        flipped.invert_axis(Axis(2));
        let mut embeddings = self.0.embed(faces)?;
        embeddings += &self.0.embed(flipped)?;
        for mut embedding in embeddings.outer_iter_mut() {
            let length = embedding.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
            if length > 0.0 {
                embedding.mapv_inplace(|value| (f64::from(value) / length) as f32);
            }
        }
        Ok(embeddings)
    }
}
