//! The interface of embedders.

use facenet_data::SyntheticFaces;
use ndarray::{Array2, ArrayView2, ArrayView4};

use crate::error::Error;

/// Computes unit-length embeddings of aligned 8-bit RGB faces.
///
/// Preprocessing is part of the embedder, so it can't be fed the wrong scale or color order.
pub trait Embed: Sync {
    /// The size of the faces it takes: `[height, width]`.
    fn input_size(&self) -> [usize; 2];

    /// The dimension of an embedding.
    fn dimension(&self) -> usize;

    /// Embeds each face. The result does not depend on the number of threads.
    ///
    /// # Shapes
    ///
    /// `faces`: `[n, height, width, 3]` of [`Embed::input_size`]; the result: `[n, dimension]`.
    ///
    /// # Errors
    ///
    /// [`Error::NotFiniteEmbedding`] with the first face whose embedding contains NaN or infinity.
    ///
    /// # Panics
    ///
    /// If the faces have another size.
    fn embed(&self, faces: ArrayView4<'_, u8>) -> Result<Array2<f32>, Error>;
}

/// Panics unless the faces have three channels and the expected size.
#[track_caller]
pub(crate) fn assert_input_size(faces: ArrayView4<'_, u8>, [height, width]: [usize; 2]) {
    assert_eq!(faces.shape()[1..], [height, width, 3], "[height, width, channels] of the faces and of the input");
}

/// Checks that every element of the embeddings is finite.
///
/// # Errors
///
/// [`Error::NotFiniteEmbedding`] with the first row that contains NaN or infinity.
pub fn check_finite(embeddings: ArrayView2<'_, f32>) -> Result<(), Error> {
    match embeddings.outer_iter().position(|row| row.iter().any(|value| !value.is_finite())) {
        None => Ok(()),
        Some(row) => Err(Error::NotFiniteEmbedding { row }),
    }
}

/// Number of people on whose faces an embedder is tried.
const TRIAL_FACES: u64 = 4;
/// The least squared distance of the two most different embeddings of a usable embedder.
const MIN_SPREAD: f64 = 1e-5;
/// The largest difference of an embedding's squared length from 1.
const MAX_LENGTH_ERROR: f64 = 1e-2;

/// Tries an embedder on a few synthetic faces of different people.
///
/// # Errors
///
/// [`Error::NotFiniteEmbedding`]; [`Error::NotUnitLength`]; [`Error::EqualEmbeddings`] if the embeddings
/// are equal up to rounding, as those of a network whose training collapsed.
pub fn check_embedder(embedder: &dyn Embed) -> Result<(), Error> {
    let (faces, _) = SyntheticFaces::new(1).portraits(0..TRIAL_FACES, 1, embedder.input_size());
    let embeddings = embedder.embed(faces.view())?;
    for row in embeddings.outer_iter() {
        let square: f64 = row.iter().map(|&value| f64::from(value).powi(2)).sum();
        if (square - 1.0).abs() > MAX_LENGTH_ERROR {
            return Err(Error::NotUnitLength { length: square.sqrt() });
        }
    }
    let mut spread: f64 = 0.0;
    for (index, one) in embeddings.outer_iter().enumerate() {
        for other in embeddings.outer_iter().skip(index + 1) {
            spread = spread.max(one.iter().zip(other).map(|(a, b)| f64::from(a - b).powi(2)).sum());
        }
    }
    if spread < MIN_SPREAD { Err(Error::EqualEmbeddings) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An embedder that ignores its input.
    struct Constant(Vec<f32>);

    impl Embed for Constant {
        fn input_size(&self) -> [usize; 2] {
            [8, 8]
        }

        fn dimension(&self) -> usize {
            self.0.len()
        }

        fn embed(&self, faces: ArrayView4<'_, u8>) -> Result<Array2<f32>, Error> {
            Ok(Array2::from_shape_fn((faces.dim().0, self.0.len()), |(_, column)| self.0[column]))
        }
    }

    #[test]
    fn embedders_that_tell_nothing_apart_are_refused() {
        assert!(matches!(check_embedder(&Constant(vec![0.6, 0.8])), Err(Error::EqualEmbeddings)));
        assert!(matches!(check_embedder(&Constant(vec![0.0, 0.0])), Err(Error::NotUnitLength { length: 0.0 })));
        assert!(check_embedder(&crate::embedding::raw_pixels::RawPixels { size: [8, 8] }).is_ok());
    }
}
