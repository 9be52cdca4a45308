//! What Ctrl-C does.

use std::io::{self, Write};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

/// A flag that Ctrl-C sets; the second one ends the program at once.
pub fn flag() -> Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let seen = flag.clone();
    ctrlc::set_handler(move || {
        if seen.swap(true, Ordering::Relaxed) {
            process::exit(1);
        }
        let message = "\nstopping as soon as the work at hand is done; press Ctrl-C again to stop at once\n";
        let _ = io::stderr().write_all(message.as_bytes());
    })
    .context("can't listen for Ctrl-C")?;
    Ok(flag)
}
