//! `facenet detect`: where are the faces on photos?

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Result, bail};
use facenet_data::{BoundedDecoder, DEFAULT_MEMORY_LIMIT, escape_path, read_bounded_file};
use facenet_recognition::{Error, FaceDetector, FaceQuality, FoundFaces, find_faces};
use facenet_report::LabeledFace;
use rayon::prelude::*;
use serde::Serialize;

use crate::arguments::detection::DetectionArguments;
use crate::arguments::found_photos::FoundPhotos;
use crate::arguments::threads::set_threads;
use crate::output::annotated_photos::write_annotated_photos;
use crate::output::faces::{edges, points};
use crate::output::new_folder::NewFolder;
use crate::output::note::Note;
use crate::output::notes::{Notes, count};
use crate::output::print::print;
use crate::output::progress_bar::Bar;

/// The arguments of the command.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// Photos, or folders of them
    #[arg(value_name = "PHOTO", required = true)]
    photos: Vec<PathBuf>,
    #[command(flatten)]
    detection: DetectionArguments,
    /// Write copies of the photos with boxes, points, numbers and scores to a new folder
    #[arg(long, value_name = "DIR")]
    draw: Option<PathBuf>,
    /// The folder to look for the network in [default: $FACENET_DATA, data/ of the workspace,
    /// $XDG_DATA_HOME/facenet]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Number of threads [default: all cores]
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    network: String,
    photos: Vec<Photo>,
    unread: Vec<Note>,
    passed_over: Vec<Note>,
    other_files: usize,
    seconds: f64,
}

#[derive(Serialize)]
struct Photo {
    photo: String,
    width: usize,
    height: usize,
    faces: Vec<Face>,
    /// The copy with boxes.
    #[serde(skip_serializing_if = "Option::is_none")]
    drawing: Option<String>,
}

/// A face in pixels of its photo, from left to right.
#[derive(Serialize)]
struct Face {
    #[serde(rename = "box")]
    bounding_box: [f64; 4],
    score: f32,
    landmarks: Option<[[f64; 2]; 5]>,
    quality: Option<FaceQuality>,
    #[serde(rename = "doubt")]
    warning: Option<String>,
}

/// Finds the faces and prints them.
///
/// # Errors
///
/// If a photo or the network can't be read, or a copy can't be written.
pub fn command(arguments: &Arguments) -> Result<()> {
    let start = Instant::now();
    set_threads(arguments.threads)?;
    let FoundPhotos { photos, unread, passed_over, other_files } = FoundPhotos::find(&arguments.photos)?;
    let detector = arguments.detection.read(arguments.data.as_deref())?;
    let drawings = arguments.draw.as_deref().map(|out| NewFolder::apart(out, &arguments.photos)).transpose()?;
    let bar = Bar::new();
    let decoder = BoundedDecoder::new(DEFAULT_MEMORY_LIMIT);
    let results: Vec<Result<FoundFaces, Error>> = photos
        .par_iter()
        .map(|path| {
            let found = search(&detector, &decoder, path);
            bar.advance("detecting faces", photos.len());
            found
        })
        .collect();
    bar.clear();
    let mut report = Report {
        network: detector.network().description().name.clone(),
        photos: Vec::new(),
        unread,
        passed_over,
        other_files,
        seconds: 0.0,
    };
    let mut to_draw = Vec::new();
    for (path, result) in photos.iter().zip(results) {
        match result {
            Ok(found) => {
                report.photos.push(Photo::new(path, &found));
                to_draw.push((path.clone(), found.faces.iter().map(label).collect::<Vec<LabeledFace>>()));
            }
            Err(error) => report.unread.push(Note::of_error(path, Path::new(""), &error)),
        }
    }
    if let Some(out) = drawings {
        for (photo, file) in report.photos.iter_mut().zip(write_annotated_photos(out, &to_draw)?) {
            photo.drawing = Some(escape_path(&file));
        }
    }
    report.seconds = start.elapsed().as_secs_f64();
    print(arguments.json, &report, &text(&report)?)?;
    match report.unread.len() {
        0 => Ok(()),
        unread => bail!("{unread} of {} photos or folders could not be read", report.photos.len() + unread),
    }
}

fn search(detector: &FaceDetector, decoder: &BoundedDecoder, path: &Path) -> Result<FoundFaces, Error> {
    let bytes = read_bounded_file(path)?;
    decoder.decode_photo(&bytes, path, |photo| find_faces(detector, photo))?
}

fn label(face: &facenet_recognition::Face) -> LabeledFace {
    let note = face.quality.map_or_else(String::new, |quality| format!("{:.2}", quality.score));
    LabeledFace { face: *face, label: face.number.to_string(), note }
}

impl Photo {
    fn new(path: &Path, found: &FoundFaces) -> Self {
        let [height, width] = found.size;
        let face = |face: &facenet_recognition::Face| Face {
            bounding_box: edges(&face.bounding_box),
            score: face.quality.map_or(0.0, |quality| quality.score),
            landmarks: face.landmarks.as_ref().map(points),
            quality: face.quality,
            warning: face.warning.map(|warning| warning.to_string()),
        };
        Self { photo: escape_path(path), width, height, faces: found.faces.iter().map(face).collect(), drawing: None }
    }
}

fn text(report: &Report) -> Result<String> {
    let mut text = String::new();
    for Photo { photo, width, height, faces, drawing } in &report.photos {
        writeln!(text, "{photo}: {} ({width} x {height})", count(faces.len(), "face", "faces"))?;
        for (index, Face { bounding_box: [left, top, right, bottom], score, warning, .. }) in faces.iter().enumerate() {
            let [width, height] = [right - left, bottom - top];
            let warning = warning.as_ref().map_or_else(String::new, |warning| format!(", {warning}"));
            writeln!(
                text,
                "  {}: score {score:.2}, {width:.0} x {height:.0} pixels at {left:.0}, {top:.0}{warning}",
                index + 1
            )?;
        }
        if let Some(file) = drawing {
            writeln!(text, "  drawn in {file}")?;
        }
    }
    let notes = Notes {
        warnings: Vec::new(),
        unread: report.unread.clone(),
        passed_over: report.passed_over.clone(),
        other_files: report.other_files,
    };
    text += &notes.text();
    let faces = report.photos.iter().map(|photo| photo.faces.len()).sum();
    writeln!(
        text,
        "\n{} on {}, by {}; {:.1} s",
        count(faces, "face", "faces"),
        count(report.photos.len(), "photo", "photos"),
        report.network,
        report.seconds
    )?;
    Ok(text)
}
