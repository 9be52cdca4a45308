//! `facenet identify`: who is on these photos, among the people of a gallery?

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use facenet_data::{GalleryFolder, escape_path};
use facenet_recognition::{
    AnsweredProbe, EmbeddedPhotos, FaceSelection, Gallery, IdentificationAgreement, IdentityDecision, Posterior,
    identification_agreement,
};
use facenet_report::LabeledFace;
use serde::Serialize;

use crate::arguments::found_photos::FoundPhotos;
use crate::arguments::photos::PhotoArguments;
use crate::arguments::squared_distance::squared_distance;
use crate::arguments::threads::set_threads;
use crate::output::annotated_photos::write_annotated_photos;
use crate::output::faces::FaceReport;
use crate::output::new_folder::NewFolder;
use crate::output::notes::{Notes, confidence, count};
use crate::output::print::print;

/// The arguments of the command.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// The people to enroll: a folder of photos for each person. On a photo of several people the most
    /// central face is enrolled
    #[arg(value_name = "GALLERY_DIR")]
    gallery: PathBuf,
    /// Photos, or folders of them
    #[arg(value_name = "PROBE", required = true)]
    probes: Vec<PathBuf>,
    /// The squared distance to a person's nearest photo, 0 to 4, up to which a face is that
    /// person [default: the most probable person by the network's calibration, unless "unknown" is
    /// more probable]
    #[arg(long, value_name = "D", value_parser = squared_distance)]
    threshold: Option<f64>,
    /// Identify by k-NN classification: the person that most of the K nearest enrolled faces show,
    /// among those up to the threshold [default threshold: the squared distance at which the network's
    /// calibration gives odds of N to one that a pair is genuine, for N people]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    neighbors: Option<u32>,
    /// Write copies of the probes with boxes and names to a new folder
    #[arg(long, value_name = "DIR")]
    draw: Option<PathBuf>,
    #[command(flatten)]
    photos: PhotoArguments,
}

#[derive(Serialize)]
struct Report {
    network: String,
    people: usize,
    /// Number of enrolled faces.
    gallery_faces: usize,
    /// Number of probe photos.
    photos: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    neighbors: Option<usize>,
    /// The squared distance up to which neighbors vote.
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<f64>,
    /// An answer per face.
    probes: Vec<Answer>,
    /// The copies with boxes and names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    drawings: Vec<String>,
    #[serde(flatten)]
    notes: Notes,
    agreement_with_folders: Option<IdentificationAgreement>,
    seconds: f64,
}

#[derive(Serialize)]
struct Answer {
    #[serde(flatten)]
    face: FaceReport,
    /// Number of faces of the photo.
    #[serde(skip)]
    faces: usize,
    /// `null` for unknown.
    person: Option<String>,
    confidence: Option<f64>,
    /// Number of neighbors that voted for the person.
    #[serde(skip_serializing_if = "Option::is_none")]
    votes: Option<usize>,
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
    photo: String,
    squared_distance: f64,
}

