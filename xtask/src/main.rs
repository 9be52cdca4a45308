//! `cargo xtask`: the commands that train, measure and develop, one file each.
//!
//! A command prints its result to standard output, readable or, with `--json`, as one JSON document
//! on one line. Everything else goes to standard error: `error:` with the cause and the file,
//! `help:` with what to do about it, where known. Exit codes: 0 done, 1 failed, 2 wrong use.

mod arguments;
mod bench;
mod download;
mod evaluate;
mod failure;
mod gradcheck;
mod import;
mod interrupt;
mod moved;
mod networks;
mod progress;
mod run;
mod table;
mod train;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use facenet_cli::failure::exit_code_with;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "Train, measure and develop face embedding networks")]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train a network and score its embeddings on unseen people
    Run(run::Arguments),
    /// Train a network and write its checkpoint
    Train(train::Arguments),
    /// Download a data set or published weights
    Download(download::Arguments),
    /// Show the built-in networks, or one network by layer: output, parameters, cost
    Networks(networks::Arguments),
    /// Score a network on published pair lists
    Evaluate(evaluate::Arguments),
    /// Convert foreign weights to a checkpoint
    Import(import::Arguments),
    /// Time a network, a nearest-neighbor search or a clustering algorithm
    Bench(bench::Arguments),
    /// Check every hand-written gradient against central differences
    Gradcheck(gradcheck::Arguments),
    #[command(hide = true)]
    Cluster(moved::Arguments),
    #[command(hide = true)]
    Embed(moved::Arguments),
    #[command(hide = true)]
    Identify(moved::Arguments),
    #[command(hide = true)]
    Verify(moved::Arguments),
}

fn main() -> ExitCode {
    let result = match CommandLine::parse().command {
        Command::Run(arguments) => run::command(&arguments),
        Command::Train(arguments) => train::command(&arguments),
        Command::Download(arguments) => download::command(&arguments),
        Command::Networks(arguments) => networks::command(&arguments),
        Command::Evaluate(arguments) => evaluate::command(&arguments),
        Command::Import(arguments) => import::command(&arguments),
        Command::Bench(arguments) => bench::command(&arguments),
        Command::Gradcheck(arguments) => gradcheck::command(&arguments),
        Command::Cluster(_) => return moved::to("cluster"),
        Command::Embed(_) => return moved::to("embed"),
        Command::Identify(_) => return moved::to("identify"),
        Command::Verify(_) => return moved::to("verify"),
    };
    exit_code_with(result, failure::help)
}
