//! TOML files as arguments.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use facenet_data::{escape_path, open_regular_file};

/// Limit on the length of a recipe, description or name map, in bytes.
const LIMIT: u64 = 1 << 20;

/// Reads a TOML file as text.
///
/// # Errors
///
/// If it can't be read, is not UTF-8, or is longer than 1 MiB.
pub fn read_toml(path: &Path) -> Result<String> {
    let read = || -> Result<String> {
        let mut text = String::new();
        let length = open_regular_file(path)?.take(LIMIT + 1).read_to_string(&mut text)?;
        ensure!(length as u64 <= LIMIT, "longer than the limit of {LIMIT} bytes");
        Ok(text)
    };
    read().with_context(|| format!("can't read {}", escape_path(path)))
}
