//! `facenet identify`: which enrolled person does an image show?

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use facenet_data::{GalleryFolder, escape_path};
use facenet_recognition::{
    AnsweredProbe, FaceSource, Gallery, IdentificationAgreement, IdentityDecision, Portrait, Posterior,
    identification_agreement,
};
use serde::Serialize;

use crate::arguments::images::images;
use crate::arguments::portraits::{PortraitArguments, embed};
use crate::arguments::squared_distance::squared_distance;
use crate::output::notes::{Note, confidence, count, notes, notes_text};
use crate::output::print::print;

/// The arguments of the command.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// The people to enroll: a folder of images for each person
    #[arg(value_name = "GALLERY_DIR")]
    gallery: PathBuf,
    /// Images of one face each, or folders of them
    #[arg(value_name = "PROBE", required = true)]
    probes: Vec<PathBuf>,
    /// The squared distance to a person's nearest image, 0 to 4, up to which a probe shows that
    /// person [default: the most probable person by the network's calibration, unless "unknown" is
    /// more probable]
    #[arg(long, value_name = "D", value_parser = squared_distance)]
    threshold: Option<f64>,
    /// Identify by k-NN classification: the person that most of the K nearest enrolled images show,
    /// among those up to the threshold [default threshold: the squared distance at which the network's
    /// calibration gives odds of N to one that a pair is genuine, for N people]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    neighbors: Option<u32>,
    #[command(flatten)]
    portraits: PortraitArguments,
}

#[derive(Serialize)]
struct Report {
    network: String,
    people: usize,
    #[serde(rename = "gallery_pictures")]
    gallery_images: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    neighbors: Option<usize>,
    /// The squared distance up to which neighbors vote.
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<f64>,
    probes: Vec<Answer>,
    #[serde(rename = "doubts")]
    warnings: Vec<Note>,
    unread: Vec<Note>,
    agreement_with_folders: Option<IdentificationAgreement>,
    seconds: f64,
}

#[derive(Serialize)]
struct Answer {
    #[serde(rename = "picture")]
    image: String,
    /// `null` for unknown.
    person: Option<String>,
    confidence: Option<f64>,
    /// Number of neighbors that voted for the person.
    #[serde(skip_serializing_if = "Option::is_none")]
    votes: Option<usize>,
    #[serde(rename = "framing")]
    source: FaceSource,
    nearest: Nearest,
    posterior: Option<MostProbable>,
}

/// The most probable enrolled person by the calibration.
#[derive(Serialize)]
struct MostProbable {
    person: String,
    probability: f64,
    /// The probability that it is none of them.
    unknown: f64,
}

#[derive(Serialize)]
struct Nearest {
    person: String,
    #[serde(rename = "picture")]
    image: String,
    squared_distance: f64,
}

