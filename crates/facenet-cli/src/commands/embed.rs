//! `facenet embed`: embeddings of the faces on a folder of photos as files for other programs.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Result, bail};
use facenet_data::{Error, escape_path};
use facenet_recognition::{FaceSourceCounts, write_embeddings};
use indicatif::HumanCount;
use serde::Serialize;

use crate::arguments::found_photos::FoundPhotos;
use crate::arguments::photos::PhotoArguments;
use crate::arguments::threads::set_threads;
use crate::output::faces::aligned_or_cropped;
use crate::output::new_folder::NewFolder;
use crate::output::notes::{Notes, count};
use crate::output::print::print;

/// The arguments of the command.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// The folder of photos, at any depth
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Also write the embeddings as CSV
    #[arg(long)]
    csv: bool,
    /// The new folder for the outputs [default: runs/embed/NAME for a DIR called NAME, numbered if
    /// it exists]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    photos: PhotoArguments,
}

#[derive(Serialize)]
struct Report {
    network: String,
    photos: usize,
    faces: usize,
    dimension: usize,
    #[serde(rename = "framings", serialize_with = "aligned_or_cropped")]
    sources: FaceSourceCounts,
    cached: usize,
    #[serde(flatten)]
    notes: Notes,
    files: Vec<String>,
    seconds: f64,
}

/// Embeds the faces and writes the embeddings.
///
/// # Errors
///
/// If a photo or a network can't be read, or an output can't be written.
pub fn command(arguments: &Arguments) -> Result<()> {
    let start = std::time::Instant::now();
    set_threads(arguments.photos.threads)?;
    let folder = &arguments.folder;
    let root = fs::canonicalize(folder).map_err(|source| Error::Io { path: folder.clone(), source })?;
    let out = NewFolder::of_command(arguments.out.as_deref(), "embed", &root)?;
    let found = FoundPhotos::below(folder, folder)?;
    let mut networks = arguments.photos.read(&[folder])?;
    let hidden = out.begin()?;
    let embedded = networks.embed(&found.photos)?;
    let files = write_embeddings(hidden.path(), &embedded, folder, &networks.embedder, arguments.csv)?;
    let out = out.finish(hidden)?;
    let files = files.iter().filter_map(|file| Some(escape_path(&out.join(file.file_name()?))));
    let report = Report {
        network: networks.embedder.description().name.clone(),
        photos: embedded.photos.len(),
        faces: embedded.faces.len(),
        dimension: embedded.embeddings.ncols(),
        sources: embedded.faces.iter().map(|face| face.source).collect(),
        cached: embedded.cached,
        notes: Notes::new(found, &embedded, folder),
        files: files.collect(),
        seconds: start.elapsed().as_secs_f64(),
    };
    print(arguments.photos.json, &report, &text(&report)?)?;
    match report.notes.unread.len() {
        0 => Ok(()),
        unread => bail!("{unread} of {} photos or folders could not be read", report.photos + unread),
    }
}

fn text(report: &Report) -> Result<String> {
    let mut text = format!(
        "{} of dimension {} on {} by {}; {}; {} cached; {:.1} s\n",
        count(report.faces, "embedding", "embeddings"),
        report.dimension,
        count(report.photos, "photo", "photos"),
        report.network,
        report.sources,
        HumanCount(report.cached as u64),
        report.seconds
    );
    text += &report.notes.text();
    text += "\n";
    for file in &report.files {
        writeln!(text, "{file} written")?;
    }
    Ok(text)
}
