//! The interface of embedders.

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
