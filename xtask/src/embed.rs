//! `cargo xtask embed`: the embeddings of a folder of pictures, as files for other programs.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};
use facenet::write_embeddings;
use facenet_data::{pictures_below, shown};
use indicatif::HumanCount;
use serde::Serialize;

use crate::arguments::{print, workspace};
use crate::portraits::{Framings, Note, PortraitArguments, embed, notes, notes_text};

/// The arguments of the command.
#[derive(clap::Args)]
pub struct Arguments {
    /// The folder with pictures, of one face each; those of folders in it too
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Write the embeddings as a table, too
    #[arg(long)]
    csv: bool,
    /// Where the outputs go [default: runs/embed/ and the name of the folder]
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
    framings: Framings,
    cached: usize,
    doubts: Vec<Note>,
    unread: Vec<Note>,
    files: Vec<String>,
    seconds: f64,
}

/// Embeds the pictures and writes what came out.
pub fn command(arguments: &Arguments) -> Result<()> {
    let start = std::time::Instant::now();
    let folder = &arguments.folder;
    let pictures = pictures_below(folder)?;
    ensure!(!pictures.is_empty(), "{} holds no pictures", shown(folder));
    let mut embedder = arguments.portraits.read()?.embedder;
    let embedded = embed(&mut embedder, &pictures)?;
    let out = match &arguments.out {
        Some(out) => out.clone(),
        None => workspace().join("runs").join("embed").join(name_of(folder)),
    };
    fs::create_dir_all(&out).map_err(|source| facenet::Error::Write { path: out.clone(), source })?;
    let files = write_embeddings(&out, &embedded, folder, embedder.description(), arguments.csv)?;
    let (doubts, unread) = notes(&embedded, folder);
    let report = Report {
        network: embedder.description().name.clone(),
        pictures: embedded.pictures.len(),
        dimension: embedded.embeddings.ncols(),
        framings: Framings::of(&embedded.portraits),
        cached: embedded.cached,
        doubts,
        unread,
        files: files.iter().map(shown).collect(),
        seconds: start.elapsed().as_secs_f64(),
    };
    print(arguments.portraits.json, &report, &text(&report)?)?;
    match report.unread.len() {
        0 => Ok(()),
        unread => bail!("{unread} of {} pictures could not be read", pictures.len()),
    }
}

fn text(report: &Report) -> Result<String> {
    let mut text = format!(
        "{} embeddings of {} numbers by {}; {}; {} were there already; {:.1} s\n",
        HumanCount(report.pictures as u64),
        report.dimension,
        report.network,
        report.framings,
        HumanCount(report.cached as u64),
        report.seconds
    );
    text += &notes_text(&report.doubts, &report.unread);
    for file in &report.files {
        writeln!(text, "{file} written")?;
    }
    Ok(text)
}

/// What a folder is called, also if it is `.` or ends in `..`.
fn name_of(folder: &Path) -> PathBuf {
    let absolute = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    absolute.file_name().map_or_else(|| PathBuf::from("pictures"), PathBuf::from)
}
