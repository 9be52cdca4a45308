//! Passes the version, commit and compiler to the program, which writes them into results.

use std::env;
use std::process::Command;

/// The output of a command, if it succeeds.
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

fn main() {
    let compiler = env::var("RUSTC").ok().and_then(|rustc| output(&rustc, &["--version"]));
    let compiler = compiler.unwrap_or_else(|| "an unknown compiler".to_owned());
    // Outside a clone there is no commit.
    let commit = output("git", &["describe", "--always", "--abbrev=10", "--exclude=*", "--dirty=, changed"])
        .map_or(String::new(), |commit| format!(", commit {commit}"));
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    println!("cargo::rustc-env=FACENET_PROGRAM=facenet {version}{commit}, built by {compiler}");
    // Uncommitted changes are part of the commit's name, so it depends on all sources.
    for source in ["build.rs", "Cargo.toml", "src", "..", "../../xtask/src", "../../Cargo.toml", "../../Cargo.lock"] {
        println!("cargo::rerun-if-changed={source}");
    }
    if let Some(head) = output("git", &["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={head}");
    }
}
