//! Reading whole files up to a size limit.

use std::io::Read;
use std::path::Path;

use crate::error::Error;
use crate::files::regular_file::open_regular_file;

/// The longest image or list file that is read, in bytes: 256 MiB.
pub const MAX_FILE_BYTES: u64 = 256 << 20;

/// Reads a whole file into memory, whatever it contains.
///
/// # Errors
/// If the file can't be read, is not a regular file, or is longer than [`MAX_FILE_BYTES`].
pub fn read_bounded_file(path: &Path) -> Result<Vec<u8>, Error> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    let file = open_regular_file(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    let too_long = || Error::FileTooLong { path: path.to_owned(), limit: MAX_FILE_BYTES };
    if length > MAX_FILE_BYTES {
        return Err(too_long());
    }
    let mut bytes = Vec::with_capacity(length as usize + 1);
    // The file may have grown since its length was read.
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(too_long());
    }
    Ok(bytes)
}
