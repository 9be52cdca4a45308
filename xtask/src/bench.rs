//! `cargo xtask bench`: how fast a network is here.

mod layers;
mod pipeline;
mod subject;
mod timing;
mod whole;

use anyhow::Result;

/// The arguments of the command.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    whole: whole::Arguments,
}

/// What else is timed than the network as a whole.
#[derive(clap::Subcommand)]
enum What {
    /// Each layer of the passes that embed
    Layers(layers::Arguments),
    /// The whole way from picture files to embeddings
    Pipeline(pipeline::Arguments),
}

/// Times what was asked for.
pub fn command(arguments: &Arguments) -> Result<()> {
    match &arguments.what {
        None => whole::command(&arguments.whole),
        Some(What::Layers(arguments)) => layers::command(arguments),
        Some(What::Pipeline(arguments)) => pipeline::command(arguments),
    }
}
