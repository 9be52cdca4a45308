//! Arguments of commands that take a network with its weights.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use facenet_data::escape_path;
use facenet_network::{Checkpoint, NameMap};
use facenet_recognition::{ForeignNetwork, read_weights};

use crate::arguments::common::read_toml;
use crate::arguments::network_choice::NetworkChoice;

/// What a file of another program can't say about itself.
#[derive(Args, Debug)]
pub struct ForeignArguments {
    /// The network that another program's weights are for [default: the built-in one whose tensors they are]
    #[arg(long, value_name = "NAME|FILE.toml", value_parser = NetworkChoice::parser())]
    network: Option<NetworkChoice>,
    /// Which tensor of such a file is which of the network [default: the built-in map of the network]
    #[arg(long, value_name = "FILE.toml")]
    map: Option<PathBuf>,
}

impl ForeignArguments {
    /// Reads a checkpoint, or the weights of another program.
    pub fn read(&self, weights: &Path) -> Result<Checkpoint> {
        let map = self.map.as_ref().map(|path| {
            let text = read_toml(path)?;
            NameMap::from_toml(&text).with_context(|| format!("in {}", escape_path(path)))
        });
        let network = self.network.as_ref().map(NetworkChoice::description);
        let foreign = ForeignNetwork { network: network.transpose()?, map: map.transpose()? };
        Ok(read_weights(weights, &foreign)?)
    }
}
