//! `facenet embed`: embeddings of a folder of images as files for other programs.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Result, bail, ensure};
use facenet_data::{Error, escape_path, images_below};
use facenet_recognition::{FaceSourceCounts, write_embeddings};
use indicatif::HumanCount;
use serde::Serialize;

use crate::arguments::portraits::{PortraitArguments, embed};
use crate::output::face_counts::aligned_or_cropped;
use crate::output::new_folder::NewFolder;
use crate::output::notes::{Note, count, notes, notes_text};
use crate::output::print::print;

/// The arguments of the command.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// The folder of images of one face each, at any depth
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
    portraits: PortraitArguments,
}

#[derive(Serialize)]
struct Report {
    network: String,
    #[serde(rename = "pictures")]
    images: usize,
    dimension: usize,
    #[serde(rename = "framings", serialize_with = "aligned_or_cropped")]
    sources: FaceSourceCounts,
    cached: usize,
    #[serde(rename = "doubts")]
    warnings: Vec<Note>,
    unread: Vec<Note>,
    files: Vec<String>,
    seconds: f64,
}

/// Embeds the images and writes the embeddings.
///
/// # Errors
///
/// If an image or a network can't be read, or an output can't be written.
pub fn command(arguments: &Arguments) -> Result<()> {
    let start = std::time::Instant::now();
    let folder = &arguments.folder;
    let root = fs::canonicalize(folder).map_err(|source| Error::Io { path: folder.clone(), source })?;
    let out = NewFolder::of_command(arguments.out.as_deref(), "embed", &root)?;
    let images = images_below(folder)?;
    ensure!(!images.is_empty(), "there are no images below {}", escape_path(folder));
    let mut embedder = arguments.portraits.read(&[folder])?.embedder;
    let hidden = out.begin()?;
    let embedded = embed(&mut embedder, &images)?;
    let files = write_embeddings(hidden.path(), &embedded, folder, &embedder, arguments.csv)?;
    let out = out.finish(hidden)?;
    let files = files.iter().filter_map(|file| Some(escape_path(&out.join(file.file_name()?))));
    let (warnings, unread) = notes(&embedded, folder);
    let report = Report {
        network: embedder.description().name.clone(),
        images: embedded.images.len(),
        dimension: embedded.embeddings.ncols(),
        sources: embedded.portraits.iter().map(|portrait| portrait.source).collect(),
        cached: embedded.cached,
        warnings,
        unread,
        files: files.collect(),
        seconds: start.elapsed().as_secs_f64(),
    };
    print(arguments.portraits.json, &report, &text(&report)?)?;
    match report.unread.len() {
        0 => Ok(()),
        unread => bail!("{unread} of {} images could not be read", images.len()),
    }
}

fn text(report: &Report) -> Result<String> {
    let mut text = format!(
        "{} of dimension {} by {}; {}; {} cached; {:.1} s\n",
        count(report.images, "embedding", "embeddings"),
        report.dimension,
        report.network,
        report.sources,
        HumanCount(report.cached as u64),
        report.seconds
    );
    text += &notes_text(&report.warnings, &report.unread);
    text += "\n";
    for file in &report.files {
        writeln!(text, "{file} written")?;
    }
    Ok(text)
}
