//! `facenet detect`: where are the faces on photos?

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use facenet_data::{escape_path, read_image};
use facenet_network::Network;
use facenet_recognition::{
    BoundingBox, DEFAULT_DETECTOR, Detect, DetectedFace, DetectionOptions, FaceDetector, ForeignNetwork, read_weights,
};
use rayon::prelude::*;
use serde::Serialize;

use crate::arguments::images::images;
use crate::arguments::threads::set_threads;
use crate::folders;
use crate::output::notes::{Note, count, notes_text};
use crate::output::print::print;
use crate::output::progress_bar::Bar;

/// The arguments of the command.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// Photos, or folders of them
    #[arg(value_name = "PHOTO", required = true)]
    photos: Vec<PathBuf>,
    /// The least score of a face, 0 to 1
    #[arg(long, value_name = "S", default_value_t = DetectionOptions::default().min_score, value_parser = score)]
    min_score: f32,
    /// The detector: a checkpoint, or weights of another program [default: yunet_n from `xtask download
    /// weights/yunet_n`]
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
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
    unread: Vec<Unread>,
    seconds: f64,
}

#[derive(Serialize)]
struct Photo {
    photo: String,
    width: usize,
    height: usize,
    faces: Vec<Face>,
}

/// A face in pixels of its photo.
#[derive(Serialize)]
struct Face {
    #[serde(rename = "box")]
    bounding_box: [f64; 4],
    score: f32,
    landmarks: [[f32; 2]; 5],
}

#[derive(Serialize)]
struct Unread {
    photo: String,
    reason: String,
}

/// Finds the faces and prints them.
///
/// # Errors
///
/// If a photo or the network can't be read.
pub fn command(arguments: &Arguments) -> Result<()> {
    let start = Instant::now();
    set_threads(arguments.threads)?;
    let photos = images(&arguments.photos)?;
    let weights = match &arguments.weights {
        Some(file) => file.clone(),
        None => folders::find_network(arguments.data.as_deref(), DEFAULT_DETECTOR).with_context(|| {
            format!("network {DEFAULT_DETECTOR} not found; run `cargo xtask download weights/{DEFAULT_DETECTOR}`, or pass --weights FILE")
        })?,
    };
    let network = Network::from_checkpoint(read_weights(&weights, &ForeignNetwork::default())?)?;
    let options = DetectionOptions { min_score: arguments.min_score, ..DetectionOptions::default() };
    let detector = FaceDetector::new(&network, options).with_context(|| format!("in {}", escape_path(&weights)))?;
    let bar = Bar::new();
    let results: Vec<Result<Photo>> = photos
        .par_iter()
        .map(|path| {
            let found = search(&detector, path);
            bar.advance("detecting faces", photos.len());
            found
        })
        .collect();
    bar.clear();
    let mut report = Report {
        network: network.description().name.clone(),
        photos: Vec::new(),
        unread: Vec::new(),
        seconds: start.elapsed().as_secs_f64(),
    };
    for (path, result) in photos.iter().zip(results) {
        match result {
            Ok(photo) => report.photos.push(photo),
            Err(error) => report.unread.push(Unread { photo: escape_path(path), reason: error.to_string() }),
        }
    }
    print(arguments.json, &report, &text(&report)?)?;
    match report.unread.len() {
        0 => Ok(()),
        unread => bail!("{unread} of {} photos could not be read", photos.len()),
    }
}

fn search(detector: &dyn Detect, path: &Path) -> Result<Photo> {
    let image = read_image(path)?;
    let (height, width, _) = image.dim();
    let faces = detector.detect(image.view())?.into_iter().map(Face::from).collect();
    Ok(Photo { photo: escape_path(path), width, height, faces })
}

impl From<DetectedFace> for Face {
    fn from(DetectedFace { bounding_box, score, landmarks }: DetectedFace) -> Self {
        let BoundingBox { left, top, right, bottom } = bounding_box;
        Self { bounding_box: [left, top, right, bottom], score, landmarks: landmarks.0 }
    }
}

fn text(report: &Report) -> Result<String> {
    let mut text = String::new();
    for Photo { photo, width, height, faces } in &report.photos {
        writeln!(text, "{photo}: {} ({width} x {height})", count(faces.len(), "face", "faces"))?;
        for Face { bounding_box: [left, top, right, bottom], score, .. } in faces {
            let [width, height] = [right - left, bottom - top];
            writeln!(text, "  score {score:.2}, {width:.0} x {height:.0} pixels at {left:.0}, {top:.0}")?;
        }
    }
    let unread: Vec<Note> = report
        .unread
        .iter()
        .map(|Unread { photo, reason }| Note { image: photo.clone(), reason: reason.clone() })
        .collect();
    text += &notes_text(&[], &unread);
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

/// Parses a score.
fn score(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(score) if (0.01..1.0).contains(&score) => Ok(score),
        _ => Err("expected a number from 0.01 to below 1".to_owned()),
    }
}
