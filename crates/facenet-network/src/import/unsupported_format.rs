//! Files that are often taken for weights, recognized to be named in errors.

use std::fmt;

/// A format that holds no weights that can be read, recognized by content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnsupportedFormat {
    /// An empty file.
    Empty,
    /// A page of HTML: the answer of a server in place of the file.
    Html,
    /// A pointer of Git LFS in place of the file.
    GitLfsPointer,
    /// A program of `torch.jit.save`.
    TorchScript,
    /// A file of Torch 7, in Lua.
    Torch7,
    /// An ONNX model.
    Onnx,
    /// A graph of TensorFlow, frozen or a `SavedModel`.
    TensorFlow,
    /// A TensorFlow Lite model.
    TensorFlowLite,
    /// An HDF5 file, in which Keras saves models and weights.
    Hdf5,
    /// A `.keras` archive.
    Keras,
    /// Parameters of MXNet.
    MxNet,
    /// One or more arrays of NumPy.
    NumPy,
    /// A tar archive, also written by the first versions of PyTorch.
    Tar,
    /// A zip archive of other files.
    Zip,
    /// A file compressed by gzip.
    Gzip,
}

impl fmt::Display for UnsupportedFormat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Empty => "empty",
            Self::Html => "an HTML page",
            Self::GitLfsPointer => "a Git LFS pointer",
            Self::TorchScript => "a TorchScript archive",
            Self::Torch7 => "a Torch 7 file",
            Self::Onnx => "an ONNX model",
            Self::TensorFlow => "a TensorFlow graph",
            Self::TensorFlowLite => "a TensorFlow Lite model",
            Self::Hdf5 => "an HDF5 file, as written by Keras",
            Self::Keras => "a Keras archive",
            Self::MxNet => "an MXNet parameter file",
            Self::NumPy => "a NumPy file",
            Self::Tar => "a tar archive",
            Self::Zip => "a zip archive of other files",
            Self::Gzip => "a gzip file",
        })
    }
}

/// Bytes of the start of a file in which a page of HTML says that it is one.
const HTML_START: usize = 512;

impl UnsupportedFormat {
    /// The format of a file that is neither a zip archive nor in a format that can be read.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let starts = |magic: &[u8]| bytes.starts_with(magic);
        Some(match bytes {
            [] => Self::Empty,
            _ if starts(b"version https://git-lfs") => Self::GitLfsPointer,
            _ if starts(b"\x89HDF\r\n\x1a\n") => Self::Hdf5,
            _ if starts(b"\x93NUMPY") => Self::NumPy,
            _ if starts(b"\x1f\x8b") => Self::Gzip,
            _ if starts(b"\x12\x01\0\0\0\0\0\0") => Self::MxNet,
            _ if bytes.get(4..8) == Some(b"TFL3") => Self::TensorFlowLite,
            _ if bytes.get(257..262) == Some(b"ustar") => Self::Tar,
            // A Torch object, its index, and the length of "V 1", the version of its class.
            _ if starts(b"\x04\0\0\0\x01\0\0\0\x03\0\0\0V 1") => Self::Torch7,
            // Protocol buffers: field 1, the version of ONNX, then the producer's name or the graph.
            // SavedModel: its version 1, then the graph.
            [0x08, 1, 0x12, ..] => Self::TensorFlow,
            [0x08, 3..=30, 0x12 | 0x1a | 0x22 | 0x3a | 0x42, ..] => Self::Onnx,
            [0x0a, rest @ ..] if is_node(rest) => Self::TensorFlow,
            _ if is_html(bytes) => Self::Html,
            _ => return None,
        })
    }

    /// The format of a zip archive without PyTorch's pickle, from the names of its entries.
    pub(super) fn of_archive<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        let (mut keras, mut arrays, mut others) = (false, false, false);
        for name in names {
            match name {
                "model.weights.h5" => keras = true,
                _ if name.ends_with(".npy") => arrays = true,
                _ => others = true,
            }
        }
        match (keras, arrays, others) {
            (true, ..) => Self::Keras,
            (false, true, false) => Self::NumPy,
            _ => Self::Zip,
        }
    }
}

/// Whether the rest of a protocol buffer is the first node of a TensorFlow graph: its length, then
/// field 1 with its name.
fn is_node(rest: &[u8]) -> bool {
    let length = rest.iter().take(5).take_while(|byte| **byte >= 0x80).count() + 1;
    let Some(&[0x0a, name @ 1..0x80]) = rest.get(length..length + 2) else { return false };
    let name = rest.get(length + 2..length + 2 + usize::from(name));
    let printable = name.is_some_and(|name| name.iter().all(u8::is_ascii_graphic));
    // Field 2, the operation.
    printable && name.is_some_and(|name| rest.get(length + 2 + name.len()) == Some(&0x12))
}

fn is_html(bytes: &[u8]) -> bool {
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(HTML_START)]).to_ascii_lowercase();
    let start = start.trim_start_matches('\u{feff}').trim_start();
    start.starts_with("<!doctype html") || start.starts_with('<') && start.contains("<html")
}
