//! `cargo xtask download`: installs published data sets and weights where other commands look for
//! them.

use anyhow::{Result, bail};
use clap::builder::PossibleValuesParser;
use facenet_cli::arguments::download::DownloadArguments;
use facenet_cli::folders;
use facenet_cli::output::print::print;
use facenet_download::{NAMES, file_set};

/// The arguments of the command.
#[derive(clap::Args)]
pub struct Arguments {
    /// Data set, or weights of a network
    #[arg(value_name = "NAME", value_parser = PossibleValuesParser::new(NAMES))]
    name: String,
    #[command(flatten)]
    download: DownloadArguments,
}

/// Downloads what is missing and prints what is installed; an error if anything is still missing.
pub fn command(Arguments { name, download }: &Arguments) -> Result<()> {
    let Some(set) = file_set(name) else { bail!("no download is named {name}") };
    let sets = [set];
    let (reports, result) = download.install(&sets, &folders::development_data(download.data.as_deref()));
    let [report] = &reports[..] else { unreachable!("a report for each set") };
    let mut text = report.to_string();
    if let Some(path) = report.embedder() {
        text += &format!("next: cargo xtask evaluate lfw --weights {}\n", path.display());
    }
    print(download.json, report, &text)?;
    result
}
