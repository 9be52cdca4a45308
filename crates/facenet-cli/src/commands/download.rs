//! `facenet download`: the networks that the other commands use by default.

use anyhow::{Context, Result};
use facenet_data::create_private_folder;
use facenet_download::{FileSet, Report, file_set};
use facenet_recognition::{DEFAULT_DETECTOR, DEFAULT_EMBEDDER};
use serde::Serialize;

use crate::arguments::download::DownloadArguments;
use crate::folders;
use crate::output::print::print;

/// The arguments of the command.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    download: DownloadArguments,
}

#[derive(Serialize)]
struct Networks<'a> {
    networks: &'a [Report<'a>],
}

/// Downloads what is missing of the two networks, and prints their terms and what is installed.
///
/// # Errors
///
/// If something is still missing then.
pub fn command(Arguments { download }: &Arguments) -> Result<()> {
    let networks = [DEFAULT_EMBEDDER, DEFAULT_DETECTOR].map(|name| format!("weights/{name}"));
    let sets: Vec<FileSet> = networks
        .iter()
        .map(|name| file_set(name).with_context(|| format!("no download is named {name}")))
        .collect::<Result<_>>()?;
    let folder = folders::data(download.data.as_deref())?;
    if folders::user_data().is_ok_and(|own| folder == own) {
        create_private_folder(&folder)?;
    }
    let (reports, result) = download.install(&sets, &folder);
    let texts: Vec<String> = reports.iter().map(ToString::to_string).collect();
    print(download.json, &Networks { networks: &reports }, &texts.join("\n"))?;
    result
}
