//! `cargo xtask embed`: the embeddings of a folder of pictures, as files for other programs.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Result, bail, ensure};
use facenet::write_embeddings;
use facenet_data::{pictures_below, shown};
use indicatif::HumanCount;
use serde::Serialize;

use crate::arguments::print;
use crate::out::Out;
use crate::portraits::{Framings, Note, PortraitArguments, count, embed, notes, notes_text};

/// The arguments of the command.
#[derive(clap::Args)]
pub struct Arguments {
    /// The folder with pictures, of one face each; those of folders in it too
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Write the embeddings as a table, too
    #[arg(long)]
    csv: bool,
    /// Where the outputs go, a new folder [default: runs/embed/ and the name of DIR, with a number behind it if that is there]
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
    let root = fs::canonicalize(folder).map_err(|source| facenet::Error::Read { path: folder.clone(), source })?;
    let out = Out::new_folder(arguments.out.as_deref(), "embed", &root)?;
    let pictures = pictures_below(folder)?;
    ensure!(!pictures.is_empty(), "{} holds no pictures", shown(folder));
    let mut embedder = arguments.portraits.read(&[folder])?.embedder;
    let made = out.begin()?;
    let embedded = embed(&mut embedder, &pictures)?;
    let files = write_embeddings(made.path(), &embedded, folder, &embedder, arguments.csv)?;
    let out = out.finish(made)?;
    let files = files.iter().filter_map(|file| Some(shown(&out.join(file.file_name()?))));
    let (doubts, unread) = notes(&embedded, folder);
    let report = Report {
        network: embedder.description().name.clone(),
        pictures: embedded.pictures.len(),
        dimension: embedded.embeddings.ncols(),
        framings: Framings::of(&embedded.portraits),
        cached: embedded.cached,
        doubts,
        unread,
        files: files.collect(),
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
        "{} of {} numbers by {}; {}; {} of them from the cache; {:.1} s\n",
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
