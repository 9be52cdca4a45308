//! `cargo xtask verify`: whether two pictures show one person.

use std::path::PathBuf;

use anyhow::{Context, Result};
use facenet::{Portrait, PortraitFraming};
use facenet_data::shown;
use serde::Serialize;

use crate::arguments::print;
use crate::portraits::{PortraitArguments, embed, how, is_calibrated, squared_distance};

/// The arguments of the command.
#[derive(clap::Args)]
pub struct Arguments {
    /// A picture of one face
    #[arg(value_name = "A")]
    first: PathBuf,
    /// Another one
    #[arg(value_name = "B")]
    second: PathBuf,
    /// The squared distance up to which it is one person, 0 to 4 [default: the network's, at which both are equally likely]
    #[arg(long, value_name = "D", value_parser = squared_distance)]
    threshold: Option<f64>,
    #[command(flatten)]
    portraits: PortraitArguments,
}

#[derive(Serialize)]
struct Report {
    network: String,
    pictures: [Picture; 2],
    squared_distance: f64,
    threshold: f64,
    same: bool,
    /// How likely the verdict is right if both were as likely before; none if the threshold is one's own, or a face is not
    /// aligned though the network asks for it.
    confidence: Option<f64>,
}

#[derive(Serialize)]
struct Picture {
    picture: String,
    framing: PortraitFraming,
    doubt: Option<String>,
}

/// Embeds both pictures and compares.
pub fn command(arguments: &Arguments) -> Result<()> {
    let mut portraits = arguments.portraits.read_without_cache()?;
    let (threshold, calibration) = match arguments.threshold {
        Some(threshold) => (threshold, None),
        None => {
            let calibration = portraits.calibration.context(
                "nothing tells what distances of this network mean: say by --threshold up to which it is one person",
            )?;
            (calibration.threshold, Some(calibration))
        }
    };
    let embedded = embed(&mut portraits.embedder, &[arguments.first.clone(), arguments.second.clone()])?;
    if let Some(unread) = embedded.unread.into_iter().next() {
        return Err(unread.error.into());
    }
    let [first, second] = [0, 1].map(|row| &embedded.portraits[row]);
    let difference = &embedded.embeddings.row(0) - &embedded.embeddings.row(1);
    let squared_distance: f64 = difference.iter().map(|&number| f64::from(number).powi(2)).sum();
    let same = squared_distance <= threshold;
    let aligned = embedded.portraits.iter().all(|portrait| is_calibrated(&portraits.embedder, portrait));
    let confidence = calibration.filter(|_| aligned).map(|calibration| {
        let probability = calibration.probability(squared_distance);
        if same { probability } else { 1.0 - probability }
    });
    let picture = |path: &PathBuf, portrait: &Portrait| Picture {
        picture: shown(path),
        framing: portrait.framing,
        doubt: portrait.doubt().map(|doubt| doubt.to_string()),
    };
    let report = Report {
        network: portraits.embedder.description().name.clone(),
        pictures: [picture(&arguments.first, first), picture(&arguments.second, second)],
        squared_distance,
        threshold,
        same,
        confidence,
    };
    print(arguments.portraits.json, &report, &text(&report))
}

fn text(report: &Report) -> String {
    let mut text = match (report.same, report.confidence) {
        (true, Some(confidence)) => format!("the same person, {}\n", percent(confidence)),
        (false, Some(confidence)) => format!("two people, {}\n", percent(confidence)),
        (true, None) => "the same person\n".to_owned(),
        (false, None) => "two people\n".to_owned(),
    };
    text += &format!(
        "squared distance {:.3}, threshold {:.3}, by {}\n",
        report.squared_distance, report.threshold, report.network
    );
    for Picture { picture, framing, doubt } in &report.pictures {
        text += &format!("{picture}: {}\n", doubt.as_deref().unwrap_or(how(*framing)));
    }
    text
}

/// A confidence: never as if there were no doubt at all.
pub fn percent(confidence: f64) -> String {
    match 100.0 * confidence {
        percent if percent > 99.9 => "more than 99.9 % sure".to_owned(),
        percent => format!("{percent:.1} % sure"),
    }
}
