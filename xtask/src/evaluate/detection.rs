//! `cargo xtask evaluate detection`: average precision of the face detector.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use facenet_cli::arguments::threads::set_threads;
use facenet_cli::folders;
use facenet_cli::output::print::print;
use facenet_cli::output::progress_bar::Bar;
use facenet_network::Network;
use facenet_recognition::{DEFAULT_DETECTOR, DetectionOptions, ForeignNetwork, MinFace, read_weights, weights_sha256};
use facenet_training::{DetectionEvaluation, evaluate_detection};
use serde::Serialize;

use crate::progress;

/// The arguments of the command.
#[derive(clap::Args)]
pub struct Arguments {
    /// Folder of marked photos, `faces.txt` and `images`, or of data sets with such a folder `detection`
    /// [default: $FACENET_DATA, else data/]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Detector: a checkpoint, or foreign weights [default: yunet_n of the data folder]
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Shorter side of the smallest faces to look for, in pixels of the photo [default: an 80th of its longer
    /// side, as in `facenet detect`]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    min_face: Option<u32>,
    /// Number of threads [default: all]
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    network: String,
    weights_sha256: String,
    #[serde(flatten)]
    evaluation: DetectionEvaluation,
}

/// Searches the photos and prints the scores.
pub fn command(arguments: &Arguments) -> Result<()> {
    set_threads(arguments.threads)?;
    let data = folders::development_data(arguments.data.as_deref());
    let folder = if data.join("faces.txt").is_file() { data } else { data.join("detection") };
    let weights = match &arguments.weights {
        Some(file) => file.clone(),
        None => folders::find_network(None, DEFAULT_DETECTOR)
            .with_context(|| format!("network {DEFAULT_DETECTOR} not found; pass --weights FILE"))?,
    };
    let network = Network::from_checkpoint(read_weights(&weights, &ForeignNetwork::default())?)?;
    let mut options = DetectionOptions::default();
    if let Some(side) = arguments.min_face {
        options.min_face = MinFace::Pixels(side.into());
    }
    let bar = Bar::new();
    let evaluation = evaluate_detection(&network, options, &folder, &|step| progress::show(&bar, step));
    bar.clear();
    let report = Report {
        network: network.description().name.clone(),
        weights_sha256: weights_sha256(&network),
        evaluation: evaluation?,
    };
    print(arguments.json, &report, &text(&report)?)
}

fn text(Report { network, evaluation, .. }: &Report) -> Result<String> {
    let DetectionEvaluation { photos, faces, milliseconds_per_photo, .. } = evaluation;
    let mut text =
        format!("{network}: {photos} photos, {faces} marked faces, {milliseconds_per_photo:.1} ms per photo\n\n");
    for (side, score) in &evaluation.average_precision {
        let (error, counted) = (evaluation.standard_errors[side], evaluation.counted_faces[side]);
        writeln!(
            text,
            "faces of at least {side} pixels   average precision {score:.3} ± {error:.3} ({counted} faces)"
        )?;
    }
    writeln!(text, "\npixels of a photo whose longer side is 640; ± is the standard error by bootstrap over photos")?;
    Ok(text)
}
