//! Handling of Ctrl-C.

use std::io::{self, Write};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

/// A flag that Ctrl-C sets; a second Ctrl-C exits at once.
pub fn flag() -> Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let seen = flag.clone();
    ctrlc::set_handler(move || {
        if seen.swap(true, Ordering::Relaxed) {
            process::exit(1);
        }
        let message = "\nstopping after the current step; press Ctrl-C again to stop at once\n";
        let _ = io::stderr().write_all(message.as_bytes());
    })
    .context("can't handle Ctrl-C")?;
    Ok(flag)
}
