//! The lines of a list and errors about them.

use std::path::Path;

use crate::error::Error;
use crate::files::bounded_file::read_bounded_file;

/// The longest excerpt of a line that an error quotes, in characters.
const MAX_EXCERPT: usize = 80;

/// Reads a list as UTF-8 text.
pub(crate) fn read_text(path: &Path) -> Result<String, Error> {
    String::from_utf8(read_bounded_file(path)?).map_err(|_| Error::NotUtf8 { path: path.to_owned() })
}

/// A line that is not blank.
#[derive(Clone, Copy)]
pub(crate) struct Line<'a> {
    pub(crate) list: &'a Path,
    /// Line number from 1, counting blank lines.
    pub(crate) number: usize,
    text: &'a str,
}

impl<'a> Line<'a> {
    /// The lines of a text that are not blank.
    pub(crate) fn split(text: &'a str, list: &'a Path) -> Vec<Self> {
        // Some editors write a byte order mark.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        text.lines()
            .enumerate()
            .map(|(index, text)| Self { list, number: index + 1, text: text.trim() })
            .filter(|line| !line.text.is_empty())
            .collect()
    }

    /// The fields: separated by tabs if there are any, so that names may contain spaces; otherwise
    /// by spaces.
    pub(crate) fn fields(&self) -> Vec<&'a str> {
        if self.text.contains('\t') {
            self.text.split('\t').map(str::trim).collect()
        } else {
            self.text.split_whitespace().collect()
        }
    }

    /// The whole line as a positive integer.
    pub(crate) fn count(&self) -> Option<usize> {
        parse_positive(self.text)
    }

    pub(crate) fn header_error(&self, expected: &'static str) -> Error {
        Error::ListHeader { list: self.list.to_owned(), line: self.number, expected, found: self.excerpt() }
    }

    pub(crate) fn error(&self, expected: &'static str) -> Error {
        Error::ListLine { list: self.list.to_owned(), line: self.number, expected, found: self.excerpt() }
    }

    fn excerpt(&self) -> String {
        self.text.chars().take(MAX_EXCERPT).collect()
    }
}

/// Parses a decimal integer of at least 1, without a sign.
pub(crate) fn parse_positive(text: &str) -> Option<usize> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|&value| value > 0)
}

/// Whether a name is a single path component, so that no list can refer to files outside the folder
/// of images.
pub(crate) fn is_path_component(text: &str) -> bool {
    !text.is_empty() && text != "." && text != ".." && !text.contains(['/', '\\', ':', '\0'])
}
