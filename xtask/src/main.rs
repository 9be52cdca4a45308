//! `cargo xtask`: the commands of the project, one file each.
//!
//! A command prints its result to standard output, readable or, with `--json`, as one JSON document on one line.
//! Everything else goes to standard error. Exit codes: 0 done, 1 failed, 2 wrong use.

mod arguments;
mod download;
mod gradcheck;
mod interrupt;
mod progress_bar;
mod run;
mod train;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "FaceNet: faces in, embeddings out, scores beside them"
)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train on some people, score the embeddings on people never seen
    Run(run::Arguments),
    /// Train a network and keep its checkpoint
    Train(train::Arguments),
    /// Fetch a data set that others publish, and lay it out for the other commands
    Download(download::Arguments),
    /// Compare every hand-written gradient with central differences
    Gradcheck(gradcheck::Arguments),
}

fn main() -> ExitCode {
    let result = match CommandLine::parse().command {
        Command::Run(arguments) => run::command(&arguments),
        Command::Train(arguments) => train::command(&arguments),
        Command::Download(arguments) => download::command(&arguments),
        Command::Gradcheck(arguments) => gradcheck::command(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
