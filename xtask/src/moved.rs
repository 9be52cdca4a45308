//! Commands that moved to the program `facenet`.

use std::ffi::OsString;
use std::process::ExitCode;

/// Any arguments.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub struct Arguments {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    _rest: Vec<OsString>,
}

/// Names the new command; exit code 2.
pub fn to(command: &str) -> ExitCode {
    eprintln!("error: `cargo xtask {command}` is now `cargo facenet {command}`");
    ExitCode::from(2)
}
