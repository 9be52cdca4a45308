//! Tests of permissions, which do not bind root.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// The user and the group that own nothing.
const NOBODY: u32 = 65534;

/// Runs a test of this program again as a user without privileges, if the system allows it.
pub fn repeat_unprivileged(test: &str) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    match command.args(["--exact", test]).uid(NOBODY).gid(NOBODY).current_dir("/").output() {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && text.contains("1 passed"), "{text}");
        }
        Err(error) => println!("skipped: the test can't be run as another user: {error}"),
    }
}
