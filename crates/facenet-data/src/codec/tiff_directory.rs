//! The first directory of a TIFF file: camera raw files, and checks before the decoder.

/// Why a TIFF file is not given to the decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TiffError {
    Truncated,
    /// Camera raw: its first image is a reduced one, or needs to be developed.
    CameraRaw,
    Damaged(&'static str),
    Unsupported(&'static str),
}

/// The largest count of values of one entry: an offset for each row of four planes, or for each
/// tile of 16 x 16 pixels.
const MAX_VALUES: u64 = 1 << 21;
/// The largest side of a tile, which the decoder allocates a row of.
const MAX_TILE_SIDE: u64 = 1 << 16;
/// Entries beyond this tag are not read by the decoder, apart from the orientation and the like.
const LAST_BASELINE_TAG: u64 = 532;

const NEW_SUBFILE_TYPE: u64 = 254;
const COMPRESSION: u64 = 259;
const PHOTOMETRIC_INTERPRETATION: u64 = 262;
const TILE_WIDTH: u64 = 322;
const TILE_LENGTH: u64 = 323;
const DNG_VERSION: u64 = 50_706;

/// Checks the first directory (TIFF 6.0, section 2; in BigTIFF, fields of 8 bytes).
pub(crate) fn check_tiff(bytes: &[u8]) -> Result<(), TiffError> {
    let order = if bytes.starts_with(b"M") { ByteOrder::Big } else { ByteOrder::Little };
    let file = File { bytes, order };
    // Canon CR2.
    if bytes.get(8..10) == Some(b"CR") {
        return Err(TiffError::CameraRaw);
    }
    // Sizes of an offset, of the number of entries, and of an entry.
    let (offset_size, count_size, entry_size, directory) = match file.number(2, 2)? {
        43 => (8, 8, 20, file.number(8, 8)?),
        _ => (4, 2, 12, file.number(4, 4)?),
    };
    let directory = usize::try_from(directory).map_err(|_| TiffError::Truncated)?;
    let entries = file.number(directory, count_size)?;
    let table = directory.checked_add(count_size).and_then(|start| bytes.get(start..)).ok_or(TiffError::Truncated)?;
    if ((table.len() / entry_size) as u64) < entries {
        return Err(TiffError::Truncated);
    }
    let mut result = Ok(());
    for entry in table.chunks_exact(entry_size).take(entries as usize) {
        let entry = File { bytes: entry, ..file };
        let (tag, kind, count) = (entry.number(0, 2)?, entry.number(2, 2)?, entry.number(4, offset_size)?);
        // SHORT has two bytes, LONG four.
        let value = entry.number(4 + offset_size, if kind == 3 { 2 } else { 4 })?;
        match tag {
            NEW_SUBFILE_TYPE if value & 1 == 1 => return Err(TiffError::CameraRaw),
            // A color filter array, linear raw.
            PHOTOMETRIC_INTERPRETATION if matches!(value, 32_803 | 34_892) => return Err(TiffError::CameraRaw),
            DNG_VERSION => return Err(TiffError::CameraRaw),
            // The decoder allocates whatever size a JPEG within declares.
            COMPRESSION if matches!(value, 6 | 7) => result = Err(TiffError::Unsupported("JPEG compression in TIFF")),
            TILE_WIDTH | TILE_LENGTH if value > MAX_TILE_SIDE => {
                result = Err(TiffError::Damaged("a tile is too large"))
            }
            tag if tag <= LAST_BASELINE_TAG && count > MAX_VALUES => {
                result = Err(TiffError::Damaged("an entry of the directory is too long"));
            }
            _ => {}
        }
    }
    result
}

#[derive(Clone, Copy)]
enum ByteOrder {
    Big,
    Little,
}

#[derive(Clone, Copy)]
struct File<'a> {
    bytes: &'a [u8],
    order: ByteOrder,
}

impl File<'_> {
    /// The unsigned number of so many bytes at an offset.
    fn number(&self, offset: usize, size: usize) -> Result<u64, TiffError> {
        let end = offset.checked_add(size).ok_or(TiffError::Truncated)?;
        let bytes = self.bytes.get(offset..end).ok_or(TiffError::Truncated)?;
        let append = |number: u64, &byte: &u8| number << 8 | u64::from(byte);
        Ok(match self.order {
            ByteOrder::Big => bytes.iter().fold(0, append),
            ByteOrder::Little => bytes.iter().rev().fold(0, append),
        })
    }
}
