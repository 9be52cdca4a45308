//! Pictures out of an archive that nobody has to trust.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use flate2::bufread::GzDecoder;
use tar::{Archive, Entry, EntryType, PaxExtensions};

/// What an archive may hold.
pub struct Limits {
    /// Entries of all kinds.
    pub entries: usize,
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Bytes of everything, unpacked, headers included.
    pub bytes: u64,
}

impl Default for Limits {
    /// LFW has 13,233 pictures in 5,749 folders, some 200 MB.
    fn default() -> Self {
        Self { entries: 100_000, file_bytes: 16 << 20, bytes: 2 << 30 }
    }
}

/// What came out of an archive.
#[derive(Debug, PartialEq, Eq)]
pub struct Unpacked {
    /// Pictures.
    pub pictures: usize,
    /// Files that are no pictures in the folder of a person, such as lists: left where they are.
    pub left_out: usize,
}

/// Writes the pictures `<top>/<person>/<name>.jpg` of a tar.gz to `<folder>/<person>/<name>.jpg`.
///
/// `path` is what the file is called in errors. `told` hears how many pictures are written. Owners, permissions and times are not those of the archive.
///
/// # Errors
/// If the archive is damaged, exceeds a limit, names something outside of `top` (hidden things apart), holds a link, a device or the like, or a name
/// twice; if a file can't be written. What is written by then stays.
pub fn unpack(
    file: File,
    path: &Path,
    top: &str,
    limits: &Limits,
    folder: &Path,
    told: &mut dyn FnMut(usize),
) -> Result<Unpacked> {
    unpack_from(BufReader::new(file), top, limits, folder, told)
        .with_context(|| format!("can't unpack {}", path.display()))
}

fn unpack_from(
    mut packed: impl BufRead,
    top: &str,
    limits: &Limits,
    folder: &Path,
    told: &mut dyn FnMut(usize),
) -> Result<Unpacked> {
    let mut archive = Archive::new(Limited { inner: GzDecoder::new(&mut packed), left: limits.bytes });
    let mut unpacked = Unpacked { pictures: 0, left_out: 0 };
    // Raw: what extends headers is not gathered in memory unseen.
    for (number, entry) in archive.entries()?.raw(true).enumerate() {
        ensure!(number < limits.entries, "more than {} entries", limits.entries);
        let mut entry = entry?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let place = inspect(&mut entry, &name, top, limits)
            .with_context(|| format!("in the entry `{}`", name.escape_debug()))?;
        match place {
            Place::Nowhere => {}
            Place::LeftOut => unpacked.left_out += 1,
            Place::Picture { person, file } => {
                let own = folder.join(&person);
                write(&mut entry, &own, &own.join(&file)).with_context(|| format!("in the entry `{name}`"))?;
                unpacked.pictures += 1;
                told(unpacked.pictures);
            }
        }
    }

    // To the end, where the checksum is; behind the archive may be zeros and nothing else.
    check_zeros(archive.into_inner()).context("behind the end of the archive")?;
    check_zeros(packed).context("behind the end of the compressed data")?;
    Ok(unpacked)
}

/// Where an entry goes.
enum Place {
    Picture { person: String, file: String },
    LeftOut,
    Nowhere,
}

/// Looks at all of an entry but its content.
fn inspect(entry: &mut Entry<'_, impl Read>, name: &str, top: &str, limits: &Limits) -> Result<Place> {
    let (kind, size) = (entry.header().entry_type(), entry.size());
    ensure!(size <= limits.file_bytes, "{size} bytes, more than {}", limits.file_bytes);
    match kind {
        EntryType::Regular | EntryType::Continuous | EntryType::Directory => {}
        EntryType::XHeader | EntryType::XGlobalHeader => return inspect_extension(entry).map(|()| Place::Nowhere),
        EntryType::Symlink | EntryType::Link => bail!("a link; only files and folders are unpacked"),
        _ => bail!("neither file nor folder (type {:?})", char::from(kind.as_byte())),
    }
    ensure!(!name.starts_with('/') && !name.contains(['\\', ':', '\0']), "a name that leads out of the folder");
    let mut parts: Vec<&str> = name.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    ensure!(!parts.contains(&".."), "a name that leads out of the folder");
    if parts.is_empty() {
        return Ok(Place::Nowhere);
    }
    // What systems leave beside folders: `._lfw`, `.DS_Store`.
    if parts[0].starts_with('.') {
        return Ok(Place::LeftOut);
    }
    ensure!(parts.remove(0) == top, "outside of the folder `{top}`");
    match parts[..] {
        _ if kind == EntryType::Directory => Ok(Place::Nowhere),
        [person, file]
            if file.to_ascii_lowercase().ends_with(".jpg") && !person.starts_with('.') && !file.starts_with('.') =>
        {
            for part in [person, file] {
                ensure!(
                    part.bytes().all(|byte| byte.is_ascii_graphic()),
                    "a name with characters that are not expected"
                );
            }
            Ok(Place::Picture { person: person.to_owned(), file: file.to_owned() })
        }
        _ => Ok(Place::LeftOut),
    }
}

/// Extended headers may say when a file was made, not what it is called or how long it is.
fn inspect_extension(entry: &mut Entry<'_, impl Read>) -> Result<()> {
    const MOST: u64 = 64 << 10;
    ensure!(entry.size() <= MOST, "an extended header of {} bytes, more than {MOST}", entry.size());
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes)?;
    for extension in PaxExtensions::new(&bytes) {
        let key = extension?.key()?;
        let renames = matches!(key, "path" | "linkpath" | "size") || key.starts_with("GNU.sparse");
        ensure!(!renames, "an extended header that sets `{key}`");
    }
    Ok(())
}

fn write(entry: &mut Entry<'_, impl Read>, folder: &Path, path: &Path) -> Result<()> {
    let advice = || format!("can't write {}; is there room, and may files be written there?", path.display());
    fs::create_dir_all(folder).with_context(advice)?;
    let mut file = match OpenOptions::new().write(true).create_new(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => bail!("a name that was there before"),
        file => file.with_context(advice)?,
    };
    let (mut left, mut buffer) = (entry.size(), [0; 16 << 10]);
    while left > 0 {
        let count = entry.read(&mut buffer).context("damaged")?;
        ensure!(count > 0, "truncated");
        io::Write::write_all(&mut file, &buffer[..count]).with_context(advice)?;
        left -= count as u64;
    }
    Ok(())
}

fn check_zeros(mut rest: impl Read) -> Result<()> {
    let mut buffer = [0; 16 << 10];
    loop {
        let count = rest.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        ensure!(buffer[..count].iter().all(|&byte| byte == 0), "something that doesn't belong there");
    }
}

/// So many bytes and no more.
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
