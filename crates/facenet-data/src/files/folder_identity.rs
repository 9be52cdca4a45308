//! Which folder a path leads to.

use std::io;
use std::path::Path;

use crate::files::regular_file::metadata;

/// Equal for two paths if they lead to one folder: device and inode, elsewhere than on Unix the canonical
/// path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FolderIdentity(#[cfg(unix)] [u64; 2], #[cfg(not(unix))] std::path::PathBuf);

impl FolderIdentity {
    /// Follows links.
    pub(crate) fn of(folder: &Path) -> io::Result<Self> {
        let metadata = metadata(folder)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            Ok(Self([metadata.dev(), metadata.ino()]))
        }
        #[cfg(not(unix))]
        {
            let _ = metadata;
            std::fs::canonicalize(folder).map(Self)
        }
    }
}
