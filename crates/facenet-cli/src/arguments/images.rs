//! Images as arguments.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use facenet_data::{escape_path, images_below};

/// The given images, and those below the given folders.
///
/// # Errors
///
/// If a folder can't be read or has no images.
pub(crate) fn images(given: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut images = Vec::new();
    for path in given {
        if path.is_dir() {
            let below = images_below(path)?;
            ensure!(!below.is_empty(), "there are no images below {}", escape_path(path));
            images.extend(below);
        } else {
            images.push(path.clone());
        }
    }
    Ok(images)
}
