//! The argument `--threads`.

use anyhow::{Context, Result};

/// Sets the size of the global thread pool; all cores for `None`.
///
/// # Errors
///
/// If the threads can't be started.
pub fn set_threads(threads: Option<u16>) -> Result<()> {
    let threads = threads.map_or(0, usize::from);
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().context("can't start threads")
}
