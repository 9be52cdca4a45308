//! Threads, configuration files, squared distances.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use facenet_data::{escape_path, open_regular_file};

/// Sets the number of threads of everything that follows; all of them for `None`.
///
/// # Errors
///
/// If they can't be started.
pub fn set_threads(threads: Option<u16>) -> Result<()> {
    let threads = threads.map_or(0, usize::from);
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().context("can't start threads")
}

/// The longest recipe, description or name map that is read, in bytes.
const TOML_LIMIT: u64 = 1 << 20;

/// Reads a TOML file as text.
///
/// # Errors
///
/// If it can't be read, is not UTF-8, or is longer than 1 MiB.
pub fn read_toml(path: &Path) -> Result<String> {
    let read = || -> Result<String> {
        let mut text = String::new();
        let length = open_regular_file(path)?.take(TOML_LIMIT + 1).read_to_string(&mut text)?;
        ensure!(length as u64 <= TOML_LIMIT, "longer than the limit of {TOML_LIMIT} bytes");
        Ok(text)
    };
    read().with_context(|| format!("can't read {}", escape_path(path)))
}

/// Parses the squared distance of two embeddings.
///
/// # Errors
///
/// If the text is not a number from 0 to 4.
pub fn squared_distance(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(distance) if (0.0..=4.0).contains(&distance) => Ok(distance),
        _ => Err("expected a squared distance from 0 to 4".to_owned()),
    }
}
