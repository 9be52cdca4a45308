//! Real data sets and weights.

use std::path::{Path, PathBuf};

/// A path below `$FACENET_DATA`, or else below `data/` of the workspace; `None`, with a printed
/// reason, if it does not exist.
///
/// # Panics
///
/// If `$FACENET_DATA` is set but is not a folder: then every test on real data would be skipped.
#[must_use]
pub fn data(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("FACENET_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../data"), PathBuf::from);
    let mistyped = std::env::var_os("FACENET_DATA").is_some() && !root.is_dir();
    assert!(!mistyped, "$FACENET_DATA is not a folder: {}", root.display());
    let path = root.join(path);
    if !path.exists() {
        println!("skipped: {} is missing", path.display());
        return None;
    }
    Some(path)
}