/// Enrolls the people and identifies the faces on the probes.
///
/// # Errors
///
/// If a photo or a network can't be read, a copy can't be written, or there is neither a calibration nor a
/// threshold.
pub fn command(arguments: &Arguments) -> Result<()> {
    let start = Instant::now();
    set_threads(arguments.photos.threads)?;
    let gallery_folder = GalleryFolder::read(&arguments.gallery)?;
    let enrolled = &gallery_folder.set;
    let found = FoundPhotos::find(&arguments.probes)?;
    let folders = arguments.probes.iter().chain([&arguments.gallery]).map(PathBuf::as_path);
    let mut networks = arguments.photos.read(&folders.collect::<Vec<_>>())?;
    let rule = networks.decision_rule(arguments.threshold)?;
    let drawings = arguments.draw.as_deref().map(|out| NewFolder::apart(out, &arguments.probes)).transpose()?;
    let known = networks.embed_selected(&enrolled.images, FaceSelection::Central)?;
    let notes = Notes::new(FoundPhotos::of_gallery(&gallery_folder), &known, Path::new(""));
    let known = known.without_misplaced();
    let identity: BTreeMap<&PathBuf, usize> = enrolled.images.iter().zip(enrolled.identities.iter().copied()).collect();
    let identities: Vec<usize> = (0..known.faces.len()).map(|row| identity[&known.photo_of(row).path]).collect();
    ensure!(!identities.is_empty(), "no photo of {} shows a face", escape_path(&arguments.gallery));
    let gallery = Gallery::new(known.embeddings.clone(), &identities)?;
    let unknown = networks.embed(&found.photos)?;
    let notes = notes.and(Notes::new(found, &unknown, Path::new("")));

    let neighbors = arguments.neighbors.map(|neighbors| (neighbors as usize).min(identities.len()));
    let decisions = match neighbors {
        Some(neighbors) => networks.embedder.identify_by_neighbors(&gallery, &unknown, &rule, neighbors)?,
        None => networks.embedder.identify(&gallery, &unknown, &rule)?,
    };
    let name = |person: usize| enrolled.people[person].as_str();
    let people: BTreeSet<&str> = identities.iter().map(|&person| name(person)).collect();
    // A folder says who is on a photo, and that is the person at its center.
    let answered = unknown.central_faces().into_iter().flatten().map(|row| AnsweredProbe {
        path: &unknown.photo_of(row).path,
        nearest: name(decisions[row].found.nearest),
        named: decisions[row].person.map(name),
    });
    let agreement = identification_agreement(&answered.collect::<Vec<_>>(), &people);
    let answer = |(row, decision): (usize, &IdentityDecision)| Answer {
        face: FaceReport::of_row(&unknown, row),
        faces: unknown.photo_of(row).faces.len(),
        person: decision.person.map(|person| name(person).to_owned()),
        confidence: decision.confidence,
        votes: decision.votes,
        nearest: Nearest {
            person: name(decision.found.nearest).to_owned(),
            photo: escape_path(&known.photo_of(decision.found.image).path),
            squared_distance: decision.found.squared_distance.into(),
        },
        posterior: decision.found.posterior.map(|Posterior { person, probability, unknown }| MostProbable {
            person: name(person).to_owned(),
            probability,
            unknown,
        }),
    };
    let probes: Vec<Answer> = decisions.iter().enumerate().map(answer).collect();
    let drawings = match drawings {
        Some(out) => write_annotated_photos(out, &labeled(&unknown, &probes))?,
        None => Vec::new(),
    };
    let report = Report {
        network: networks.embedder.description().name.clone(),
        people: people.len(),
        gallery_faces: known.faces.len(),
        photos: unknown.photos.len(),
        neighbors,
        threshold: neighbors.map(|_| rule.gallery_threshold(people.len())),
        probes,
        drawings: drawings.iter().map(escape_path).collect(),
        notes,
        agreement_with_folders: agreement,
        seconds: start.elapsed().as_secs_f64(),
    };
    print(arguments.photos.json, &report, &text(&report))?;
    match report.notes.unread.len() {
        0 => Ok(()),
        unread => {
            bail!("{unread} of {} photos or folders could not be read", known.photos.len() + report.photos + unread)
        }
    }
}

/// The photos with the names of their faces.
fn labeled(photos: &EmbeddedPhotos, answers: &[Answer]) -> Vec<(PathBuf, Vec<LabeledFace>)> {
    let label = |row: usize| {
        let Answer { person, confidence, .. } = &answers[row];
        let note = confidence.map_or_else(String::new, |probability| format!("{:.0} %", 100.0 * probability));
        let label = person.clone().unwrap_or_else(|| "unknown".to_owned());
        LabeledFace { face: photos.faces[row], label, note }
    };
    photos.photos.iter().map(|photo| (photo.path.clone(), photo.faces.clone().map(label).collect())).collect()
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
        let Answer { face, faces, person, nearest, .. } = answer;
        let certainty = certainty(answer, report.neighbors);
        let warning = face.warning.as_ref().map_or_else(String::new, |warning| format!(", {warning}"));
        let face = face.name(*faces);
        let Nearest { person: name, photo: nearest_photo, squared_distance } = nearest;
        text += &match person {
            Some(person) => {
                format!(
                    "{face}: {person}{certainty}{warning} (squared distance {squared_distance:.3} to {nearest_photo})\n"
                )
            }
            None => {
                format!(
                    "{face}: unknown{certainty}{warning} (nearest: {name}, squared distance {squared_distance:.3})\n"
                )
            }
        };
    }
    text += &report.notes.text();
    for file in &report.drawings {
        text += &format!("\ndrawn in {file}");
    }
    text += &format!(
        "\n{} enrolled with {}, by {}{}; {:.1} s\n",
        count(report.people, "person", "people"),
        count(report.gallery_faces, "face", "faces"),
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
