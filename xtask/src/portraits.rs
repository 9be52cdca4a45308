//! What the commands that embed pictures of one face each have in common.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use facenet::{
    Calibration, EmbeddedPortraits, ForeignNetwork, Portrait, PortraitEmbedder, PortraitFraming, PortraitLandmarks,
    Trainer, calibration, read_weights,
};
use facenet_data::{Crop, shown};
use facenet_network::Network;
use serde::Serialize;

use crate::arguments::{data_folder, set_threads, workspace};
use crate::progress_bar::Bar;
use crate::weights::ForeignArguments;

/// Which network, and how it is shown faces.
#[derive(Args)]
pub struct PortraitArguments {
    /// The network: a checkpoint, or another program's weights [default: face-reidentification-retail-0095 as
    /// `cargo xtask download` leaves it]
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    #[command(flatten)]
    foreign: ForeignArguments,
    /// Five points of each face, as far as they are known, in the pictures' pixels; paths begin in the list's own folder
    #[arg(long, value_name = "FILE")]
    landmarks: Option<PathBuf>,
    /// The network that finds them in the other pictures [default: landmarks-regression-retail-0009 as
    /// `cargo xtask download` leaves it, if it is there]
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

/// A network that embeds portraits, and what is known of its distances.
pub struct Portraits {
    /// From pictures to embeddings.
    pub embedder: PortraitEmbedder,
    /// What their distances mean.
    pub calibration: Option<Calibration>,
}

impl PortraitArguments {
    /// Reads the networks and what the cache holds.
    pub fn read(&self) -> Result<Portraits> {
        set_threads(self.threads)?;
        let weights = self.weights.clone().unwrap_or_else(|| self.published(EMBEDDER));
        let checkpoint = self.foreign.read(&weights);
        let checkpoint = match self.weights {
            Some(_) => checkpoint?,
            None => checkpoint.with_context(|| {
                format!("no --weights; `cargo xtask download weights/{EMBEDDER}` fetches those that are taken then")
            })?,
        };
        let calibration = calibration(&checkpoint, &weights)?;
        // Where nothing tells where a face is, that part is taken which the network was trained on.
        let crop = match checkpoint.training {
            Some(_) => Trainer::recipe_and_seed(&checkpoint).with_context(|| format!("in {}", shown(&weights)))?.0.crop,
            None => Crop::Center { fraction: 1.0 },
        };
        let network = Network::from_checkpoint(checkpoint)?;
        let landmark_file = match &self.landmark_network {
            Some(path) => Some(path.clone()),
            None => Some(self.published(LANDMARKS)).filter(|path| path.is_file()),
        };
        let landmark_network = landmark_file.as_ref().map(|path| -> Result<_> {
            Ok(Network::from_checkpoint(read_weights(path, &ForeignNetwork::default())?)?)
        });
        let list = self.landmarks.as_ref().map(|path| PortraitLandmarks::read(path)).transpose()?;
        let cache = self.cache.clone().unwrap_or_else(|| workspace().join("runs").join("cache"));
        let landmark_network = landmark_network.transpose()?;
        if landmark_network.is_none() && network.description().preprocessing.template.is_some() {
            eprintln!(
                "help: `cargo xtask download weights/{LANDMARKS}` fetches a network that finds faces; without it the whole picture is taken for one"
            );
        }
        let embedder = PortraitEmbedder::new(&network, landmark_network.as_ref(), list, crop, Some(&cache));
        let embedder = embedder.map_err(|error| {
            let file = match &error {
                facenet::Error::NoEmbeddings { .. } => Some(&weights),
                facenet::Error::NoLandmarks { .. } => landmark_file.as_ref(),
                _ => None,
            };
            match file {
                Some(file) => anyhow::Error::new(error).context(format!("in {}", shown(file))),
                None => error.into(),
            }
        })?;
        Ok(Portraits { embedder, calibration })
    }

    /// Where a published network lies once it is downloaded.
    fn published(&self, name: &str) -> PathBuf {
        data_folder(self.data.as_deref()).join("weights").join(name).join(name).with_extension("xml")
    }
}

/// Embeds pictures behind a progress bar.
pub fn embed(embedder: &mut PortraitEmbedder, pictures: &[PathBuf]) -> Result<EmbeddedPortraits> {
    let bar = Bar::new();
    let embedded = embedder.embed(pictures, &|progress| bar.show(progress));
    bar.clear();
    Ok(embedded?)
}

/// Reads a squared distance of embeddings.
pub fn squared_distance(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(distance) if (0.0..=4.0).contains(&distance) => Ok(distance),
        _ => Err("expected a squared distance of 0 to 4".to_owned()),
    }
}

/// Something to say about a picture.
#[derive(Clone, Debug, Serialize)]
pub struct Note {
    /// The picture.
    pub picture: String,
    /// What it is.
    pub reason: String,
}

/// Pictures of which the embedding is doubtful, and those that could not be read, by their names within a folder.
pub fn notes(embedded: &EmbeddedPortraits, folder: &Path) -> (Vec<Note>, Vec<Note>) {
    let name = |picture: &Path| shown(picture.strip_prefix(folder).unwrap_or(picture));
    let pictures = embedded.pictures.iter().zip(&embedded.portraits);
    let doubts = pictures.filter_map(|(picture, portrait)| {
        let reason = portrait.doubt()?.to_string();
        Some(Note { picture: name(picture), reason })
    });
    let unread =
        embedded.unread.iter().map(|unread| Note { picture: name(&unread.path), reason: unread.error.to_string() });
    (doubts.collect(), unread.collect())
}

/// The most notes of a kind that are printed.
const SHOWN: usize = 10;

/// The first few of both, line by line.
pub fn notes_text(doubts: &[Note], unread: &[Note]) -> String {
    let mut text = String::new();
    for Note { picture, reason } in doubts.iter().take(SHOWN) {
        text += &format!("{picture}: {reason}\n");
    }
    if doubts.len() > SHOWN {
        text += &format!("and {} more pictures are doubtful\n", doubts.len() - SHOWN);
    }
    // Their errors name the picture.
    for Note { reason, .. } in unread.iter().take(SHOWN) {
        text += &format!("{reason}\n");
    }
    if unread.len() > SHOWN {
        text += &format!("and {} more could not be read\n", unread.len() - SHOWN);
    }
    text
}

/// By what the faces of pictures were cut out.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Framings {
    landmark_list: usize,
    landmark_network: usize,
    center_crop: usize,
}

impl Framings {
    /// Counts them.
    pub fn of<'a>(portraits: impl IntoIterator<Item = &'a Portrait>) -> Self {
        let mut counts = Self::default();
        for portrait in portraits {
            match portrait.framing {
                PortraitFraming::LandmarkList => counts.landmark_list += 1,
                PortraitFraming::LandmarkNetwork => counts.landmark_network += 1,
                PortraitFraming::CenterCrop => counts.center_crop += 1,
            }
        }
        counts
    }
}

impl fmt::Display for Framings {
    /// `faces aligned by the landmark network: 9, cropped: 1`: what there is none of is not named.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            ("aligned by the list of landmarks", self.landmark_list),
            ("aligned by the landmark network", self.landmark_network),
            ("cropped", self.center_crop),
        ];
        let parts: Vec<String> =
            counts.iter().filter(|(_, count)| *count > 0).map(|(what, count)| format!("{what}: {count}")).collect();
        match parts.is_empty() {
            true => formatter.write_str("no faces"),
            false => write!(formatter, "faces {}", parts.join(", ")),
        }
    }
}
