//! Matrices in MATLAB files of version 5.
//!
//! After a header of 128 bytes such a file is a sequence of data elements, each preceded by a tag
//! (type, bytes). A matrix is a data element made of data elements: flags, dimensions, name,
//! values. A data element may be compressed. See MathWorks, "MAT-File Format", chapter 1.

use std::io::Read;

use flate2::read::ZlibDecoder;

use crate::error::MatrixError;

/// A real matrix.
#[derive(Debug, PartialEq)]
pub struct Matrix {
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub columns: usize,
    /// The elements, column by column.
    pub values: Vec<f64>,
}

/// The most bytes that all compressed data of a file may decompress to.
const BYTE_LIMIT: u64 = 64 << 20;
/// The most elements of a matrix.
const ELEMENT_LIMIT: usize = 4 << 20;

const HEADER: usize = 128;
const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;

/// Reads the matrix of this name from the bytes of a MATLAB file.
///
/// # Errors
///
/// If the bytes are not a MATLAB 5 file, if there is no matrix of this name, if it is malformed,
/// not real or not numeric, or if it exceeds a limit.
pub fn read_matrix(bytes: &[u8], name: &str) -> Result<Matrix, MatrixError> {
    let Some((header, mut rest)) = bytes.split_first_chunk::<HEADER>() else {
        return Err(MatrixError::ShortHeader);
    };
    let order = match &header[126..] {
        b"IM" => ByteOrder::Little,
        b"MI" => ByteOrder::Big,
        _ => return Err(MatrixError::NoByteOrder),
    };
    let version = order.u16([header[124], header[125]]);
    if version != 0x0100 {
        return Err(MatrixError::UnsupportedVersion { version });
    }

    let mut left = BYTE_LIMIT;
    while !rest.is_empty() {
        let element = order.element(&mut rest)?;
        let decompressed;
        let matrix = match element.kind {
            MATRIX => element.bytes,
            COMPRESSED => {
                decompressed = decompress(element.bytes, left)?;
                left -= decompressed.len() as u64;
                let inner = order.element(&mut decompressed.as_slice())?;
                if inner.kind != MATRIX {
                    continue;
                }
                inner.bytes
            }
            _ => continue,
        };
        if let Some(matrix) = order.matrix(matrix, name)? {
            return Ok(matrix);
        }
    }
    Err(MatrixError::NotFound { name: name.to_owned() })
}

fn decompress(bytes: &[u8], limit: u64) -> Result<Vec<u8>, MatrixError> {
    let mut decompressed = Vec::new();
    let read = ZlibDecoder::new(bytes).take(limit + 1).read_to_end(&mut decompressed);
    read.map_err(|source| MatrixError::Decompress { source })?;
    match decompressed.len() as u64 <= limit {
        true => Ok(decompressed),
        false => Err(MatrixError::DecompressedTooLarge { limit: BYTE_LIMIT }),
    }
}

/// The order of the bytes of a value.
#[derive(Clone, Copy)]
enum ByteOrder {
    Little,
    Big,
}

/// A data element.
struct DataElement<'a> {
    kind: u32,
    bytes: &'a [u8],
}

