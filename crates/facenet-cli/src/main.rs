//! `facenet`: embeds, verifies, identifies and groups faces.
//!
//! A command prints its result to standard output, as text or, with `--json`, as one line of JSON.
//! Everything else goes to standard error. Exit codes: 0 success, 1 failure, 2 usage error.

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use facenet_cli::commands::{cluster, completions, detect, download, embed, identify, verify};
use facenet_cli::failure::exit_code;

#[derive(Parser)]
#[command(name = "facenet", bin_name = "facenet", version, about = "Who is on these photos?")]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Download the two networks that the other commands use
    Download(download::Arguments),
    /// Find the people on the photos of a folder: group their faces
    Cluster(cluster::Arguments),
    /// Decide whether someone is on both of two photos
    Verify(verify::Arguments),
    /// Name the faces on photos after the people of a gallery
    Identify(identify::Arguments),
    /// Find the faces on photos
    Detect(detect::Arguments),
    /// Write the embeddings of the faces on photos for other programs
    Embed(embed::Arguments),
    /// Print shell completions
    Completions(completions::Arguments),
}

fn main() -> ExitCode {
    exit_code(match CommandLine::parse().command {
        Command::Download(arguments) => download::command(&arguments),
        Command::Cluster(arguments) => cluster::command(&arguments),
        Command::Verify(arguments) => verify::command(&arguments),
        Command::Identify(arguments) => identify::command(&arguments),
        Command::Detect(arguments) => detect::command(&arguments),
        Command::Embed(arguments) => embed::command(&arguments),
        Command::Completions(arguments) => completions::command(&arguments, &mut CommandLine::command()),
    })
}
