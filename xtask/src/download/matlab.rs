//! Matrices in MATLAB files of version 5.
//!
//! After a header of 128 bytes such a file is a row of elements, each with a tag (type, bytes) in front. A matrix is an element of
//! elements: flags, dimensions, name, numbers. An element may be a compressed one. See MathWorks, "MAT-File Format", chapter 1.

use std::io::Read;

use anyhow::{Context, Result, bail, ensure};
use flate2::read::ZlibDecoder;

/// A matrix of real numbers.
#[derive(Debug, PartialEq)]
pub struct Matrix {
    /// Numbers in a column.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// The numbers, column by column.
    pub values: Vec<f64>,
}

/// The most bytes that all compressed elements of a file may have when unpacked.
const MOST_BYTES: u64 = 64 << 20;
/// The most numbers in a matrix.
const MOST_NUMBERS: usize = 4 << 20;

const HEADER: usize = 128;
const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;

/// The matrix of that name in a file's bytes.
///
/// # Errors
/// If they are not such a file, if there is no such matrix, and if it is malformed, not a matrix of real numbers or larger than
/// the limits.
pub fn read_matrix(bytes: &[u8], name: &str) -> Result<Matrix> {
    ensure!(bytes.len() >= HEADER, "not a MATLAB 5 file: shorter than its header");
    let (header, mut rest) = bytes.split_at(HEADER);
    let order = match &header[126..] {
        b"IM" => Order::Little,
        b"MI" => Order::Big,
        _ => bail!("not a MATLAB 5 file: no byte order in its header"),
    };
    let version = order.u16([header[124], header[125]]);
    ensure!(version == 0x0100, "version {version:#06x} of MATLAB files is not read, only 0x0100 is");

    let mut left = MOST_BYTES;
    while !rest.is_empty() {
        let element = order.element(&mut rest)?;
        let unpacked;
        let matrix = match element.kind {
            MATRIX => element.bytes,
            COMPRESSED => {
                unpacked = unpack(element.bytes, left)?;
                left -= unpacked.len() as u64;
                let inner = order.element(&mut unpacked.as_slice())?;
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
    bail!("no matrix is called `{name}`")
}

fn unpack(bytes: &[u8], limit: u64) -> Result<Vec<u8>> {
    let mut unpacked = Vec::new();
    ZlibDecoder::new(bytes).take(limit + 1).read_to_end(&mut unpacked).context("damaged compressed data")?;
    ensure!(unpacked.len() as u64 <= limit, "compressed data of more than {MOST_BYTES} bytes when unpacked");
    Ok(unpacked)
}

/// Which byte of a number comes first.
#[derive(Clone, Copy)]
enum Order {
    Little,
    Big,
}

/// A part of a file, with its type.
struct Element<'a> {
    kind: u32,
    bytes: &'a [u8],
}

impl Order {
    /// The next element; what comes behind it is left in `rest`.
    fn element<'a>(self, rest: &mut &'a [u8]) -> Result<Element<'a>> {
        let truncated = "truncated: an element is longer than what holds it";
        let (&tag, behind) = rest.split_first_chunk::<8>().context(truncated)?;
        let [first, second] = [[tag[0], tag[1], tag[2], tag[3]], [tag[4], tag[5], tag[6], tag[7]]].map(|b| self.u32(b));
        // A small element has its length in the upper half of its type, and up to 4 bytes in place of the length.
        let small = first >> 16;
        if small != 0 {
            ensure!(small <= 4, "a small element of {small} bytes");
            let bytes = &rest[4..4 + small as usize];
            *rest = behind;
            return Ok(Element { kind: first & 0xffff, bytes });
        }
        let length = usize::try_from(second)?;
        let bytes = behind.get(..length).context(truncated)?;
        // Compressed elements are not padded to multiples of 8 bytes; the padding of the last element may be missing.
        let padded = if first == COMPRESSED { length } else { length.next_multiple_of(8) };
        *rest = behind.get(padded..).unwrap_or_default();
        Ok(Element { kind: first, bytes })
    }

    /// A matrix, if it has that name.
    fn matrix(self, mut rest: &[u8], name: &str) -> Result<Option<Matrix>> {
        let flags = self.element(&mut rest)?;
        let dimensions = self.element(&mut rest)?;
        if self.element(&mut rest)?.bytes != name.as_bytes() {
            return Ok(None);
        }
        self.named_matrix(&flags, &dimensions, rest).with_context(|| format!("in the matrix `{name}`")).map(Some)
    }

    fn named_matrix(self, flags: &Element<'_>, dimensions: &Element<'_>, mut rest: &[u8]) -> Result<Matrix> {
        const UINT32: u32 = 6;
        const INT32: u32 = 5;
        ensure!(flags.kind == UINT32 && flags.bytes.len() == 8, "malformed flags");
        let flags = self.u32([flags.bytes[0], flags.bytes[1], flags.bytes[2], flags.bytes[3]]);
        let class = flags & 0xff;
        ensure!((6..=15).contains(&class), "class {class} is not one of numbers (6 to 15)");
        ensure!(flags & 0x800 == 0, "complex numbers are not read");

        ensure!(dimensions.kind == INT32 && dimensions.bytes.len() == 8, "not two dimensions");
        let (sides, _) = dimensions.bytes.as_chunks::<4>();
        let [rows, columns] = [sides[0], sides[1]].map(|side| usize::try_from(self.u32(side).cast_signed()));
        let (rows, columns) = (rows.context("a negative dimension")?, columns.context("a negative dimension")?);
        let numbers = rows.checked_mul(columns).filter(|&numbers| numbers <= MOST_NUMBERS);
        let numbers = numbers.with_context(|| format!("{rows} x {columns} numbers, more than {MOST_NUMBERS}"))?;

        let values = self.numbers(&self.element(&mut rest)?, numbers)?;
        Ok(Matrix { rows, columns, values })
    }

    /// Whatever the class of a matrix, its numbers are stored in the smallest type that holds them.
    fn numbers(self, element: &Element<'_>, count: usize) -> Result<Vec<f64>> {
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
            kind => bail!("type {kind} is not one of numbers"),
        }
    }

    /// Exactly `count` numbers of `N` bytes.
    fn each<const N: usize>(
        self,
        bytes: &[u8],
        count: usize,
        number: impl Fn(Self, [u8; N]) -> f64,
    ) -> Result<Vec<f64>> {
        ensure!(bytes.len() == count * N, "{} bytes instead of {count} numbers of {N} bytes", bytes.len());
        let (chunks, _) = bytes.as_chunks::<N>();
        Ok(chunks.iter().map(|&chunk| number(self, chunk)).collect())
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
