//! Images out of a gzipped tar archive.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read};
use std::path::Path;

use flate2::bufread::GzDecoder;
use tar::{Archive, Entry, EntryType, PaxExtensions};

use crate::error::{ArchiveEnd, EntryError, Error};

/// What an archive may hold.
pub struct Limits {
    /// Entries of all types.
    pub entries: usize,
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Bytes of the decompressed archive, headers included.
    pub bytes: u64,
}

impl Default for Limits {
    /// LFW has 13,233 images in 5,749 folders, about 200 MB.
    fn default() -> Self {
        Self { entries: 100_000, file_bytes: 16 << 20, bytes: 2 << 30 }
    }
}

/// What came out of an archive.
#[derive(Debug, PartialEq, Eq)]
pub struct Unpacked {
    /// Images written.
    pub images: usize,
    /// Files that are not images in the folder of a person, such as lists. They were not written.
    pub left_out: usize,
}

/// Writes the images `<root>/<person>/<name>.jpg` of a gzipped tar archive to
/// `<folder>/<person>/<name>.jpg`.
///
/// `path` names the archive in errors. `on_image` is called with the number of images written
/// so far. Owners, permissions and times of the archive are ignored.
///
/// # Errors
///
/// If the archive is damaged, exceeds a limit, has an entry outside of `root` (hidden ones apart),
/// a link, a device or the like, or a duplicate path; if a file can't be written. Images written
/// before stay.
pub fn unpack(
    file: File,
    path: &Path,
    root: &str,
    limits: &Limits,
    folder: &Path,
    on_image: &mut dyn FnMut(usize),
) -> Result<Unpacked, Error> {
    let damaged = |source| Error::Archive { path: path.to_owned(), source };
    let mut compressed = BufReader::new(file);
    let mut archive = Archive::new(Limited { inner: GzDecoder::new(&mut compressed), left: limits.bytes });
    let mut unpacked = Unpacked { images: 0, left_out: 0 };
    // Raw: extended headers become entries, so that they are limited and checked here.
    for (index, entry) in archive.entries().map_err(damaged)?.raw(true).enumerate() {
        if index >= limits.entries {
            return Err(Error::TooManyEntries { path: path.to_owned(), limit: limits.entries });
        }
        let mut entry = entry.map_err(damaged)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let refused = |source| Error::Entry { path: path.to_owned(), entry: name.clone(), source };
        match inspect(&mut entry, &name, root, limits).map_err(refused)? {
            Destination::Nowhere => {}
            Destination::LeftOut => unpacked.left_out += 1,
            Destination::Image { person, file } => {
                let own = folder.join(&person);
                write(&mut entry, &own, &own.join(&file)).map_err(refused)?;
                unpacked.images += 1;
                on_image(unpacked.images);
            }
        }
    }

    // To the very end, where the checksum is. Only zeros may follow the archive.
    let end = |rest: &mut dyn Read, end| match only_zeros(rest) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::TrailingData { path: path.to_owned(), end }),
        Err(source) => Err(Error::DamagedEnd { path: path.to_owned(), end, source }),
    };
    end(&mut archive.into_inner(), ArchiveEnd::Archive)?;
    end(&mut compressed, ArchiveEnd::CompressedData)?;
    Ok(unpacked)
}

/// Where an entry goes.
enum Destination {
    Image { person: String, file: String },
    LeftOut,
    Nowhere,
}

/// Checks everything about an entry except the content of files.
fn inspect(
    entry: &mut Entry<'_, impl Read>,
    name: &str,
    root: &str,
    limits: &Limits,
) -> Result<Destination, EntryError> {
    let (kind, bytes) = (entry.header().entry_type(), entry.size());
    if bytes > limits.file_bytes {
        return Err(EntryError::TooLarge { bytes, limit: limits.file_bytes });
    }
    match kind {
        EntryType::Regular | EntryType::Continuous | EntryType::Directory => {}
        EntryType::XHeader | EntryType::XGlobalHeader => {
            return inspect_extended_header(entry).map(|()| Destination::Nowhere);
        }
        EntryType::Symlink | EntryType::Link => return Err(EntryError::Link),
        _ => return Err(EntryError::UnsupportedType { kind: kind.as_byte() }),
    }
    let mut parts: Vec<&str> = name.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if name.starts_with('/') || name.contains(['\\', ':', '\0']) || parts.contains(&"..") {
        return Err(EntryError::UnsafePath);
    }
    if parts.is_empty() {
        return Ok(Destination::Nowhere);
    }
    // Systems leave such files beside folders: `._lfw`, `.DS_Store`.
    if parts[0].starts_with('.') {
        return Ok(Destination::LeftOut);
    }
    if parts.remove(0) != root {
        return Err(EntryError::OutsideRoot { root: root.to_owned() });
    }
    match parts[..] {
        _ if kind == EntryType::Directory => Ok(Destination::Nowhere),
        [person, file]
            if file.to_ascii_lowercase().ends_with(".jpg") && !person.starts_with('.') && !file.starts_with('.') =>
        {
            if ![person, file].iter().all(|part| part.bytes().all(|byte| byte.is_ascii_graphic())) {
                return Err(EntryError::UnexpectedCharacters);
            }
            Ok(Destination::Image { person: person.to_owned(), file: file.to_owned() })
        }
        _ => Ok(Destination::LeftOut),
    }
}

/// Extended headers may set times and the like, but neither path nor size of the entry that
/// follows.
fn inspect_extended_header(entry: &mut Entry<'_, impl Read>) -> Result<(), EntryError> {
    const LIMIT: u64 = 64 << 10;
    let damaged = |source| EntryError::Damaged { source };
    if entry.size() > LIMIT {
        return Err(EntryError::ExtendedHeaderTooLarge { bytes: entry.size(), limit: LIMIT });
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(damaged)?;
    for extension in PaxExtensions::new(&bytes) {
        let extension = extension.map_err(damaged)?;
        let key = extension.key().map_err(|source| EntryError::ExtendedHeaderKey { source })?;
        if matches!(key, "path" | "linkpath" | "size") || key.starts_with("GNU.sparse") {
            return Err(EntryError::ExtendedHeader { key: key.to_owned() });
        }
    }
    Ok(())
}

fn write(entry: &mut Entry<'_, impl Read>, folder: &Path, path: &Path) -> Result<(), EntryError> {
    let unwritable = |source| EntryError::Write { path: path.to_owned(), source };
    fs::create_dir_all(folder).map_err(unwritable)?;
    let mut file = match OpenOptions::new().write(true).create_new(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(EntryError::Duplicate),
        file => file.map_err(unwritable)?,
    };
    let (mut left, mut buffer) = (entry.size(), [0; 16 << 10]);
    while left > 0 {
        let count = entry.read(&mut buffer).map_err(|source| EntryError::Damaged { source })?;
        if count == 0 {
            return Err(EntryError::Truncated);
        }
        io::Write::write_all(&mut file, &buffer[..count]).map_err(unwritable)?;
        left -= count as u64;
    }
    Ok(())
}

/// Reads to the end; whether there are only zeros.
fn only_zeros(rest: &mut dyn Read) -> io::Result<bool> {
    let mut buffer = [0; 16 << 10];
    loop {
        let count = rest.read(&mut buffer)?;
        if count == 0 {
            return Ok(true);
        }
        if buffer[..count].iter().any(|&byte| byte != 0) {
            return Ok(false);
        }
    }
}

/// Fails once more than `left` bytes have been read.
struct Limited<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "more bytes than an archive may have when unpacked")
        })?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
