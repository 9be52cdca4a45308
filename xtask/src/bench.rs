//! `cargo xtask bench`: timings of networks, searches and clustering.

mod cluster;
mod embeddings;
mod layers;
mod neighbors;
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
    /// Time a clustering algorithm
    Cluster(cluster::Arguments),
    /// Time each layer of the forward pass
    Layers(layers::Arguments),
    /// Time a nearest-neighbor search
    Neighbors(neighbors::Arguments),
    /// Time the way from image files to embeddings
    Pipeline(pipeline::Arguments),
}

/// Runs the benchmark.
pub fn command(arguments: &Arguments) -> Result<()> {
    match &arguments.what {
        None => whole::command(&arguments.whole),
        Some(What::Cluster(arguments)) => cluster::command(arguments),
        Some(What::Layers(arguments)) => layers::command(arguments),
        Some(What::Neighbors(arguments)) => neighbors::command(arguments),
        Some(What::Pipeline(arguments)) => pipeline::command(arguments),
    }
}
