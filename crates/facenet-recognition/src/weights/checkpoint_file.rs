use std::io::Read;
use std::path::Path;

use facenet_data::{Crop, open_regular_file, write_atomically};
use facenet_network::Checkpoint;
use serde::Deserialize;

use crate::calibration::calibration;
use crate::error::Error;

/// The largest checkpoint that is read, in bytes: more than the largest network takes with an optimiser's buffers.
const LIMIT: u64 = 16 << 30;

/// Writes a checkpoint: whole under its name, or not at all.
///
/// # Errors
///
/// If the file can't be written.
pub fn write_checkpoint(path: &Path, checkpoint: &Checkpoint) -> Result<(), Error> {
    Ok(write_atomically(path, |mut file| checkpoint.write(&mut file))?)
}

/// Reads a checkpoint.
///
/// # Errors
///
/// If the file can't be read, or is no checkpoint, or has a calibration that is none: the error names it.
pub fn read_checkpoint(path: &Path) -> Result<Checkpoint, Error> {
    let bytes = read_whole(path, LIMIT)?;
    let failed = |source| Error::Checkpoint { path: path.to_owned(), source };
    let checkpoint = Checkpoint::from_bytes(&bytes).map_err(failed)?;
    calibration(&checkpoint, path)?;
    Ok(checkpoint)
}

/// The part of an image that a checkpoint's network was trained on where a face was not aligned; the centre for a network
/// that was trained elsewhere.
///
/// # Errors
///
/// [`Error::RecipeSyntax`] if the recipe in the checkpoint can't be read.
pub fn training_crop(checkpoint: &Checkpoint) -> Result<Crop, Error> {
    /// What is read of a recipe.
    #[derive(Deserialize)]
    struct Recipe {
        #[serde(default)]
        crop: Crop,
    }
    let Some(training) = &checkpoint.training else { return Ok(Crop::Center { fraction: 1.0 }) };
    let recipe: Recipe =
        toml::from_str(&training.recipe).map_err(|error| Error::RecipeSyntax { reason: error.to_string() })?;
    Ok(recipe.crop)
}

/// All bytes of a file, if they are not more than `limit`.
pub(crate) fn read_whole(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::Read { path: path.to_owned(), source };
    let file = open_regular_file(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.len() > limit {
        return Err(Error::CheckpointTooLong { path: path.to_owned(), limit });
    }
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
