use ndarray::{Array2, ArrayView4, Axis};

use crate::embedding::embed::Embed;
use crate::error::Error;

/// Embeds each face and its mirror image: the direction in the middle of the two embeddings.
///
/// ```text
/// embedding = (e(face) + e(mirror)) / |e(face) + e(mirror)|
/// ```
///
/// A mirrored face shows the same person, so what differs between the two is noise, and half of it averages out. Takes
/// twice the time. Two opposite embeddings give zeros.
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
        let mut mirrored = faces;
        mirrored.invert_axis(Axis(2));
        let mut embeddings = self.0.embed(faces)?;
        embeddings += &self.0.embed(mirrored)?;
        for mut embedding in embeddings.outer_iter_mut() {
            let length = embedding.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
            if length > 0.0 {
                embedding.mapv_inplace(|value| (f64::from(value) / length) as f32);
            }
        }
        Ok(embeddings)
    }
}
