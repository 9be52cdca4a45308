//! Arguments of the commands that embed images of one face each.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use facenet_data::escape_path;
use facenet_network::Network;
use facenet_recognition::{
    Calibration, DEFAULT_EMBEDDER, DEFAULT_LANDMARK_NETWORK, DecisionRule, EmbeddedPortraits, Error, ForeignNetwork,
    PortraitEmbedder, PortraitLandmarks, PortraitOptions, calibration, read_weights, training_crop,
};

use crate::arguments::threads::set_threads;
use crate::arguments::weights::ForeignArguments;
use crate::folders;
use crate::output::progress_bar::Bar;

/// The networks and how faces are extracted.
#[derive(Args, Debug)]
pub struct PortraitArguments {
    /// The embedding network: a checkpoint, or weights of another program [default:
    /// face-reidentification-retail-0095 from `facenet download`]
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    #[command(flatten)]
    foreign: ForeignArguments,
    /// A landmark list: five points per face, in pixels of its image; paths are relative to the
    /// folder of the images or to that of the list
    #[arg(long, value_name = "FILE")]
    landmarks: Option<PathBuf>,
    /// The network that finds the landmarks of faces not on the list [default:
    /// landmarks-regression-retail-0009 from `facenet download`, if installed]
    #[arg(long, value_name = "FILE")]
    landmark_network: Option<PathBuf>,
    /// The folder to look for networks in [default: $FACENET_DATA, data/ of the workspace,
    /// $XDG_DATA_HOME/facenet]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The folder to cache embeddings in; not used by `verify` [default:
    /// $XDG_DATA_HOME/facenet/cache]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Number of threads [default: all cores]
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Print the result as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// An embedder of portraits and its calibration.
#[derive(Debug)]
pub struct Portraits {
    /// Embeds images.
    pub embedder: PortraitEmbedder,
    /// The calibration of the network, if it has one.
    pub calibration: Option<Calibration>,
}

impl Portraits {
    /// The rule of the commands that compare faces: the given threshold, else the calibration.
    ///
    /// # Errors
    ///
    /// If there is neither.
    pub fn decision_rule(&self, threshold: Option<f64>) -> Result<DecisionRule> {
        let calibration = || self.calibration.context("this network has no calibration; pass --threshold D");
        threshold
            .map_or_else(|| Ok(DecisionRule::Calibrated(calibration()?)), |given| Ok(DecisionRule::Threshold(given)))
    }
}

impl PortraitArguments {
    /// Reads the networks and the cache. Paths of the landmark list may be relative to `folders`,
    /// the folders of the images.
    ///
    /// # Errors
    ///
    /// If a file is missing or invalid.
    pub fn read(&self, folders: &[&Path]) -> Result<Portraits> {
        self.read_with(folders, Some(&folders::cache(self.cache.as_deref())?))
    }

    /// Reads the networks, without a cache.
    ///
    /// # Errors
    ///
    /// As [`PortraitArguments::read`].
    pub fn read_without_cache(&self) -> Result<Portraits> {
        self.read_with(&[], None)
    }

    fn read_with(&self, folders: &[&Path], cache: Option<&Path>) -> Result<Portraits> {
        set_threads(self.threads)?;
        let published = |name| folders::find_network(self.data.as_deref(), name);
        let weights = match &self.weights {
            Some(file) => file.clone(),
            None => published(DEFAULT_EMBEDDER).with_context(|| {
                format!("network {DEFAULT_EMBEDDER} not found; run `facenet download`, or pass --weights FILE")
            })?,
        };
        let checkpoint = self.foreign.read(&weights)?;
        let calibration = calibration(&checkpoint, &weights)?;
        let crop = training_crop(&checkpoint).with_context(|| format!("in {}", escape_path(&weights)))?;
        let network = Network::from_checkpoint(checkpoint)?;
        let landmark_file = self.landmark_network.clone().or_else(|| published(DEFAULT_LANDMARK_NETWORK));
        let landmark_network = landmark_file.as_ref().map(|path| -> Result<_> {
            Ok(Network::from_checkpoint(read_weights(path, &ForeignNetwork::default())?)?)
        });
        let template = network.description().preprocessing.template;
        let landmark_list = self.landmarks.as_ref().map(|path| {
            ensure!(
                template.is_some(),
                "{} does not expect aligned faces: omit --landmarks",
                network.description().name
            );
            Ok(PortraitLandmarks::read(path, folders)?)
        });
        let landmark_list = landmark_list.transpose()?;
        let landmark_network = landmark_network.transpose()?;
        if landmark_network.is_none() && template.is_some() {
            eprintln!(
                "help: run `facenet download` for {DEFAULT_LANDMARK_NETWORK}, which finds faces; without it images are cropped at the center"
            );
        }
        let options = PortraitOptions { landmark_network: landmark_network.as_ref(), landmark_list, crop, cache };
        let embedder = PortraitEmbedder::new(&network, options).map_err(|error| {
            let file = match &error {
                Error::NoEmbeddings { .. } => Some(&weights),
                Error::NoLandmarks { .. } => landmark_file.as_ref(),
                _ => None,
            };
            match file {
                Some(file) => anyhow::Error::new(error).context(format!("in {}", escape_path(file))),
                None => error.into(),
            }
        })?;
        Ok(Portraits { embedder, calibration })
    }
}

/// Embeds images with a progress bar.
///
/// # Errors
///
/// If the landmark list contains none of the images; as [`PortraitEmbedder::embed`].
pub fn embed(embedder: &mut PortraitEmbedder, images: &[PathBuf]) -> Result<EmbeddedPortraits> {
    if let Some(list) = &embedder.reader().landmark_list {
        ensure!(
            images.iter().any(|image| list.get(image).is_some()),
            "{} lists none of the images; its paths must be relative to the folder of the images, or to its own",
            escape_path(list.path())
        );
    }
    let bar = Bar::new();
    let embedded = embedder.embed(images, &|done, of| bar.show("embedding faces", done, of));
    bar.clear();
    Ok(embedded?)
}
