//! The error of malformed PyTorch files.

use crate::error::Error;

pub(super) fn syntax_error(reason: impl ToString) -> Error {
    Error::ForeignSyntax { format: "PyTorch", reason: reason.to_string() }
}
