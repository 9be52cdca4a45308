//! What the commands that download have in common.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use facenet_download::{Client, FileSet, Report, Source, install};

use crate::output::download_progress::DownloadProgress;

/// Where files come from and where they go.
#[derive(Args, Debug)]
pub struct DownloadArguments {
    /// Folder of data sets and weights [default: $FACENET_DATA, else data/ of the workspace; of the installed program
    /// `facenet` $XDG_DATA_HOME/facenet]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Try URL/FILE before the known addresses of a file
    #[arg(long, value_name = "URL", value_parser = mirror)]
    mirror: Option<String>,
    /// Download nothing: use files put there by hand; list where the others are found and where to put them
    #[arg(long, conflicts_with = "mirror")]
    offline: bool,
    /// Print the result as one line of JSON
    #[arg(long)]
    pub json: bool,
}

fn mirror(text: &str) -> Result<String, String> {
    let http = ["http://", "https://"].iter().any(|scheme| text.len() > scheme.len() && text.starts_with(scheme));
    if http { Ok(text.to_owned()) } else { Err("expected an address that begins with http:// or https://".to_owned()) }
}

impl DownloadArguments {
    /// Installs what is missing of some sets below a folder. The reports say what is installed, the result
    /// is that of the first set that failed.
    pub fn install<'a>(&self, sets: &'a [FileSet], folder: &Path) -> (Vec<Report<'a>>, Result<()>) {
        let client = Client::from_env();
        let source = match self.offline {
            true => Source::Disk,
            false => Source::Network { client: &client, mirror: self.mirror.as_deref() },
        };
        let mut reports = Vec::new();
        let mut results = Ok(());
        for set in sets {
            let mut progress = DownloadProgress::new(set, &source);
            let (report, result) = install(set, folder, &source, &mut |event| progress.show(&event));
            reports.push(report);
            results = results.and(result.map_err(anyhow::Error::from));
        }
        (reports, results)
    }
}
