//! Names of files as text.

use std::ffi::OsStr;
use std::fmt::Write;

/// A file name or a path as text to show: on one line, and without what would move a terminal's cursor.
///
/// Control characters are written as in Rust (`\n`, `\u{1b}`) and bytes that are not UTF-8 as `\xff`, so that names that
/// differ in such bytes alone still differ. All else stays as it is.
///
/// ```
/// assert_eq!(facenet_data::shown("s1/Zoë 1.jpg"), "s1/Zoë 1.jpg");
/// assert_eq!(facenet_data::shown("two\nlines"), r"two\nlines");
/// ```
pub fn shown(name: &(impl AsRef<OsStr> + ?Sized)) -> String {
    let mut text = String::new();
    for chunk in name.as_ref().as_encoded_bytes().utf8_chunks() {
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
