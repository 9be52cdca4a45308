//! Sets of remote files, as data.

use std::fmt;

/// Files that belong together: a data set, or the weights of a network.
#[derive(Clone, Debug)]
pub struct FileSet {
    /// Its name, which is also its folder below the data folder: `lfw`, `weights/mobilefacenet_y1`.
    pub name: &'static str,
    /// Who published it and what it may be used for, on one line.
    pub terms: &'static str,
    /// The files of the set.
    pub files: Vec<RemoteFile>,
    /// The name of the file to load as an embedding network, if there is one.
    pub embedder: Option<&'static str>,
}

/// A published file, pinned by its SHA-256.
#[derive(Clone, Debug)]
pub struct RemoteFile {
    /// Its name, also on a mirror: `lfw.tgz`.
    pub name: &'static str,
    /// Addresses, in the order in which they are tried.
    pub addresses: Vec<String>,
    /// Its size.
    pub size: Size,
    /// SHA-256 of its bytes, as 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// What is installed from it.
    pub layout: Layout,
}

/// The size of a file in bytes. `Display` groups the digits: `180,566,744 bytes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// The exact size.
    Exactly(u64),
    /// An estimate.
    About {
        /// The estimate.
        bytes: u64,
        /// An upper bound; longer files are refused.
        limit: u64,
    },
}

/// What is installed from a file. Paths are relative to the folder of the set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Layout {
    /// The file as it is, at this path.
    File(&'static str),
    /// A folder with one folder of images per person.
    People {
        /// The folder; empty for the folder of the set itself.
        folder: &'static str,
        /// How the images are stored in the file.
        format: ArchiveFormat,
        /// Number of people.
        people: usize,
        /// Number of images of all people.
        images: usize,
    },
}

/// How images are stored in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArchiveFormat {
    /// A gzipped tar archive of files `<root>/<person>/<image>.jpg`.
    TarGz {
        /// The folder at the root of the archive.
        root: &'static str,
    },
    /// A MATLAB file with a matrix `faces`: one 64 x 64 image per column, ten consecutive columns
    /// per person.
    OlivettiMatrix,
}

impl Size {
    /// The largest size accepted, in bytes.
    #[must_use]
    pub fn limit(self) -> u64 {
        match self {
            Self::Exactly(bytes) | Self::About { limit: bytes, .. } => bytes,
        }
    }

    /// The size to expect, in bytes.
    #[must_use]
    pub fn expected(self) -> u64 {
        match self {
            Self::Exactly(bytes) | Self::About { bytes, .. } => bytes,
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let about = if matches!(self, Self::About { .. }) { "about " } else { "" };
        write!(formatter, "{about}{} bytes", grouped(self.expected()))
    }
}

/// Digits in groups of three: `26,002`.
fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_by_three() {
        let texts = [0, 7, 999, 1_000, 26_002, 180_566_744].map(|bytes| Size::Exactly(bytes).to_string());
        let expected = ["0", "7", "999", "1,000", "26,002", "180,566,744"].map(|digits| format!("{digits} bytes"));
        assert_eq!(texts, expected);
        assert_eq!(Size::About { bytes: 1_024, limit: 9_000 }.to_string(), "about 1,024 bytes");
    }
}
