//! Results on standard output.

use std::io::{self, Write};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::output::plain_text::plain_text;

/// Prints a result: as one line of JSON, or as text.
///
/// # Errors
///
/// If standard output can't be written to.
pub fn print(json: bool, result: &impl Serialize, text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    let line = if json { serde_json::to_string(result)? } else { plain_text(text.trim_end()) };
    writeln!(out, "{line}").and_then(|()| out.flush()).context("can't write to standard output")
}
