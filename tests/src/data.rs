//! Real data sets and weights.

use std::path::{Path, PathBuf};

/// A path below `$FACENET_DATA`, or else below `data/` of the workspace; `None`, with a printed
/// reason, if it does not exist.
#[must_use]
pub fn data(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("FACENET_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../data"), PathBuf::from);
    let path = root.join(path);
    if !path.exists() {
        println!("skipped: {} is missing", path.display());
        return None;
    }
    Some(path)
}
