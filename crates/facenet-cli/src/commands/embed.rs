//! `facenet embed`: the embeddings of a folder of images, as files for other programs.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Result, bail, ensure};
use facenet_data::{escape_path, images_below};
use facenet_recognition::{Error, FaceSourceCounts, write_embeddings};
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
    /// Write the embeddings as CSV, too
    #[arg(long)]
    csv: bool,
    /// The new folder for the outputs [default: runs/embed/NAME of DIR, numbered if it exists]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    portraits: PortraitArguments,
}

#[derive(Serialize)]
struct Report {
    network: String,
    pictures: usize,
    dimension: usize,
    #[serde(serialize_with = "aligned_or_cropped")]
    framings: FaceSourceCounts,
    cached: usize,
    doubts: Vec<Note>,
    unread: Vec<Note>,
    files: Vec<String>,
    seconds: f64,
}

/// Embeds the images and writes the embeddings.
///
/// # Errors
///
/// If images, networks or outputs can't be read or written.
pub fn command(arguments: &Arguments) -> Result<()> {
    let start = std::time::Instant::now();
    let folder = &arguments.folder;
    let root = fs::canonicalize(folder).map_err(|source| Error::Read { path: folder.clone(), source })?;
    let out = NewFolder::of_command(arguments.out.as_deref(), "embed", &root)?;
    let pictures = images_below(folder)?;
    ensure!(!pictures.is_empty(), "there are no images below {}", escape_path(folder));
    let mut embedder = arguments.portraits.read(&[folder])?.embedder;
    let made = out.begin()?;
    let embedded = embed(&mut embedder, &pictures)?;
    let files = write_embeddings(made.path(), &embedded, folder, &embedder, arguments.csv)?;
    let out = out.finish(made)?;
    let files = files.iter().filter_map(|file| Some(escape_path(&out.join(file.file_name()?))));
    let (doubts, unread) = notes(&embedded, folder);
    let report = Report {
        network: embedder.description().name.clone(),
        pictures: embedded.images.len(),
        dimension: embedded.embeddings.ncols(),
        framings: embedded.portraits.iter().map(|portrait| portrait.source).collect(),
        cached: embedded.cached,
        doubts,
        unread,
        files: files.collect(),
        seconds: start.elapsed().as_secs_f64(),
    };
    print(arguments.portraits.json, &report, &text(&report)?)?;
    match report.unread.len() {
        0 => Ok(()),
        unread => bail!("{unread} of {} images could not be read", pictures.len()),
    }
}

fn text(report: &Report) -> Result<String> {
    let mut text = format!(
        "{} of {} elements by {}; {}; {} from the cache; {:.1} s\n",
        count(report.pictures, "embedding", "embeddings"),
        report.dimension,
        report.network,
        report.framings,
        HumanCount(report.cached as u64),
        report.seconds
    );
    text += &notes_text(&report.doubts, &report.unread);
    text += "\n";
    for file in &report.files {
        writeln!(text, "{file} written")?;
    }
    Ok(text)
}
