//! `facenet verify`: whether two images show the same person.

use std::path::PathBuf;

use anyhow::Result;
use facenet_data::escape_path;
use facenet_recognition::{FaceSource, Portrait, Verdict};
use serde::Serialize;

use crate::arguments::portraits::{PortraitArguments, embed};
use crate::arguments::squared_distance::squared_distance;
use crate::output::notes::confidence;
use crate::output::print::print;

/// The arguments of the command.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// An image of one face
    #[arg(value_name = "A")]
    first: PathBuf,
    /// Another image of one face
    #[arg(value_name = "B")]
    second: PathBuf,
    /// The squared distance, 0 to 4, up to which the images show the same person [default: that of
    /// the network's calibration, where both answers are equally likely]
    #[arg(long, value_name = "D", value_parser = squared_distance)]
    threshold: Option<f64>,
    #[command(flatten)]
    portraits: PortraitArguments,
}

#[derive(Serialize)]
struct Report {
    network: String,
    #[serde(rename = "pictures")]
    images: [Image; 2],
    squared_distance: f64,
    threshold: f64,
    same: bool,
    confidence: Option<f64>,
}

#[derive(Serialize)]
struct Image {
    #[serde(rename = "picture")]
    name: String,
    #[serde(rename = "framing")]
    source: FaceSource,
    #[serde(rename = "doubt")]
    warning: Option<String>,
}

/// Embeds both images and compares them.
///
/// # Errors
///
/// If an image or a network can't be read, or there is neither a calibration nor a threshold.
pub fn command(arguments: &Arguments) -> Result<()> {
    let mut portraits = arguments.portraits.read_without_cache()?;
    let rule = portraits.decision_rule(arguments.threshold)?;
    let mut embedded = embed(&mut portraits.embedder, &[arguments.first.clone(), arguments.second.clone()])?;
    if let Some(unread) = embedded.unread.pop() {
        return Err(unread.error.into());
    }
    let Verdict { same, squared_distance, threshold, confidence } = portraits.embedder.verify(&embedded, [0, 1], &rule);
    let image = |path: &PathBuf, portrait: &Portrait| Image {
        name: escape_path(path),
        source: portrait.source,
        warning: portrait.warning().map(|warning| warning.to_string()),
    };
    let report = Report {
        network: portraits.embedder.description().name.clone(),
        images: [image(&arguments.first, &embedded.portraits[0]), image(&arguments.second, &embedded.portraits[1])],
        squared_distance,
        threshold,
        same,
        confidence,
    };
    print(arguments.portraits.json, &report, &text(&report))
}

fn text(report: &Report) -> String {
    let verdict = if report.same { "the same person" } else { "different people" };
    let mut text = match report.confidence {
        Some(probability) => format!("{verdict}, {}\n", confidence(probability)),
        None => format!("{verdict}\n"),
    };
    text += &format!(
        "squared distance {:.3}, threshold {:.3}, by {}\n",
        report.squared_distance, report.threshold, report.network
    );
    for Image { name, source, warning } in &report.images {
        text += &format!("{name}: {}\n", warning.as_deref().unwrap_or(source.description()));
    }
    text
}
