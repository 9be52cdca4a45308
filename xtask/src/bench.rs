//! `cargo xtask bench`: timings of a network.

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

/// What to time instead of the whole network.
#[derive(clap::Subcommand)]
enum What {
    /// Time each layer of the forward pass
    Layers(layers::Arguments),
    /// Time the way from image files to embeddings
    Pipeline(pipeline::Arguments),
}

/// Runs the benchmark.
pub fn command(arguments: &Arguments) -> Result<()> {
    match &arguments.what {
        None => whole::command(&arguments.whole),
        Some(What::Layers(arguments)) => layers::command(arguments),
        Some(What::Pipeline(arguments)) => pipeline::command(arguments),
    }
}