/// Enrolls the people and identifies the probes.
///
/// # Errors
///
/// If an image or a network can't be read, or there is neither a calibration nor a threshold.
pub fn command(arguments: &Arguments) -> Result<()> {
    let start = Instant::now();
    let enrolled = GalleryFolder::read(&arguments.gallery)?.set;
    let probes = images(&arguments.probes)?;
    let folders = arguments.probes.iter().chain([&arguments.gallery]).map(PathBuf::as_path);
    let mut portraits = arguments.portraits.read(&folders.collect::<Vec<_>>())?;
    let rule = portraits.decision_rule(arguments.threshold)?;
    let known = embed(&mut portraits.embedder, &enrolled.images)?;
    let identity: BTreeMap<&PathBuf, usize> = enrolled.images.iter().zip(enrolled.identities.iter().copied()).collect();
    let identities: Vec<usize> = known.images.iter().map(|image| identity[image]).collect();
    ensure!(!identities.is_empty(), "no image of {} could be read", escape_path(&arguments.gallery));
    let (mut warnings, mut unread) = notes(&known, Path::new(""));
    let gallery = Gallery::new(known.embeddings, &identities)?;
    let unknown = embed(&mut portraits.embedder, &probes)?;
    let (probe_warnings, probe_unread) = notes(&unknown, Path::new(""));
    warnings.extend(probe_warnings);
    unread.extend(probe_unread);

    let neighbors = arguments.neighbors.map(|neighbors| (neighbors as usize).min(identities.len()));
    let decisions = match neighbors {
        Some(neighbors) => portraits.embedder.identify_by_neighbors(&gallery, &unknown, &rule, neighbors)?,
        None => portraits.embedder.identify(&gallery, &unknown, &rule)?,
    };
    let name = |person: usize| enrolled.people[person].as_str();
    let answered = unknown.images.iter().zip(&decisions).map(|(path, decision)| AnsweredProbe {
        path,
        nearest: name(decision.found.nearest),
        named: decision.person.map(name),
    });
    let people: BTreeSet<&str> = identities.iter().map(|&person| name(person)).collect();
    let agreement = identification_agreement(&answered.collect::<Vec<_>>(), &people);
    let answer = |((image, portrait), decision): ((&PathBuf, &Portrait), &IdentityDecision)| Answer {
        image: escape_path(image),
        person: decision.person.map(|person| name(person).to_owned()),
        confidence: decision.confidence,
        votes: decision.votes,
        source: portrait.source,
        nearest: Nearest {
            person: name(decision.found.nearest).to_owned(),
            image: escape_path(&known.images[decision.found.image]),
            squared_distance: decision.found.squared_distance.into(),
        },
        posterior: decision.found.posterior.map(|Posterior { person, probability, unknown }| MostProbable {
            person: name(person).to_owned(),
            probability,
            unknown,
        }),
    };
    let report = Report {
        network: portraits.embedder.description().name.clone(),
        people: people.len(),
        gallery_images: known.images.len(),
        neighbors,
        threshold: neighbors.map(|_| rule.gallery_threshold(people.len())),
        probes: unknown.images.iter().zip(&unknown.portraits).zip(&decisions).map(answer).collect(),
        warnings,
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

/// The confidence of an answer, or the votes for it and the most probable answer beside them.
fn certainty(answer: &Answer, neighbors: Option<usize>) -> String {
    let mut text = String::new();
    if let (Some(votes @ 1..), Some(neighbors)) = (answer.votes, neighbors) {
        text += &format!(", {votes} of {}", count(neighbors, "neighbor", "neighbors"));
    }
    if let (Some(_), Some(MostProbable { person, probability, unknown })) = (answer.votes, &answer.posterior) {
        let (likeliest, probability) =
            if probability >= unknown { (person.as_str(), probability) } else { ("unknown", unknown) };
        text += &format!(", by calibration {likeliest}, {}", confidence(*probability));
    }
    if let Some(probability) = answer.confidence {
        text += &format!(", {}", confidence(probability));
    }
    text
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    for answer in &report.probes {
        let Answer { image, person, source, nearest, .. } = answer;
        let certainty = certainty(answer, report.neighbors);
        let cropped = if *source == FaceSource::CenterCrop { ", cropped" } else { "" };
        let Nearest { person: name, image: nearest_image, squared_distance } = nearest;
        text += &match person {
            Some(person) => {
                format!(
                    "{image}: {person}{certainty}{cropped} (squared distance {squared_distance:.3} to {nearest_image})\n"
                )
            }
            None => {
                format!(
                    "{image}: unknown{certainty}{cropped} (nearest: {name}, squared distance {squared_distance:.3})\n"
                )
            }
        };
    }
    text += &notes_text(&report.warnings, &report.unread);
    text += &format!(
        "\n{} enrolled with {}, by {}{}; {:.1} s\n",
        count(report.people, "person", "people"),
        count(report.gallery_images, "image", "images"),
        report.network,
        report.threshold.map_or_else(String::new, |threshold| format!(", threshold {threshold:.3}")),
        report.seconds
    );
    if let Some(IdentificationAgreement { probes, rank1, named_rightly, named_wrongly }) = report.agreement_with_folders
    {
        text += &format!(
            "of {} in folders named after enrolled people, {:.1} % are nearest to that person, {:.1} % got that name, {:.1} % another name\n",
            count(probes, "probe", "probes"),
            100.0 * rank1,
            100.0 * named_rightly,
            100.0 * named_wrongly
        );
    }
    text
}
