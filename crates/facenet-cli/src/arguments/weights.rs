//! Arguments of commands that read weights files.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use facenet_data::escape_path;
use facenet_network::{Checkpoint, NameMap};
use facenet_recognition::{ForeignNetwork, read_weights};

use crate::arguments::network_choice::NetworkChoice;
use crate::arguments::toml_file::read_toml;

/// How to interpret a weights file of another program.
#[derive(Args, Debug)]
pub struct ForeignArguments {
    /// The network of another program's weights [default: the built-in one whose tensors match]
    #[arg(long, value_name = "NAME|FILE.toml", value_parser = NetworkChoice::parser())]
    network: Option<NetworkChoice>,
    /// The name map from tensors of the network to those of the file [default: the built-in map of
    /// the network]
    #[arg(long, value_name = "FILE.toml")]
    map: Option<PathBuf>,
    /// Where in the file the tensors are, as keys joined by dots, such as `model_ema` [default: the
    /// place whose tensors match]
    #[arg(long, value_name = "KEY.KEY")]
    tensors: Option<String>,
}

impl ForeignArguments {
    /// Reads a checkpoint or the weights of another program.
    pub fn read(&self, weights: &Path) -> Result<Checkpoint> {
        let map = self.map.as_ref().map(|path| {
            let text = read_toml(path)?;
            NameMap::from_toml(&text).with_context(|| format!("in {}", escape_path(path)))
        });
        let network = self.network.as_ref().map(NetworkChoice::description);
        let foreign =
            ForeignNetwork { network: network.transpose()?, map: map.transpose()?, tensors: self.tensors.clone() };
        Ok(read_weights(weights, &foreign)?)
    }
}
