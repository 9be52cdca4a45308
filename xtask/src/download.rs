//! `cargo xtask download`: data sets and weights that others publish, verified and laid out as the other commands expect
//! them.

mod catalogue;
mod display;
mod installation;
mod matlab;
mod olivetti;
mod transfer;
mod unpack;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::builder::PossibleValuesParser;
use indicatif::HumanCount;
use serde::Serialize;

use facenet_cli::folders;
use facenet_cli::output::print::print;

use catalogue::{FileSet, RemoteFile, Size};
use display::{Display, size};
use installation::{Installation, Source, State};
use transfer::{Client, Patience};

/// The arguments of the command.
#[derive(clap::Args)]
pub struct Arguments {
    /// The data set, or the weights of a network
    #[arg(value_name = "NAME", value_parser = PossibleValuesParser::new(catalogue::NAMES))]
    name: String,
    /// Where data sets and weights lie [default: $FACENET_DATA, else data/]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Try URL/lfw.tgz and so on before the addresses that are known
    #[arg(long, value_name = "URL", value_parser = mirror)]
    mirror: Option<String>,
    /// Download nothing: use the files that lie there, and say where the others are found and where to put them
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

/// What of a set of files is there.
#[derive(Serialize)]
struct Report<'a> {
    dataset: &'a str,
    folder: PathBuf,
    terms: &'a str,
    complete: bool,
    files: Vec<FileReport<'a>>,
}

/// What has become of one file.
#[derive(Serialize)]
struct FileReport<'a> {
    name: &'a str,
    /// What is made of it.
    path: PathBuf,
    /// How long it is, if that is known.
    bytes: Option<u64>,
    sha256: &'a str,
    state: State,
}

/// Downloads what is missing, prints what there is, and fails if something is missing still.
pub fn command(arguments: &Arguments) -> Result<()> {
    let Some(set) = catalogue::file_set(&arguments.name) else {
        bail!("nothing to download is called {}", arguments.name)
    };
    // HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY.
    let client = Client::new(Patience::default(), ureq::Proxy::try_from_env());
    let source = match arguments.offline {
        true => Source::Disk,
        false => Source::Network { client: &client, mirror: arguments.mirror.as_deref() },
    };
    download(&set, &folders::data(arguments.data.as_deref())?, &source, arguments.json)
}

fn download(set: &FileSet, data: &Path, source: &Source<'_>, json: bool) -> Result<()> {
    let installation = Installation { data, set };
    let mut states = vec![State::Missing; set.files.len()];
    let result = complete(&installation, source, &mut states);
    let report = report(&installation, &states);
    print(json, &report, &text(&installation, &report))?;
    result?;
    let missing = states.iter().filter(|&&state| state == State::Missing).count();
    if missing > 0 {
        bail!("{missing} of {} files of {} are missing", states.len(), set.name);
    }
    Ok(())
}

/// Makes what is missing, file by file, up to the first that can't be had.
fn complete(installation: &Installation<'_>, source: &Source<'_>, states: &mut [State]) -> Result<()> {
    let files = &installation.set.files;
    let mut checked = Ok(());
    for (file, state) in files.iter().zip(&mut *states) {
        match installation.state(file) {
            Ok(found) => *state = found,
            Err(error) => checked = checked.and(Err(error)),
        }
    }
    checked?;
    let missing = files.iter().zip(&*states).filter(|(_, state)| **state == State::Missing);
    let wanted: Vec<bool> = missing.map(|(file, _)| installation.can_make(file, source)).collect::<Result<_>>()?;
    if !wanted.contains(&true) {
        return Ok(());
    }
    let _alone = installation.lock()?;
    // Once more: another download may have ended meanwhile.
    for (file, state) in files.iter().zip(&mut *states).filter(|(_, state)| **state == State::Missing) {
        *state = installation.state(file)?;
    }
    let missing: Vec<&RemoteFile> =
        files.iter().zip(&*states).filter(|(_, state)| **state == State::Missing).map(|(file, _)| file).collect();
    let mut display = Display::new();
    let remote: Vec<_> = missing.into_iter().filter(|file| !installation.download(file).exists()).collect();
    if let (Source::Network { .. }, false) = (source, remote.is_empty()) {
        let bytes = remote.iter().map(|file| file.size.expected()).sum();
        let roughly = if remote.iter().any(|file| matches!(file.size, Size::About { .. })) { "about " } else { "" };
        let files = if remote.len() == 1 { "file" } else { "files" };
        display.say(&format!(
            "{}: {} {files} to download, {roughly}{} bytes",
            installation.set.name,
            remote.len(),
            HumanCount(bytes)
        ));
    }
    for (file, state) in files.iter().zip(states) {
        if *state != State::Missing {
            continue;
        }
        if let Source::Network { .. } = source {
            display.begin(file);
        }
        let made = installation.make(file, source, &mut |step| display.show(file, &step));
        display.end();
        *state = made?;
    }
    Ok(())
}

fn report<'a>(installation: &Installation<'a>, states: &[State]) -> Report<'a> {
    let set = installation.set;
    let file_report = |(file, &state): (&'a RemoteFile, &State)| FileReport {
        name: file.name,
        path: installation.product(file),
        bytes: match file.size {
            Size::Exactly(bytes) => Some(bytes),
            Size::About { .. } => None,
        },
        sha256: &file.sha256,
        state,
    };
    Report {
        dataset: set.name,
        folder: installation.folder(),
        terms: set.terms,
        complete: !states.contains(&State::Missing),
        files: set.files.iter().zip(states).map(file_report).collect(),
    }
}

/// The result to read.
fn text(installation: &Installation<'_>, report: &Report<'_>) -> String {
    let mut text = format!("{}\n\n", report.terms);
    let mut line = |what: std::fmt::Arguments<'_>| {
        let _ = writeln!(text, "{what}");
    };
    for file in &report.files {
        let (state, rest) = match file.state {
            State::Present => ("present", ""),
            State::Unverified => ("unverified", ": no download has made this folder, so it is left alone"),
            State::Downloaded => ("downloaded", ""),
            State::Missing => ("missing", ""),
        };
        line(format_args!("{state:<12}{}{rest}", file.path.display()));
    }
    for (file, state) in installation.set.files.iter().zip(&report.files) {
        if state.state == State::Missing {
            line(format_args!("\n{}: {}, sha256 {}", file.name, size(file.size), file.sha256));
            for address in &file.addresses {
                line(format_args!("  from {address}"));
            }
            line(format_args!("  to   {}", installation.download(file).display()));
        }
    }
    for file in installation.leftovers() {
        line(format_args!("\n{} is not needed any more", file.display()));
    }
    let unverified = report.files.iter().any(|file| file.state == State::Unverified);
    match report.complete {
        true if unverified => line(format_args!("\nnothing of {} is missing", report.dataset)),
        true => line(format_args!("\n{} is complete", report.dataset)),
        false => line(format_args!("\nfiles put there by hand are verified and used when the command is run again")),
    }
    let embedder = report.files.iter().find(|file| installation.set.embedder == Some(file.name));
    if let (true, Some(file)) = (report.complete, embedder) {
        line(format_args!("next: cargo xtask evaluate lfw --weights {}", file.path.display()));
    }
    text
}
