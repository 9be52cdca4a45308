//! `cargo xtask`: the commands of the project, one file each.
//!
//! A command prints its result to standard output, readable or, with `--json`, as one JSON document on one line.
//! Everything else goes to standard error: `error: ` and what failed on which file, `help: ` and what to do about it, where
//! that is plain. Exit codes: 0 done, 1 failed, 2 wrong use.

mod arguments;
mod bench;
mod cluster;
mod command_line;
mod download;
mod embed;
mod evaluate;
mod file_names;
mod gradcheck;
mod hint;
mod identify;
mod import;
mod interrupt;
mod network_choice;
mod networks;
mod out;
mod plain_text;
mod portraits;
mod progress_bar;
mod run;
mod table;
mod train;
mod verify;
mod weights;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::plain_text::plain_text;

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
    /// Fetch a data set or weights that others publish, for the other commands
    Download(download::Arguments),
    /// Show the built-in networks, or one row by row: what each layer puts out and costs
    Networks(networks::Arguments),
    /// Score a network on published lists of pairs
    Evaluate(evaluate::Arguments),
    /// Sort pictures of one face each by who they show
    Cluster(cluster::Arguments),
    /// Embed a folder of pictures of one face each
    Embed(embed::Arguments),
    /// Tell whether two pictures show one person
    Verify(verify::Arguments),
    /// Name the people on pictures, of those in folders, or nobody
    Identify(identify::Arguments),
    /// Turn the weights of another program into a checkpoint
    Import(import::Arguments),
    /// Time a network: passes that embed, or steps of training
    Bench(bench::Arguments),
    /// Compare every hand-written gradient with central differences
    Gradcheck(gradcheck::Arguments),
}

fn main() -> ExitCode {
    let result = match CommandLine::parse().command {
        Command::Run(arguments) => run::command(&arguments),
        Command::Train(arguments) => train::command(&arguments),
        Command::Download(arguments) => download::command(&arguments),
        Command::Networks(arguments) => networks::command(&arguments),
        Command::Evaluate(arguments) => evaluate::command(&arguments),
        Command::Cluster(arguments) => cluster::command(&arguments),
        Command::Embed(arguments) => embed::command(&arguments),
        Command::Verify(arguments) => verify::command(&arguments),
        Command::Identify(arguments) => identify::command(&arguments),
        Command::Import(arguments) => import::command(&arguments),
        Command::Bench(arguments) => bench::command(&arguments),
        Command::Gradcheck(arguments) => gradcheck::command(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut message = format!("error: {}\n", plain_text(&what_failed(&error)));
            if let Some(hint) = hint::hint(&error) {
                message += &format!("help: {hint}\n");
            }
            // If that can't be written either, the exit code is all that can be said.
            let _ = io::stderr().write_all(message.as_bytes());
            ExitCode::FAILURE
        }
    }
}

/// The chain of causes on one line; messages that tell their cause already are not followed by it.
fn what_failed(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text += ": ";
            text += &cause;
        }
    }
    text
}