impl ByteOrder {
    /// The next data element; `rest` becomes what follows it.
    fn element<'a>(self, rest: &mut &'a [u8]) -> Result<DataElement<'a>, MatrixError> {
        let (&tag, after) = rest.split_first_chunk::<8>().ok_or(MatrixError::Truncated)?;
        let [first, second] = [[tag[0], tag[1], tag[2], tag[3]], [tag[4], tag[5], tag[6], tag[7]]].map(|b| self.u32(b));
        // A small element has its length in the upper half of its type, and up to 4 bytes in place
        // of the length.
        let small = first >> 16;
        if small != 0 {
            if small > 4 {
                return Err(MatrixError::SmallElement { bytes: small });
            }
            let bytes = &rest[4..4 + small as usize];
            *rest = after;
            return Ok(DataElement { kind: first & 0xffff, bytes });
        }
        let length = second as usize;
        let bytes = after.get(..length).ok_or(MatrixError::Truncated)?;
        // Compressed elements are not padded to multiples of 8 bytes; the padding of the last
        // element may be missing.
        let padded = if first == COMPRESSED { length } else { length.next_multiple_of(8) };
        *rest = after.get(padded..).unwrap_or_default();
        Ok(DataElement { kind: first, bytes })
    }

    /// The matrix, if it has this name.
    fn matrix(self, mut rest: &[u8], name: &str) -> Result<Option<Matrix>, MatrixError> {
        let flags = self.element(&mut rest)?;
        let dimensions = self.element(&mut rest)?;
        if self.element(&mut rest)?.bytes != name.as_bytes() {
            return Ok(None);
        }
        self.named_matrix(&flags, &dimensions, rest).map(Some)
    }

    fn named_matrix(
        self,
        flags: &DataElement<'_>,
        dimensions: &DataElement<'_>,
        mut rest: &[u8],
    ) -> Result<Matrix, MatrixError> {
        const UINT32: u32 = 6;
        const INT32: u32 = 5;
        if flags.kind != UINT32 || flags.bytes.len() != 8 {
            return Err(MatrixError::Flags);
        }
        let flags = self.u32([flags.bytes[0], flags.bytes[1], flags.bytes[2], flags.bytes[3]]);
        let class = flags & 0xff;
        if !(6..=15).contains(&class) {
            return Err(MatrixError::Class { class });
        }
        if flags & 0x800 != 0 {
            return Err(MatrixError::Complex);
        }

        if dimensions.kind != INT32 || dimensions.bytes.len() != 8 {
            return Err(MatrixError::Dimensions);
        }
        let (sides, _) = dimensions.bytes.as_chunks::<4>();
        let [rows, columns] = [sides[0], sides[1]].map(|side| usize::try_from(self.u32(side).cast_signed()));
        let (Ok(rows), Ok(columns)) = (rows, columns) else { return Err(MatrixError::NegativeDimension) };
        let elements = rows.checked_mul(columns).filter(|&elements| elements <= ELEMENT_LIMIT);
        let elements = elements.ok_or(MatrixError::TooManyElements { rows, columns, limit: ELEMENT_LIMIT })?;

        let values = self.values(&self.element(&mut rest)?, elements)?;
        Ok(Matrix { rows, columns, values })
    }

    /// Whatever the class of a matrix, its elements are stored in the smallest type that holds
    /// them.
    fn values(self, element: &DataElement<'_>, count: usize) -> Result<Vec<f64>, MatrixError> {
        let bytes = element.bytes;
        match element.kind {
            1 => self.each(bytes, count, |_, [byte]| f64::from(byte.cast_signed())),
            2 => self.each(bytes, count, |_, [byte]| f64::from(byte)),
            3 => self.each(bytes, count, |order, b| f64::from(order.u16(b).cast_signed())),
            4 => self.each(bytes, count, |order, b| f64::from(order.u16(b))),
            5 => self.each(bytes, count, |order, b| f64::from(order.u32(b).cast_signed())),
            6 => self.each(bytes, count, |order, b| f64::from(order.u32(b))),
            7 => self.each(bytes, count, |order, b| f64::from(f32::from_bits(order.u32(b)))),
            9 => self.each(bytes, count, |order, b| f64::from_bits(order.u64(b))),
            12 => self.each(bytes, count, |order, b| order.u64(b).cast_signed() as f64),
            13 => self.each(bytes, count, |order, b| order.u64(b) as f64),
            kind => Err(MatrixError::DataType { kind }),
        }
    }

    /// Exactly `count` values of `N` bytes.
    fn each<const N: usize>(
        self,
        bytes: &[u8],
        count: usize,
        value: impl Fn(Self, [u8; N]) -> f64,
    ) -> Result<Vec<f64>, MatrixError> {
        if bytes.len() != count * N {
            return Err(MatrixError::Length { bytes: bytes.len(), elements: count, element_bytes: N });
        }
        let (chunks, _) = bytes.as_chunks::<N>();
        Ok(chunks.iter().map(|&chunk| value(self, chunk)).collect())
    }

    fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    fn u64(self, bytes: [u8; 8]) -> u64 {
        match self {
            Self::Little => u64::from_le_bytes(bytes),
            Self::Big => u64::from_be_bytes(bytes),
        }
    }
}

#[cfg(test)]
mod tests;
