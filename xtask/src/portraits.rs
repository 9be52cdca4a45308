//! What the commands that embed pictures of one face each have in common.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use facenet::{
    Calibration, EmbeddedPortraits, ForeignNetwork, Portrait, PortraitEmbedder, PortraitFraming, PortraitLandmarks,
    Trainer, calibration, read_weights,
};
use facenet_data::{Crop, shown};
use facenet_network::Network;
use indicatif::HumanCount;
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
    /// Five points of each face, as far as they are known, in the pictures' pixels; paths begin in the folder of the pictures
    /// or the list's own
    #[arg(long, value_name = "FILE")]
    landmarks: Option<PathBuf>,
    /// The network that finds them in the other pictures [default: landmarks-regression-retail-0009 as
    /// `cargo xtask download` leaves it, if it is there]
    #[arg(long, value_name = "FILE")]
    landmark_network: Option<PathBuf>,
    /// Where data sets and weights lie [default: $FACENET_DATA, else data/]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where embeddings are kept, to be made only once; `verify` keeps none [default: runs/cache]
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
    /// Reads the networks and what the cache holds. `folders` are those with the pictures: paths of a list of landmarks may
    /// begin in them.
    pub fn read(&self, folders: &[&Path]) -> Result<Portraits> {
        let cache = self.cache.clone().unwrap_or_else(|| workspace().join("runs").join("cache"));
        self.read_with(folders, Some(&cache))
    }

    /// The same for so few pictures that nothing is kept.
    pub fn read_without_cache(&self) -> Result<Portraits> {
        self.read_with(&[], None)
    }

    fn read_with(&self, folders: &[&Path], cache: Option<&Path>) -> Result<Portraits> {
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
        let list = self.landmarks.as_ref().map(|path| {
            ensure!(
                network.description().preprocessing.template.is_some(),
                "{} does not ask for aligned faces: leave out --landmarks",
                network.description().name
            );
            Ok(PortraitLandmarks::read(path, folders)?)
        });
        let list = list.transpose()?;
        let landmark_network = landmark_network.transpose()?;
        if landmark_network.is_none() && network.description().preprocessing.template.is_some() {
            eprintln!(
                "help: `cargo xtask download weights/{LANDMARKS}` fetches a network that finds faces; without it the middle of each picture is taken for one"
            );
        }
        let embedder = PortraitEmbedder::new(&network, landmark_network.as_ref(), list, crop, cache);
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
///
/// # Errors
/// Also if a list of landmarks was given, and has a line for none of them.
pub fn embed(embedder: &mut PortraitEmbedder, pictures: &[PathBuf]) -> Result<EmbeddedPortraits> {
    if let Some(list) = &embedder.reader().landmark_list {
        ensure!(
            pictures.iter().any(|picture| list.get(picture).is_some()),
            "{} names none of the pictures: its paths begin in the folder of the pictures, or in its own",
            shown(list.path())
        );
    }
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

/// Whether a network's calibration holds for a face: it is that of aligned faces, if the network asks for them.
pub fn is_calibrated(embedder: &PortraitEmbedder, portrait: &Portrait) -> bool {
    embedder.reader().template.is_none() || portrait.framing != PortraitFraming::CenterCrop
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

/// The first few of both, line by line below a heading.
pub fn notes_text(doubts: &[Note], unread: &[Note]) -> String {
    let doubts = doubts.iter().map(|Note { picture, reason }| format!("{picture}: {reason}")).collect::<Vec<_>>();
    // Their errors name the picture.
    let unread = unread.iter().map(|Note { reason, .. }| reason.clone()).collect::<Vec<_>>();
    let mut text = String::new();
    for (lines, what) in [(doubts, "to look at"), (unread, "not read")] {
        if lines.is_empty() {
            continue;
        }
        text += &format!("\n{} {what}:\n", count(lines.len(), "picture", "pictures"));
        for line in lines.iter().take(SHOWN) {
            text += &format!("  {line}\n");
        }
        if lines.len() > SHOWN {
            text += &format!("  and {} more, which --json names\n", lines.len() - SHOWN);
        }
    }
    text
}

/// `1 picture`, `2 pictures`.
pub fn count(number: usize, one: &str, many: &str) -> String {
    format!("{} {}", HumanCount(number as u64), if number == 1 { one } else { many })
}

/// By what a face was cut out, in words.
pub fn how(framing: PortraitFraming) -> &'static str {
    match framing {
        PortraitFraming::LandmarkList => "aligned by the list of landmarks",
        PortraitFraming::LandmarkNetwork => "aligned by the landmark network",
        PortraitFraming::CenterCrop => "cropped",
    }
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
            (PortraitFraming::LandmarkList, self.landmark_list),
            (PortraitFraming::LandmarkNetwork, self.landmark_network),
            (PortraitFraming::CenterCrop, self.center_crop),
        ];
        let parts: Vec<String> =
            counts.iter().filter(|(_, count)| *count > 0).map(|(by, count)| format!("{}: {count}", how(*by))).collect();
        match parts.is_empty() {
            true => formatter.write_str("no faces"),
            false => write!(formatter, "faces {}", parts.join(", ")),
        }
    }
}
