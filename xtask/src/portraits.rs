//! Arguments of commands that embed pictures of one face each.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use facenet::{ForeignNetwork, PortraitEmbedder, PortraitLandmarks, read_weights};
use facenet_data::Crop;

use crate::arguments::{data_folder, set_threads, workspace};
use crate::weights::ForeignArguments;

/// Which network, and how it is shown faces.
#[derive(Args)]
pub struct PortraitArguments {
    /// The network: a checkpoint, or another program's weights [default: those of face-reidentification-retail-0095, where
    /// `cargo xtask download` puts them]
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    #[command(flatten)]
    foreign: ForeignArguments,
    /// Five points of each face, as far as they are known, in the pictures' pixels; paths begin in the list's own folder
    #[arg(long, value_name = "FILE")]
    landmarks: Option<PathBuf>,
    /// The network that finds them in the other pictures [default: landmarks-regression-retail-0009, if it is where
    /// `cargo xtask download` puts it]
    #[arg(long, value_name = "FILE")]
    landmark_network: Option<PathBuf>,
    /// Where data sets and weights lie [default: $FACENET_DATA, else data/]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where embeddings are kept, to be made only once [default: runs/cache]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Threads to work on [default: all]
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Print the result as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// Published weights that are taken where none are given.
const EMBEDDER: &str = "face-reidentification-retail-0095";
const LANDMARKS: &str = "landmarks-regression-retail-0009";

impl PortraitArguments {
    /// Reads the networks and what the cache holds.
    pub fn embedder(&self) -> Result<PortraitEmbedder> {
        set_threads(self.threads)?;
        let weights = self.weights.clone().unwrap_or_else(|| self.published(EMBEDDER));
        let network = self.foreign.read(&weights).with_context(|| match self.weights {
            Some(_) => "the network can't be read".to_owned(),
            None => {
                format!("`cargo xtask download weights/{EMBEDDER}` fetches a network, --weights FILE takes another")
            }
        })?;
        let landmark_network = match &self.landmark_network {
            Some(path) => Some(path.clone()),
            None => Some(self.published(LANDMARKS)).filter(|path| path.is_file()),
        };
        let landmark_network =
            landmark_network.map(|path| read_weights(&path, &ForeignNetwork::default())).transpose()?;
        let list = self.landmarks.as_ref().map(|path| PortraitLandmarks::read(path)).transpose()?;
        let cache = self.cache.clone().unwrap_or_else(|| workspace().join("runs").join("cache"));
        Ok(PortraitEmbedder::new(&network, landmark_network.as_ref(), list, Crop::Whole, Some(&cache))?)
    }

    /// Where a published network of that name lies once it is downloaded.
    fn published(&self, name: &str) -> PathBuf {
        data_folder(self.data.as_deref()).join("weights").join(name).join(name).with_extension("xml")
    }
}
