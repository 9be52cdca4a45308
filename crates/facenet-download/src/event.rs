//! Progress of an installation.

use crate::error::FetchError;
use crate::file_set::{RemoteFile, Size};

/// What happens during [`install`](crate::install). Files are installed one after the other, each
/// between an [`Event::FileStarted`] and an [`Event::FileFinished`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Files are about to be downloaded. Once, before the first of them, and only if there are any.
    DownloadPlanned {
        /// Number of files.
        files: usize,
        /// Their size altogether.
        size: Size,
    },
    /// The next events are about this file.
    FileStarted(&'a RemoteFile),
    /// The size of the file in bytes, as the server announced it.
    Length(u64),
    /// How many bytes of the file have been received, earlier runs included.
    Received(u64),
    /// A request failed and will be repeated.
    Retrying {
        /// The address.
        address: &'a str,
        /// Why the request failed.
        reason: &'a FetchError,
    },
    /// An address failed; the next one, if there is one, is tried.
    AddressFailed {
        /// The address.
        address: &'a str,
        /// Why it failed.
        reason: &'a FetchError,
    },
    /// Images have been unpacked.
    Unpacked {
        /// How many so far.
        done: usize,
        /// How many there should be in the end.
        of: usize,
    },
    /// Files of the archive were left out because they are not images in the folder of a person.
    LeftOut {
        /// How many.
        files: usize,
    },
    /// The file is installed, or failed.
    FileFinished(&'a RemoteFile),
}
