//! The published networks that are used by default.

use std::path::{Path, PathBuf};

/// The network that embeds faces: dimension 256, accuracy 0.9945 on LFW's View 2.
pub const DEFAULT_EMBEDDER: &str = "face-reidentification-retail-0095";

/// The network that finds the five landmarks of a face.
pub const DEFAULT_LANDMARK_NETWORK: &str = "landmarks-regression-retail-0009";

/// The file of a published network in a data folder, where downloads put it:
/// `weights/NAME/NAME.xml`.
#[must_use]
pub fn published_weights(data: &Path, name: &str) -> PathBuf {
    data.join("weights").join(name).join(name).with_extension("xml")
}
