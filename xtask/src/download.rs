//! `cargo xtask download`: installs published data sets and weights where the other commands look for them.

mod display;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::builder::PossibleValuesParser;
use facenet_cli::folders;
use facenet_cli::output::print::print;
use facenet_download::{Client, Error, NAMES, Source, file_set, install};

use display::Display;

/// The arguments of the command.
#[derive(clap::Args)]
pub struct Arguments {
    /// The data set, or the weights of a network
    #[arg(value_name = "NAME", value_parser = PossibleValuesParser::new(NAMES))]
    name: String,
    /// Folder of data sets and weights [default: $FACENET_DATA, else data/]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Try URL/lfw.tgz and so on before the known addresses
    #[arg(long, value_name = "URL", value_parser = mirror)]
    mirror: Option<String>,
    /// Download nothing: use files put there by hand; say where the others are found and where to put them
    #[arg(long, conflicts_with = "mirror")]
    offline: bool,
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
}

fn mirror(text: &str) -> Result<String, String> {
    let http = ["http://", "https://"].iter().any(|scheme| text.len() > scheme.len() && text.starts_with(scheme));
    if http { Ok(text.to_owned()) } else { Err("expected an address that begins with http:// or https://".to_owned()) }
}

/// Downloads what is missing, prints what is installed, and fails if something is still missing.
pub fn command(arguments: &Arguments) -> Result<()> {
    let Some(set) = file_set(&arguments.name) else { bail!("no download is named {}", arguments.name) };
    let client = Client::from_env();
    let source = match arguments.offline {
        true => Source::Disk,
        false => Source::Network { client: &client, mirror: arguments.mirror.as_deref() },
    };
    let mut display = Display::new(&set, &source);
    let folder = folders::data(arguments.data.as_deref())?;
    let (report, result) = install(&set, &folder, &source, &mut |event| display.show(&event));
    let mut text = report.to_string();
    if let Some(path) = report.embedder() {
        text += &format!("next: cargo xtask evaluate lfw --weights {}\n", path.display());
    }
    print(arguments.json, &report, &text)?;
    result.map_err(with_advice)
}

/// Adds what to do about an error where that takes options of the command.
fn with_advice(error: Error) -> anyhow::Error {
    let Error::Unavailable { sha256, target, .. } = &error else { return error.into() };
    let message = format!(
        "{error}\nhelp: run the command again later to resume, name another source with --mirror URL, or put the file \
         (sha256 {sha256}) at {} and run the command again",
        target.display()
    );
    anyhow::Error::new(error).context(message)
}
