//! Checkpoint files.

use std::io::Read;
use std::path::Path;

use facenet_data::{Crop, open_regular_file, write_atomically};
use facenet_network::Checkpoint;
use serde::Deserialize;

use crate::calibration::calibration;
use crate::error::Error;

/// Limit on the length of a checkpoint in bytes: more than the largest network takes with its
/// optimizer state.
const LIMIT: u64 = 16 << 30;

/// Writes a checkpoint atomically.
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
/// If the file can't be read, is not a checkpoint, or has an invalid calibration. The error names
/// the file.
pub fn read_checkpoint(path: &Path) -> Result<Checkpoint, Error> {
    let bytes = read_file(path, LIMIT)?;
    let failed = |source| Error::Checkpoint { path: path.to_owned(), source };
    let checkpoint = Checkpoint::from_bytes(&bytes).map_err(failed)?;
    calibration(&checkpoint, path)?;
    Ok(checkpoint)
}

/// The crop that a checkpoint's network was trained on, for faces that are not aligned. The largest
/// centered crop for a network that was trained elsewhere.
///
/// # Errors
///
/// [`Error::RecipeSyntax`] if the recipe in the checkpoint can't be read.
pub fn training_crop(checkpoint: &Checkpoint) -> Result<Crop, Error> {
    /// The part of a recipe that is read here.
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

/// The bytes of a regular file of at most `limit` bytes.
pub(crate) fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::Read { path: path.to_owned(), source };
    let file = open_regular_file(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.len() > limit {
        return Err(Error::FileTooLarge { path: path.to_owned(), limit });
    }
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
