//! `facenet identify`: which enrolled person an image shows, or that it is none of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use facenet_data::{FaceSet, escape_path, images_below};
use facenet_recognition::{
    AnsweredProbe, DecisionRule, FaceSource, Gallery, IdentificationAgreement, IdentityDecision,
    identification_agreement,
};
use serde::Serialize;

use crate::arguments::common::squared_distance;
use crate::arguments::portraits::{PortraitArguments, embed};
use crate::output::notes::{Note, confidence, count, notes, notes_text};
use crate::output::print::print;

/// The arguments of the command.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// The people to enrol: a folder with a folder of images for each
    #[arg(value_name = "GALLERY_DIR")]
    gallery: PathBuf,
    /// Images of one face each, or folders of them
    #[arg(value_name = "PROBE", required = true)]
    probes: Vec<PathBuf>,
    /// The squared distance, 0 to 4, to a person's nearest image up to which a probe shows that person [default: the most
    /// probable person by the network's calibration, unless "unknown" is more probable]
    #[arg(long, value_name = "D", value_parser = squared_distance)]
    threshold: Option<f64>,
    #[command(flatten)]
    portraits: PortraitArguments,
}

#[derive(Serialize)]
struct Report {
    network: String,
    people: usize,
    gallery_pictures: usize,
    probes: Vec<Answer>,
    doubts: Vec<Note>,
    unread: Vec<Note>,
    agreement_with_folders: Option<IdentificationAgreement>,
    seconds: f64,
}

#[derive(Serialize)]
struct Answer {
    picture: String,
    /// `null`: unknown.
    person: Option<String>,
    confidence: Option<f64>,
    framing: FaceSource,
    nearest: Nearest,
}

#[derive(Serialize)]
struct Nearest {
    person: String,
    picture: String,
    squared_distance: f64,
}

/// Enrols the people and names the probes.
///
/// # Errors
///
/// If images or networks can't be read, or nothing decides.
pub fn command(arguments: &Arguments) -> Result<()> {
    let start = Instant::now();
    let enrolled = FaceSet::from_gallery(&arguments.gallery)?;
    let probes = probes(&arguments.probes)?;
    let folders = arguments.probes.iter().chain([&arguments.gallery]).map(PathBuf::as_path);
    let mut portraits = arguments.portraits.read(&folders.collect::<Vec<_>>())?;
    let rule = match arguments.threshold {
        Some(threshold) => DecisionRule::Threshold(threshold),
        None => DecisionRule::Calibrated(
            portraits.calibration.context("this network has no calibration; pass --threshold D")?,
        ),
    };
    let known = embed(&mut portraits.embedder, &enrolled.images)?;
    let identity: BTreeMap<&PathBuf, usize> = enrolled.images.iter().zip(enrolled.identities.iter().copied()).collect();
    let identities: Vec<usize> = known.images.iter().map(|image| identity[image]).collect();
    ensure!(!identities.is_empty(), "no image of {} could be read", escape_path(&arguments.gallery));
    let (mut warnings, mut unread) = notes(&known, Path::new(""));
    let gallery = Gallery::new(known.embeddings, &identities);
    let unknown = embed(&mut portraits.embedder, &probes)?;
    let (probe_warnings, probe_unread) = notes(&unknown, Path::new(""));
    warnings.extend(probe_warnings);
    unread.extend(probe_unread);

    let decisions = portraits.embedder.identify(&gallery, &unknown, &rule);
    let name = |person: usize| enrolled.people[person].as_str();
    let answered = unknown.images.iter().zip(&decisions).map(|(path, decision)| AnsweredProbe {
        path,
        nearest: name(decision.found.nearest),
        named: decision.person.map(name),
    });
    let people: BTreeSet<&str> = identities.iter().map(|&person| name(person)).collect();
    let agreement = identification_agreement(&answered.collect::<Vec<_>>(), &people);
    let answer =
        |((image, portrait), decision): ((&PathBuf, &facenet_recognition::Portrait), &IdentityDecision)| Answer {
            picture: escape_path(image),
            person: decision.person.map(|person| name(person).to_owned()),
            confidence: decision.confidence,
            framing: portrait.source,
            nearest: Nearest {
                person: name(decision.found.nearest).to_owned(),
                picture: escape_path(&known.images[decision.found.image]),
                squared_distance: decision.found.squared_distance.into(),
            },
        };
    let report = Report {
        network: portraits.embedder.description().name.clone(),
        people: people.len(),
        gallery_pictures: known.images.len(),
        probes: unknown.images.iter().zip(&unknown.portraits).zip(&decisions).map(answer).collect(),
        doubts: warnings,
        unread,
        agreement_with_folders: agreement,
        seconds: start.elapsed().as_secs_f64(),
    };
    print(arguments.portraits.json, &report, &text(&report))?;
    match report.unread.len() {
        0 => Ok(()),
        unread => bail!("{unread} of {} images could not be read", enrolled.images.len() + probes.len()),
    }
}

/// The images that were given, and those below the folders that were given.
fn probes(given: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut probes = Vec::new();
    for path in given {
        if path.is_dir() {
            let images = images_below(path)?;
            ensure!(!images.is_empty(), "there are no images below {}", escape_path(path));
            probes.extend(images);
        } else {
            probes.push(path.clone());
        }
    }
    Ok(probes)
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    for Answer { picture, person, confidence: probability, framing, nearest } in &report.probes {
        let sure = probability.map_or_else(String::new, |probability| format!(", {}", confidence(probability)));
        let cropped = if *framing == FaceSource::CenterCrop { ", cropped" } else { "" };
        let Nearest { person: name, picture: near, squared_distance } = nearest;
        text += &match person {
            Some(person) => {
                format!("{picture}: {person}{sure}{cropped} (squared distance {squared_distance:.3} to {near})\n")
            }
            None => {
                format!("{picture}: unknown{sure}{cropped} (nearest: {name}, squared distance {squared_distance:.3})\n")
            }
        };
    }
    text += &notes_text(&report.doubts, &report.unread);
    text += &format!(
        "\n{} enrolled with {}, by {}; {:.1} s\n",
        count(report.people, "person", "people"),
        count(report.gallery_pictures, "image", "images"),
        report.network,
        report.seconds
    );
    if let Some(IdentificationAgreement { probes, rank1, named_rightly, named_wrongly }) = report.agreement_with_folders
    {
        text += &format!(
            "of {} in folders named after enrolled people, {:.1} % are nearest to that person, {:.1} % are given that name, {:.1} % another one\n",
            count(probes, "probe", "probes"),
            100.0 * rank1,
            100.0 * named_rightly,
            100.0 * named_wrongly
        );
    }
    text
}
