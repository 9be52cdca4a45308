//! The framing of safetensors files: a header in JSON, then the bytes of the tensors.

use crate::error::Error;

/// Bytes of a header. JSON takes some 20 times its length in memory once parsed, so this keeps a
/// hostile file below half a gigabyte.
pub(crate) const MAX_HEADER: usize = 16 << 20;

/// Splits a safetensors file into header and tensor data.
pub(crate) fn split_header(bytes: &[u8]) -> Result<(&[u8], &[u8]), Error> {
    let (length, rest) = bytes.split_first_chunk().ok_or_else(|| syntax_error("the file ends before its header"))?;
    let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
    if length > MAX_HEADER {
        return Err(syntax_error(format_args!("a header of {length} bytes exceeds the limit of {MAX_HEADER}")));
    }
    rest.split_at_checked(length).ok_or_else(|| syntax_error("the file ends within its header"))
}

pub(crate) fn syntax_error(reason: impl ToString) -> Error {
    Error::CheckpointSyntax { reason: reason.to_string() }
}
