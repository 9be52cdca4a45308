//! The baseline that needs no training.

use ndarray::parallel::prelude::*;
use ndarray::{Array2, ArrayView4, Axis};

use crate::embedding::embed::{Embed, assert_input_size};
use crate::error::Error;

/// Raw pixels as embeddings: the baseline to beat.
///
/// ```text
/// embedding = face / |face|
/// ```
///
/// The elements are the face's values in row order, RGB interleaved. A black face gives zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RawPixels {
    /// The size of the faces it takes: `[height, width]`.
    pub size: [usize; 2],
}

impl Embed for RawPixels {
    fn input_size(&self) -> [usize; 2] {
        self.size
    }

    fn dimension(&self) -> usize {
        self.size[0] * self.size[1] * 3
    }

    #[track_caller]
    fn embed(&self, faces: ArrayView4<'_, u8>) -> Result<Array2<f32>, Error> {
        assert_input_size(faces, self.size);
        let mut embeddings = Array2::zeros((faces.len_of(Axis(0)), self.dimension()));
        embeddings.axis_iter_mut(Axis(0)).into_par_iter().zip(faces.axis_iter(Axis(0))).for_each(
            |(mut embedding, face)| {
                let squares: u64 = face.iter().map(|&pixel| u64::from(pixel).pow(2)).sum();
                let length = (squares.max(1) as f64).sqrt();
                for (value, &pixel) in embedding.iter_mut().zip(face) {
                    *value = (f64::from(pixel) / length) as f32;
                }
            },
        );
        Ok(embeddings)
    }
}
