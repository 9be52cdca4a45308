//! Places of tensors in a file.

use std::fmt;

/// A place in a file with tensors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorPlace {
    /// Keys joined by dots.
    pub path: String,
    /// Number of tensors.
    pub tensors: usize,
}

impl fmt::Display for TensorPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.tensors == 1 { "" } else { "s" };
        write!(formatter, "{} ({} tensor{plural})", self.path, self.tensors)
    }
}
