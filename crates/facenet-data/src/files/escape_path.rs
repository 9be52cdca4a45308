//! File names as printable text.

use std::ffi::OsStr;
use std::fmt::Write;

/// Formats a file name or a path for display: on one line and without terminal control sequences.
///
/// Control characters are escaped as in Rust (`\n`, `\u{1b}`) and bytes that are not UTF-8 as
/// `\xff`, so names that differ only in such bytes remain distinguishable. Everything else is
/// unchanged.
///
/// ```
/// assert_eq!(facenet_data::escape_path("s1/Zoë 1.jpg"), "s1/Zoë 1.jpg");
/// assert_eq!(facenet_data::escape_path("two\nlines"), r"two\nlines");
/// ```
pub fn escape_path(path: &(impl AsRef<OsStr> + ?Sized)) -> String {
    let mut text = String::new();
    for chunk in path.as_ref().as_encoded_bytes().utf8_chunks() {
        for character in chunk.valid().chars() {
            match character.is_control() {
                true => text.extend(character.escape_default()),
                false => text.push(character),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}
