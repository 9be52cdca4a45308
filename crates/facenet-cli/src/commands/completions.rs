//! `facenet completions`: shell completions.

use std::io;

use anyhow::Result;
use clap::Command;
use clap_complete::{Shell, generate};

/// The arguments of the command.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the completions of a program.
///
/// # Errors
///
/// Never; the signature is that of all commands.
pub fn command(arguments: &Arguments, program: &mut Command) -> Result<()> {
    let name = program.get_bin_name().unwrap_or(program.get_name()).to_owned();
    generate(arguments.shell, program, name, &mut io::stdout());
    Ok(())
}
