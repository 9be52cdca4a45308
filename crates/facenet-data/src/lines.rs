//! The lines of a list, with what can be wrong about one.

use std::path::Path;

use crate::Error;
use crate::decode::read_picture_file;

/// The longest excerpt of a line that an error quotes, in characters.
const QUOTED: usize = 80;

/// Reads a list as text.
pub(crate) fn read_text(path: &Path) -> Result<String, Error> {
    String::from_utf8(read_picture_file(path)?).map_err(|_| Error::NotText { path: path.to_owned() })
}

/// One line that is not blank.
#[derive(Clone, Copy)]
pub(crate) struct Line<'a> {
    pub(crate) list: &'a Path,
    /// Counted from 1, blank lines included.
    pub(crate) number: usize,
    text: &'a str,
}

impl<'a> Line<'a> {
    /// The lines of a text that are not blank.
    pub(crate) fn split(text: &'a str, list: &'a Path) -> Vec<Self> {
        // Some editors put a byte order mark in front.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        text.lines()
            .enumerate()
            .map(|(index, text)| Self { list, number: index + 1, text: text.trim() })
            .filter(|line| !line.text.is_empty())
            .collect()
    }

    /// The fields: between tabs where there is one, so that names may hold spaces; otherwise between spaces.
    pub(crate) fn fields(&self) -> Vec<&'a str> {
        if self.text.contains('\t') {
            self.text.split('\t').map(str::trim).collect()
        } else {
            self.text.split_whitespace().collect()
        }
    }

    /// A number of at least 1 that stands alone.
    pub(crate) fn lone_number(&self) -> Option<usize> {
        positive(self.text)
    }

    pub(crate) fn header_error(&self, expected: &'static str) -> Error {
        Error::ListHeader { list: self.list.to_owned(), line: self.number, expected, found: self.excerpt() }
    }

    pub(crate) fn error(&self, expected: &'static str) -> Error {
        Error::ListLine { list: self.list.to_owned(), line: self.number, expected, found: self.excerpt() }
    }

    fn excerpt(&self) -> String {
        self.text.chars().take(QUOTED).collect()
    }
}

/// A decimal number of at least 1, without a sign.
pub(crate) fn positive(text: &str) -> Option<usize> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|&number| number > 0)
}

/// A name that is one folder, so that no list can lead out of the folder of images.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty() && text != "." && text != ".." && !text.contains(['/', '\\', ':', '\0'])
}
