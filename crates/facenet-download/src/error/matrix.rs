//! Errors of MATLAB files.

use std::io;

/// Why a MATLAB file can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MatrixError {
    /// It is shorter than a header.
    #[error("not a MATLAB 5 file: shorter than its header")]
    ShortHeader,
    /// Its header does not say in which order bytes are stored.
    #[error("not a MATLAB 5 file: no byte order in its header")]
    NoByteOrder,
    /// Its version is not supported.
    #[error("MATLAB file version {version:#06x} is not supported, only 0x0100 is")]
    UnsupportedVersion {
        /// The version.
        version: u16,
    },
    /// It does not hold the matrix.
    #[error("no matrix is named `{name}`")]
    NotFound {
        /// The name that was looked for.
        name: String,
    },
    /// Compressed data is damaged.
    #[error("damaged compressed data: {source}")]
    Decompress {
        /// What is wrong with it.
        source: io::Error,
    },
    /// The file decompresses to more than allowed.
    #[error("compressed data of more than {limit} bytes when unpacked")]
    DecompressedTooLarge {
        /// The limit in bytes, for all compressed data of the file.
        limit: u64,
    },
    /// A data element is longer than what contains it.
    #[error("truncated: a data element is longer than what contains it")]
    Truncated,
    /// The length of a small data element is more than the 4 bytes it can have.
    #[error("a small data element of {bytes} bytes")]
    SmallElement {
        /// The length in bytes.
        bytes: u32,
    },
    /// The flags of the matrix are malformed.
    #[error("malformed array flags")]
    Flags,
    /// The matrix is a cell array, a structure, text or another class that is not numeric.
    #[error("array class {class} is not numeric (6 to 15)")]
    Class {
        /// The class.
        class: u32,
    },
    /// The matrix has complex elements.
    #[error("complex matrices are not supported")]
    Complex,
    /// The matrix does not have two dimensions.
    #[error("not two dimensions")]
    Dimensions,
    /// A dimension is negative.
    #[error("a negative dimension")]
    NegativeDimension,
    /// The matrix has more elements than allowed.
    #[error("{rows} x {columns} elements, more than {limit}")]
    TooManyElements {
        /// Number of rows.
        rows: usize,
        /// Number of columns.
        columns: usize,
        /// The limit.
        limit: usize,
    },
    /// The matrix is stored in a type that is not numeric.
    #[error("data type {kind} is not numeric")]
    DataType {
        /// The type.
        kind: u32,
    },
    /// The stored elements are more or fewer than the dimensions say.
    #[error("{bytes} bytes instead of {elements} elements of {element_bytes} bytes")]
    Length {
        /// The stored length in bytes.
        bytes: usize,
        /// Number of elements, by the dimensions.
        elements: usize,
        /// Size of an element in bytes.
        element_bytes: usize,
    },
    /// The matrix does not have the shape of the published one.
    #[error("the matrix `{name}` is {} x {}, expected {} x {}", found[0], found[1], expected[0], expected[1])]
    Shape {
        /// Its name.
        name: &'static str,
        /// Its rows and columns.
        found: [usize; 2],
        /// The rows and columns of the published one.
        expected: [usize; 2],
    },
    /// An element is not a grey level.
    #[error("{value} is not a grey level from 0 to 255")]
    GreyLevel {
        /// The element.
        value: f64,
    },
}
