//! Calibrations in checkpoints, and fitting them.

pub(crate) mod published;

use std::path::Path;

use facenet_metrics::{Calibration, Pair, PairScores};
use facenet_network::Checkpoint;
use ndarray::ArrayView4;

use crate::embedding::embed::Embed;
use crate::error::Error;

/// Pairs of faces to calibrate a network on, of people that it was not trained on.
#[derive(Clone, Copy, Debug)]
pub struct ValidationPairs<'a> {
    /// 8-bit RGB: `[n, height, width, 3]`.
    pub faces: ArrayView4<'a, u8>,
    /// Genuine and impostor pairs, as rows of `faces`.
    pub pairs: &'a [Pair],
}

/// The calibration of a checkpoint, if it has one. `path`, the file of the checkpoint, is named in
/// errors.
///
/// # Errors
///
/// [`Error::CalibrationSyntax`] and [`Error::Calibration`]. Never for a checkpoint from
/// [`read_checkpoint`](crate::read_checkpoint) or [`read_weights`](crate::read_weights), which
/// check it.
pub fn calibration(checkpoint: &Checkpoint, path: &Path) -> Result<Option<Calibration>, Error> {
    let Some(text) = &checkpoint.calibration else { return Ok(None) };
    let calibration: Calibration = toml::from_str(text)
        .map_err(|error| Error::CalibrationSyntax { path: path.to_owned(), reason: error.to_string() })?;
    calibration.validate().map_err(|source| Error::Calibration { path: path.to_owned(), source })?;
    Ok(Some(calibration))
}

/// A calibration as it is stored in a checkpoint, in TOML.
#[must_use]
pub fn calibration_text(calibration: &Calibration) -> String {
    toml::to_string(calibration).expect("two floats")
}

/// Fits a calibration of an embedder. `None` if genuine or impostor pairs are missing, genuine
/// pairs are not nearer than impostor pairs, or an embedding is not finite.
///
/// # Panics
///
/// If the faces do not have the embedder's [`input_size`](Embed::input_size), or a row of a pair is
/// out of bounds.
#[must_use]
#[track_caller]
pub fn calibrate(embedder: &dyn Embed, validation: ValidationPairs<'_>) -> Option<Calibration> {
    let embeddings = embedder.embed(validation.faces).ok()?;
    Calibration::fit(&PairScores::from_embeddings(embeddings.view(), validation.pairs).ok()?).ok()
}
