//! Errors of single entries of an archive.

use std::io;
use std::path::PathBuf;
use std::str::Utf8Error;

/// Why an entry of an archive is not unpacked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// It is larger than allowed.
    #[error("{bytes} bytes, more than {limit}")]
    TooLarge {
        /// Its size in bytes.
        bytes: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// It is a symbolic or hard link.
    #[error("a link; only files and folders are unpacked")]
    Link,
    /// It is a device, a pipe or of another type that is not unpacked.
    #[error("neither file nor folder (type {:?})", char::from(*kind))]
    UnsupportedType {
        /// The type flag of its header.
        kind: u8,
    },
    /// Its name is absolute, has a `..` or characters that are special on some systems.
    #[error("a path that leads out of the folder")]
    UnsafePath,
    /// It is not below the root folder of the archive.
    #[error("outside of the folder `{root}`")]
    OutsideRoot {
        /// The root folder.
        root: String,
    },
    /// The name of a person or an image has characters other than visible ASCII.
    #[error("a name with unexpected characters")]
    UnexpectedCharacters,
    /// An extended header is longer than allowed.
    #[error("an extended header of {bytes} bytes, more than {limit}")]
    ExtendedHeaderTooLarge {
        /// Its size in bytes.
        bytes: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// An extended header sets the path or size of the entry that follows it.
    #[error("an extended header that sets `{key}`")]
    ExtendedHeader {
        /// What it sets.
        key: String,
    },
    /// The key of an extended header is not UTF-8.
    #[error("an extended header with a malformed key: {source}")]
    ExtendedHeaderKey {
        /// What is wrong with it.
        source: Utf8Error,
    },
    /// A file of this name was unpacked already.
    #[error("a duplicate path")]
    Duplicate,
    /// Its content can't be read.
    #[error("damaged: {source}")]
    Damaged {
        /// What is wrong with it.
        source: io::Error,
    },
    /// Its content ends early.
    #[error("truncated")]
    Truncated,
    /// The image can't be written.
    #[error("can't write {}: {source}", path.display())]
    Write {
        /// The image.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}
