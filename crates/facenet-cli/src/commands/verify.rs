//! `facenet verify`: whether someone is on both of two photos.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use facenet_data::escape_path;
use facenet_recognition::{EmbeddedPhotos, FaceWarning, ReadPhoto, Verdict};
use serde::Serialize;

use crate::arguments::photos::PhotoArguments;
use crate::arguments::squared_distance::squared_distance;
use crate::arguments::threads::set_threads;
use crate::output::faces::FaceReport;
use crate::output::notes::{confidence, count, missing_face};
use crate::output::print::print;

/// The arguments of the command.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// A photo
    #[arg(value_name = "A")]
    first: PathBuf,
    /// Another photo
    #[arg(value_name = "B")]
    second: PathBuf,
    /// The squared distance, 0 to 4, up to which two faces show the same person [default: that of
    /// the network's calibration, where both answers are equally likely]
    #[arg(long, value_name = "D", value_parser = squared_distance)]
    threshold: Option<f64>,
    #[command(flatten)]
    photos: PhotoArguments,
}

#[derive(Serialize)]
struct Report {
    network: String,
    photos: [Photo; 2],
    /// The two faces that are most alike.
    faces: Option<[FaceReport; 2]>,
    squared_distance: Option<f64>,
    threshold: f64,
    /// `null` if there is nothing to compare.
    same: Option<bool>,
    confidence: Option<f64>,
    /// Why `same` is `null`.
    reason: Option<String>,
}

#[derive(Serialize)]
struct Photo {
    photo: String,
    faces: usize,
    #[serde(rename = "doubt")]
    warning: Option<String>,
}

/// Embeds the faces of both photos and compares them.
///
/// # Errors
///
/// If a photo or a network can't be read, there is neither a calibration nor a threshold, or a photo shows
/// no face.
pub fn command(arguments: &Arguments) -> Result<()> {
    set_threads(arguments.photos.threads)?;
    let folders = [&arguments.first, &arguments.second].map(|path| path.parent().unwrap_or(Path::new("")));
    let mut networks = arguments.photos.read_without_cache(&folders)?;
    let rule = networks.decision_rule(arguments.threshold)?;
    let mut embedded = networks.embed(&[arguments.first.clone(), arguments.second.clone()])?;
    if let Some(unread) = embedded.unread.pop() {
        return Err(unread.error.into());
    }
    let verdict = networks.embedder.verify(&embedded, [0, 1], &rule);
    let reason = doubt(&embedded, verdict.as_ref());
    let photo = |ReadPhoto { path, faces, warning, .. }: &ReadPhoto| Photo {
        photo: escape_path(path),
        faces: faces.len(),
        warning: warning.map(|warning| warning.to_string()),
    };
    let report = Report {
        network: networks.embedder.description().name.clone(),
        photos: [photo(&embedded.photos[0]), photo(&embedded.photos[1])],
        faces: verdict.map(|verdict| verdict.faces.map(|row| FaceReport::of_row(&embedded, row))),
        squared_distance: verdict.map(|verdict| verdict.squared_distance),
        threshold: rule.threshold(),
        same: verdict.and_then(|verdict| verdict.same),
        confidence: verdict.and_then(|verdict| verdict.confidence),
        reason,
    };
    print(arguments.photos.json, &report, &text(&report))?;
    match &report.reason {
        None => Ok(()),
        Some(reason) => bail!("no verdict: {reason}"),
    }
}

/// Why there is no verdict, if so.
fn doubt(embedded: &EmbeddedPhotos, verdict: Option<&Verdict>) -> Option<String> {
    let Some(verdict) = verdict else {
        let photo = embedded.photos.iter().find(|photo| photo.faces.is_empty())?;
        return Some(format!("{}: {}", escape_path(&photo.path), missing_face(photo)));
    };
    let row = *verdict.faces.iter().find(|&&row| embedded.faces[row].is_misplaced())?;
    Some(format!("{}: the face is {}", escape_path(&embedded.photo_of(row).path), FaceWarning::ListDisagrees))
}

fn text(report: &Report) -> String {
    let mut text = match (report.same, report.confidence) {
        (None, _) => "no verdict\n".to_owned(),
        (Some(same), probability) => {
            let several = report.photos.iter().any(|photo| photo.faces > 1);
            let verdict = match (same, several) {
                (true, _) => "the same person",
                (false, false) => "different people",
                (false, true) => "nobody is on both photos",
            };
            let certainty =
                probability.map_or_else(String::new, |probability| format!(", {}", confidence(probability)));
            format!("{verdict}{certainty}\n")
        }
    };
    if let Some(distance) = report.squared_distance {
        text += &format!("squared distance {distance:.3}, threshold {:.3}, by {}\n", report.threshold, report.network);
    }
    for (index, Photo { photo, faces, warning }) in report.photos.iter().enumerate() {
        let face = report.faces.as_ref().map(|faces| &faces[index]);
        let found = match (warning, face) {
            (Some(warning), _) => warning.clone(),
            (None, None) => count(*faces, "face", "faces"),
            (None, Some(face)) => {
                let which = if *faces > 1 { format!("face {} of {faces}, ", face.face) } else { String::new() };
                let warning = face.warning.as_ref().map_or_else(String::new, |warning| format!("; {warning}"));
                format!("{which}{}{warning}", face.source.description())
            }
        };
        text += &format!("{photo}: {found}\n");
    }
    text
}
