use ndarray::ArrayView2;

use crate::error::Error;

/// Checks that every squared norm is finite, so that every distance is.
///
/// # Errors
///
/// [`Error::NotFinite`] with the first offending row.
pub(crate) fn check_finite(embeddings: ArrayView2<'_, f32>) -> Result<(), Error> {
    match embeddings.outer_iter().position(|row| !row.dot(&row).is_finite()) {
        None => Ok(()),
        Some(row) => Err(Error::NotFinite { row }),
    }
}
