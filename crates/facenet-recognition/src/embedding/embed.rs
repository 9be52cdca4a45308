//! What turns faces into embeddings.

use ndarray::{Array2, ArrayView2, ArrayView4};

use crate::error::Error;

/// Aligned 8-bit RGB faces in, unit-length embeddings out.
///
/// It knows its own preprocessing, so it can't be fed the wrong scale or colour order.
pub trait Embed: Sync {
    /// The faces it takes: `[height, width]`.
    fn input_size(&self) -> [usize; 2];

    /// The length of an embedding.
    fn dimension(&self) -> usize;

    /// The embedding of each face, in their order, the same on any number of threads.
    ///
    /// # Shapes
    /// `faces` is `[n, height, width, 3]` of [`Embed::input_size`], the result `[n, dimension]`.
    ///
    /// # Errors
    /// [`Error::NotFiniteEmbedding`] with the first face whose embedding holds NaN or infinity.
    ///
    /// # Panics
    /// If the faces are of another size.
    fn embed(&self, faces: ArrayView4<'_, u8>) -> Result<Array2<f32>, Error>;
}

/// Panics unless the faces have three channels and the size that is asked for.
#[track_caller]
pub(crate) fn assert_input_size(faces: ArrayView4<'_, u8>, [height, width]: [usize; 2]) {
    assert_eq!(faces.shape()[1..], [height, width, 3], "[height, width, channels] of the faces and of the input");
}

/// Checks that every element of the embeddings is finite.
///
/// # Errors
///
/// [`Error::NotFiniteEmbedding`] with the first row that holds NaN or infinity.
pub fn check_finite(embeddings: ArrayView2<'_, f32>) -> Result<(), Error> {
    match embeddings.outer_iter().position(|row| row.iter().any(|value| !value.is_finite())) {
        None => Ok(()),
        Some(row) => Err(Error::NotFiniteEmbedding { row }),
    }
}
