//! Range checks of values that come from files.

use crate::error::Error;

/// Checks `min <= value <= max`; NaN fails. `context` says whose value it is.
pub(crate) fn check_range(context: &str, field: &'static str, value: f64, min: f64, max: f64) -> Result<(), Error> {
    if (min..=max).contains(&value) {
        Ok(())
    } else {
        Err(Error::OutOfRange { context: context.to_owned(), field, value, min, max })
    }
}

/// Checks `found <= limit`, where `found` counts `what`.
pub(crate) fn check_limit(what: &'static str, found: usize, limit: usize) -> Result<(), Error> {
    if found <= limit { Ok(()) } else { Err(Error::TooLarge { what, found, limit }) }
}

/// Bytes of a text in a file. TOML with dotted keys takes some 500 times its length in memory once
/// parsed, so this keeps a hostile file below half a gigabyte.
const MAX_TEXT: usize = 1 << 18;

/// Returns the text if it is short enough to be parsed.
pub(crate) fn check_text<'a>(what: &'static str, text: &'a str) -> Result<&'a str, Error> {
    check_limit(what, text.len(), MAX_TEXT)?;
    Ok(text)
}
