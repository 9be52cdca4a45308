//! `cargo xtask import`: converts foreign weights to a checkpoint.

use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Result, ensure};
use facenet_cli::arguments::weights::ForeignArguments;
use facenet_cli::folders;
use facenet_cli::output::print::print;
use facenet_data::escape_path;
use facenet_network::{Checkpoint, Network};
use facenet_recognition::{weights_sha256, write_checkpoint};
use facenet_training::CHECKPOINT_FILE;
use indicatif::HumanCount;
use serde::Serialize;

/// The arguments of the command.
#[derive(clap::Args)]
pub struct Arguments {
    /// Weights: safetensors, OpenVINO .xml (with its .bin beside it), or PyTorch file
    #[arg(value_name = "FILE")]
    weights: PathBuf,
    #[command(flatten)]
    foreign: ForeignArguments,
    /// Folder for the checkpoint [default: runs/NETWORK]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    file: String,
    network: String,
    parameters: usize,
    weights_sha256: String,
    checkpoint: String,
}

/// Reads the weights and writes a checkpoint.
pub fn command(arguments: &Arguments) -> Result<()> {
    let Checkpoint { description, parameters, statistics, calibration, .. } =
        arguments.foreign.read(&arguments.weights)?;
    let out = match &arguments.out {
        Some(out) => out.clone(),
        None => {
            let single = Path::new(&description.name).components().eq([Component::Normal(description.name.as_ref())]);
            ensure!(single, "{} is not a folder name; pass --out DIR", description.name);
            folders::runs().join(&description.name)
        }
    };
    fs::create_dir_all(&out).map_err(|source| facenet_data::Error::Write { path: out.clone(), source })?;
    let checkpoint = out.join(CHECKPOINT_FILE);
    let same = fs::canonicalize(&checkpoint)
        .is_ok_and(|there| fs::canonicalize(&arguments.weights).is_ok_and(|from| from == there));
    ensure!(!same, "{} would overwrite itself", escape_path(&checkpoint));
    let network = Network::with_parameters(description, parameters, statistics)?;
    let report = Report {
        file: escape_path(&arguments.weights),
        network: network.description().name.clone(),
        parameters: network.parameters.values.len(),
        weights_sha256: weights_sha256(&network),
        checkpoint: escape_path(&checkpoint),
    };
    write_checkpoint(&checkpoint, &Checkpoint { calibration, ..Checkpoint::from(network) })?;
    let text = format!(
        "{}: weights of {}, {} parameters ({})\n{} written",
        report.file,
        report.network,
        HumanCount(report.parameters as u64),
        &report.weights_sha256[..16],
        report.checkpoint
    );
    print(arguments.json, &report, &text)
}
