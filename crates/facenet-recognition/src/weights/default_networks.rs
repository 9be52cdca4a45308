//! The published networks that are used by default.

use std::path::{Path, PathBuf};

/// The network that embeds faces: dimension 256, accuracy 0.9945 on LFW's View 2.
pub const DEFAULT_EMBEDDER: &str = "face-reidentification-retail-0095";

/// The network that finds faces in photos.
pub const DEFAULT_DETECTOR: &str = "yunet_n";

/// The file of a published network in a data folder, where downloads put it: `weights/NAME/NAME.xml`, or
/// `.pth` for [`DEFAULT_DETECTOR`].
#[must_use]
pub fn published_weights(data: &Path, name: &str) -> PathBuf {
    data.join("weights").join(name).join(name).with_extension(if name == DEFAULT_DETECTOR { "pth" } else { "xml" })
}
