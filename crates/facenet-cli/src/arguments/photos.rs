//! Arguments of the commands that embed the faces of photos.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use facenet_data::escape_path;
use facenet_network::Network;
use facenet_recognition::{
    Calibration, DEFAULT_DETECTOR, DEFAULT_EMBEDDER, DecisionRule, EmbeddedPhotos, FaceSelection, PhotoEmbedder,
    PhotoLandmarks, PhotoOptions, calibration, training_crop,
};

use crate::arguments::detection::DetectionArguments;
use crate::arguments::face_selection::face_selection;
use crate::arguments::weights::ForeignArguments;
use crate::folders;
use crate::output::progress_bar::Bar;

/// The networks, and which faces are meant.
#[derive(Args, Debug)]
pub struct PhotoArguments {
    /// The embedding network: a checkpoint, or weights of another program [default:
    /// face-reidentification-retail-0095 from `facenet download`]
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    #[command(flatten)]
    foreign: ForeignArguments,
    #[command(flatten)]
    detection: DetectionArguments,
    /// Which faces of a photo are meant: all, largest, center, or the number of a face from the left
    #[arg(long, value_name = "WHICH", default_value = "all", value_parser = face_selection)]
    face: FaceSelection,
    /// A landmark list: five points of the face that is meant on a photo, in its pixels; paths are
    /// relative to the folder of the photos or to that of the list
    #[arg(long, value_name = "FILE")]
    landmarks: Option<PathBuf>,
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
    pub threads: Option<u16>,
    /// Print the result as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// An embedder of photos and its calibration.
#[derive(Debug)]
pub struct Networks {
    /// Embeds the faces of photos.
    pub embedder: PhotoEmbedder,
    /// The calibration of the network, if it has one.
    pub calibration: Option<Calibration>,
    selection: FaceSelection,
}

impl Networks {
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

    /// Embeds the faces of photos that are meant, with a progress bar.
    ///
    /// # Errors
    ///
    /// If the landmark list contains none of the photos; as [`PhotoEmbedder::embed`].
    pub fn embed(&mut self, photos: &[PathBuf]) -> Result<EmbeddedPhotos> {
        let selection = self.selection;
        self.embed_selected(photos, selection)
    }

    /// The same for given faces.
    ///
    /// # Errors
    ///
    /// As [`Networks::embed`].
    pub fn embed_selected(&mut self, photos: &[PathBuf], selection: FaceSelection) -> Result<EmbeddedPhotos> {
        if let Some(list) = self.embedder.reader().landmark_list() {
            ensure!(
                photos.iter().any(|photo| list.get(photo).is_some()),
                "{} lists none of the photos; its paths must be relative to the folder of the photos, or to its own",
                escape_path(list.path())
            );
        }
        let bar = Bar::new();
        let embedded = self.embedder.embed(photos, &|done, of| bar.show("embedding faces", done, of));
        bar.clear();
        Ok(embedded?.select(selection))
    }
}

impl PhotoArguments {
    /// Reads the networks and the cache. Paths of the landmark list may be relative to `folders`,
    /// the folders of the photos.
    ///
    /// # Errors
    ///
    /// If a file is missing or invalid.
    pub fn read(&self, folders: &[&Path]) -> Result<Networks> {
        self.read_with(folders, Some(&folders::cache(self.cache.as_deref())?))
    }

    /// The same without a cache.
    ///
    /// # Errors
    ///
    /// As [`PhotoArguments::read`].
    pub fn read_without_cache(&self, folders: &[&Path]) -> Result<Networks> {
        self.read_with(folders, None)
    }

    fn read_with(&self, folders: &[&Path], cache: Option<&Path>) -> Result<Networks> {
        let data = self.data.as_deref();
        let weights = match &self.weights {
            Some(file) => file.clone(),
            None => folders::find_network(data, DEFAULT_EMBEDDER).with_context(|| {
                format!("network {DEFAULT_EMBEDDER} not found; run `facenet download`, or pass --weights FILE")
            })?,
        };
        let checkpoint = self.foreign.read(&weights)?;
        let calibration = calibration(&checkpoint, &weights)?;
        let crop = training_crop(&checkpoint).with_context(|| format!("in {}", escape_path(&weights)))?;
        let network = Network::from_checkpoint(checkpoint)?;
        let aligns = network.description().preprocessing.template.is_some();
        let landmark_list = match &self.landmarks {
            Some(_) if !aligns => {
                bail!("{} does not expect aligned faces: omit --landmarks", network.description().name)
            }
            Some(path) => Some(PhotoLandmarks::read(path, folders)?),
            None => None,
        };
        let detector = match (aligns, &landmark_list) {
            (false, _) => None,
            (true, None) => Some(self.detection.read(data)?),
            (true, Some(_)) => self.detection.find(data)?,
        };
        if detector.is_none() && landmark_list.is_some() {
            eprintln!(
                "help: run `facenet download` for {DEFAULT_DETECTOR}, which finds faces; without it only photos on the landmark list are embedded"
            );
        }
        let options = PhotoOptions { detector, landmark_list, crop, cache };
        let embedder = PhotoEmbedder::new(&network, options).map_err(|error| match error {
            // The cache names its own files.
            facenet_recognition::Error::Read { .. } | facenet_recognition::Error::DamagedCache { .. } => error.into(),
            error => anyhow::Error::new(error).context(format!("in {}", escape_path(&weights))),
        })?;
        Ok(Networks { embedder, calibration, selection: self.face })
    }
}
