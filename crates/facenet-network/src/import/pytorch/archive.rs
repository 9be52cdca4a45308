//! The zip archives of `torch.save`, whose entries are not compressed.

use std::collections::BTreeMap;

use crate::error::Error;
use crate::import::pytorch::syntax_error::syntax_error;
use crate::import::unsupported_format::UnsupportedFormat;

/// Lengths of the fixed parts of zip records, in bytes.
const END: usize = 22;
const END_64: usize = 56;
const LOCATOR_64: usize = 20;
const CENTRAL: usize = 46;
const LOCAL: usize = 30;
const FULL_16: u64 = 0xffff;
const FULL_32: u64 = 0xffff_ffff;

/// The entries of an archive with a file `data.pkl` by name, as slices of `bytes`.
///
/// Compressed entries are refused: `torch.save` writes none, and without them no entry is larger
/// than the file. Checksums are not verified; `torch.load` does not verify them either, and
/// `torch.save` can omit them.
///
/// # Errors
///
/// If the directory or an entry exceeds the file, the archive is TorchScript or of other files, an
/// entry is compressed or encrypted, or two entries have the same name.
pub(super) fn entries(bytes: &[u8]) -> Result<BTreeMap<&str, &[u8]>, Error> {
    let cut = || syntax_error("the zip archive is truncated or damaged");
    let (count, start) = directory(bytes).ok_or_else(cut)?;
    let mut headers = BTreeMap::new();
    let mut at = start;
    // A wrong count ends at the end of the file, since each header takes bytes.
    for _ in 0..count {
        let header = Header::read(bytes, at).ok_or_else(cut)?;
        let name =
            str::from_utf8(header.name).map_err(|_| syntax_error("the zip archive has a name that is not UTF-8"))?;
        at = header.end;
        if headers.insert(name, header).is_some() {
            return Err(syntax_error(format_args!("the zip archive has two entries {name:?}")));
        }
    }
    let has = |file: &str| headers.keys().any(|name| name.strip_suffix(file).is_some_and(|root| root.ends_with('/')));
    if has("constants.pkl") {
        return Err(Error::UnsupportedFormat { format: UnsupportedFormat::TorchScript });
    }
    if !has("data.pkl") {
        return Err(Error::UnsupportedFormat { format: UnsupportedFormat::of_archive(headers.into_keys()) });
    }
    let mut entries = BTreeMap::new();
    for (name, header) in headers {
        if header.flags & 1 != 0 {
            return Err(syntax_error(format_args!("entry {name:?} of the zip archive is encrypted")));
        }
        if header.method != 0 {
            return Err(syntax_error(format_args!(
                "entry {name:?} of the zip archive is compressed; torch.save does not compress"
            )));
        }
        let data = header.data(bytes).ok_or_else(|| {
            syntax_error(format_args!("entry {name:?} of the zip archive is not where its directory says"))
        })?;
        entries.insert(name, data);
    }
    Ok(entries)
}

/// Number of entries and offset of the directory, from the records at the end of the file.
fn directory(bytes: &[u8]) -> Option<(u64, usize)> {
    let end = bytes.len().checked_sub(END)?;
    signature(bytes, end, *b"PK\x05\x06")?;
    let (mut count, mut start) = (u64::from(u16_at(bytes, end + 10)?), u64::from(u32_at(bytes, end + 16)?));
    if count == FULL_16 || start == FULL_32 {
        let locator = end.checked_sub(LOCATOR_64)?;
        signature(bytes, locator, *b"PK\x06\x07")?;
        let end = usize::try_from(u64_at(bytes, locator + 8)?).ok()?;
        bytes.get(end..)?.get(..END_64)?;
        signature(bytes, end, *b"PK\x06\x06")?;
        (count, start) = (u64_at(bytes, end + 32)?, u64_at(bytes, end + 48)?);
    }
    Some((count, usize::try_from(start).ok()?))
}

/// A header in the directory.
struct Header<'a> {
    name: &'a [u8],
    flags: u16,
    method: u16,
    size: u64,
    compressed: u64,
    /// Offset of the entry's local header.
    local: u64,
    /// Offset of the next header in the directory.
    end: usize,
}

impl<'a> Header<'a> {
    fn read(bytes: &'a [u8], at: usize) -> Option<Self> {
        let rest = bytes.get(at..)?;
        signature(rest, 0, *b"PK\x01\x02")?;
        let length = |at| u16_at(rest, at).map(usize::from);
        let (name, extra, comment) = (length(28)?, length(30)?, length(32)?);
        let mut header = Self {
            name: rest.get(CENTRAL..CENTRAL + name)?,
            flags: u16_at(rest, 8)?,
            method: u16_at(rest, 10)?,
            size: u32_at(rest, 24)?.into(),
            compressed: u32_at(rest, 20)?.into(),
            local: u32_at(rest, 42)?.into(),
            end: at + CENTRAL + name + extra + comment,
        };
        let mut extra = rest.get(CENTRAL + name..CENTRAL + name + extra)?;
        // Values that do not fit in 32 bits are in the extra field of kind 1, in this order.
        while header.size == FULL_32 || header.compressed == FULL_32 || header.local == FULL_32 {
            let (kind, length) = (u16_at(extra, 0)?, usize::from(u16_at(extra, 2)?));
            let field = extra.get(4..4 + length)?;
            if kind == 1 {
                let mut at = 0;
                for value in [&mut header.size, &mut header.compressed, &mut header.local] {
                    if *value == FULL_32 {
                        *value = u64_at(field, at)?;
                        at += 8;
                    }
                }
                break;
            }
            extra = &extra[4 + length..];
        }
        Some(header)
    }

    fn data(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let rest = bytes.get(usize::try_from(self.local).ok()?..)?;
        signature(rest, 0, *b"PK\x03\x04")?;
        let (name, extra) = (usize::from(u16_at(rest, 26)?), usize::from(u16_at(rest, 28)?));
        let same = rest.get(LOCAL..LOCAL + name)? == self.name && self.size == self.compressed;
        let data = rest.get(LOCAL + name + extra..)?.get(..usize::try_from(self.size).ok()?)?;
        same.then_some(data)
    }
}

fn signature(bytes: &[u8], at: usize, expected: [u8; 4]) -> Option<()> {
    (array_at(bytes, at)? == expected).then_some(())
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array_at(bytes, at).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array_at(bytes, at).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    array_at(bytes, at).map(u64::from_le_bytes)
}
