//! What squared distances of a network's embeddings mean, and where that is kept.

pub(crate) mod published;

use std::path::Path;

use facenet_metrics::{Calibration, Pair, PairScores};
use facenet_network::Checkpoint;
use ndarray::ArrayView4;

use crate::embedding::embed::Embed;
use crate::error::Error;

/// Faces of people whom a network has not learned, and pairs of them, to find out what its distances mean.
#[derive(Clone, Copy, Debug)]
pub struct ValidationPairs<'a> {
    /// 8-bit RGB: `[n, height, width, 3]`.
    pub faces: ArrayView4<'a, u8>,
    /// Pairs of them, by row.
    pub pairs: &'a [Pair],
}

/// The calibration that a checkpoint has, if it has one. `path` is the file that the checkpoint was read from.
///
/// # Errors
///
/// [`Error::CalibrationSyntax`] and [`Error::Calibration`], which name the file. [`read_checkpoint`](crate::read_checkpoint)
/// and [`read_weights`](crate::read_weights) have checked that already.
pub fn calibration(checkpoint: &Checkpoint, path: &Path) -> Result<Option<Calibration>, Error> {
    let Some(text) = &checkpoint.calibration else { return Ok(None) };
    let calibration: Calibration = toml::from_str(text)
        .map_err(|error| Error::CalibrationSyntax { path: path.to_owned(), reason: error.to_string() })?;
    calibration.validate().map_err(|source| Error::Calibration { path: path.to_owned(), source })?;
    Ok(Some(calibration))
}

/// The same as the text of a checkpoint.
#[must_use]
pub fn calibration_text(calibration: &Calibration) -> String {
    toml::to_string(calibration).expect("two numbers, which TOML can express")
}

/// Fits a calibration of the embeddings that `embedder` makes of faces. There is none if the pairs are not of both kinds,
/// those of one person are not nearer than others, or an embedding is not finite.
///
/// # Panics
///
/// If the faces are not of the embedder's [`input_size`](Embed::input_size), or a pair names none of them.
#[must_use]
#[track_caller]
pub fn calibrate(embedder: &dyn Embed, validation: ValidationPairs<'_>) -> Option<Calibration> {
    let embeddings = embedder.embed(validation.faces).ok()?;
    Calibration::fit(&PairScores::from_embeddings(embeddings.view(), validation.pairs).ok()?).ok()
}
