//! The published networks that are used unless others are given.

use std::path::{Path, PathBuf};

/// The network that embeds faces: 256 elements, 0.9945 on LFW's View 2.
pub const DEFAULT_EMBEDDER: &str = "face-reidentification-retail-0095";

/// The network that locates the five landmarks of a face.
pub const DEFAULT_LANDMARK_NETWORK: &str = "landmarks-regression-retail-0009";

/// The file of a published network, as a download lays it out below a folder of data sets: `weights/NAME/NAME.xml`.
#[must_use]
pub fn published_weights(data: &Path, name: &str) -> PathBuf {
    data.join("weights").join(name).join(name).with_extension("xml")
}
