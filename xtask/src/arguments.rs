//! Arguments of the commands that train.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use facenet_cli::arguments::name_or_file::NameOrFile;
use facenet_cli::arguments::network_choice::{NetworkChanges, NetworkChoice};
use facenet_cli::arguments::threads::set_threads;
use facenet_cli::arguments::toml_file::read_toml;
use facenet_cli::folders;
use facenet_data::escape_path;
use facenet_recognition::read_checkpoint;
use facenet_training::{DatasetSource, Error, RECIPES, Recipe, RunOptions, Start, SyntheticSize};

use crate::failure::MissingDataset;

/// Data set, recipe, and where the outputs go.
#[derive(Args)]
pub struct TrainingArguments {
    /// Data set: synthetic, orl, olivetti, lfw, lfw-funneled, or a folder with a folder of images
    /// per person
    #[arg(long, value_name = "synthetic|orl|olivetti|lfw|lfw-funneled|DIR", default_value = "synthetic")]
    dataset: OsString,
    /// Folder of data sets [default: $FACENET_DATA, else data/]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Recipe: a built-in one (synthetic, orl, lfw) or a file [default: the built-in one for the
    /// data set]
    #[arg(long, value_name = "NAME|FILE.toml", value_parser = NameOrFile::parser(&RECIPES))]
    recipe: Option<NameOrFile>,
    /// Network to train: a built-in one (see `cargo xtask networks`) or a description [default:
    /// that of the recipe]
    #[arg(long, value_name = "NAME|FILE.toml", value_parser = NetworkChoice::parser())]
    network: Option<NetworkChoice>,
    #[command(flatten)]
    changes: NetworkChanges,
    /// Number of training steps [default: that of the recipe]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000_000))]
    steps: Option<u64>,
    /// Time limit of training, in minutes
    #[arg(long, value_name = "M", value_parser = minutes)]
    minutes: Option<f64>,
    /// Seed of all random draws
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Resume from this checkpoint, with its recipe and seed, on the same --dataset
    #[arg(long, value_name = "FILE", conflicts_with_all = RECIPE_AND_SEED)]
    resume: Option<PathBuf>,
    /// Number of threads [default: all]
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Folder for the outputs [default: runs/DATASET]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Few people, few steps, small mini-batches: shows that everything works, not how well
    #[arg(long)]
    quick: bool,
    /// Print the result as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// Options that conflict with --resume: the checkpoint decides them.
const RECIPE_AND_SEED: [&str; 6] = ["recipe", "network", "normalization", "dimension", "steps", "seed"];

/// Steps of a quick run, and the maximum batch shape.
const QUICK_STEPS: u64 = 20;
const QUICK_PEOPLE: usize = 8;
const QUICK_FACES: usize = 2;

fn minutes(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(minutes) if minutes > 0.0 && minutes <= 1e6 => Ok(minutes),
        _ => Err("expected a positive number of minutes".to_owned()),
    }
}

impl TrainingArguments {
    /// The data set.
    fn dataset(&self) -> DatasetSource {
        match self.dataset.to_str() {
            Some("synthetic") if self.quick => DatasetSource::Synthetic(SyntheticSize::QUICK),
            Some("synthetic") => DatasetSource::Synthetic(SyntheticSize::default()),
            Some("orl") => DatasetSource::Orl,
            Some("olivetti") => DatasetSource::Olivetti,
            Some("lfw") => DatasetSource::Lfw,
            Some("lfw-funneled") => DatasetSource::LfwFunneled,
            _ => DatasetSource::Folder(PathBuf::from(&self.dataset)),
        }
    }

    /// The folder of data sets.
    fn data(&self) -> PathBuf {
        folders::development_data(self.data.as_deref())
    }

    /// The options of a run; creates the output folder.
    pub fn options(&self) -> Result<RunOptions> {
        let (start, dataset) = (self.start()?, self.dataset());
        Ok(RunOptions { dataset, data: self.data(), start, minutes: self.minutes, out: self.out()? })
    }

    /// Where training starts; a checkpoint can be resumed from.
    fn start(&self) -> Result<Start> {
        let Some(path) = &self.resume else {
            return Ok(Start::Scratch { recipe: Box::new(self.recipe()?), seed: self.seed });
        };
        let start = Start::Checkpoint(Box::new(read_checkpoint(path)?));
        start.recipe_and_seed().with_context(|| format!("in {}", escape_path(path)))?;
        Ok(start)
    }

    fn recipe(&self) -> Result<Recipe> {
        let mut recipe = match &self.recipe {
            None => Recipe::for_dataset(&self.dataset()),
            Some(NameOrFile::Name(name)) => Recipe::built_in(name).context("a built-in recipe")?,
            Some(NameOrFile::File(path)) => {
                Recipe::from_toml(&read_toml(path)?).with_context(|| format!("in {}", escape_path(path)))?
            }
        };
        if self.network.is_some() || !self.changes.is_empty() {
            let network =
                self.network.as_ref().map_or_else(|| Ok(recipe.network.clone()), NetworkChoice::description)?;
            recipe = recipe.with_network(self.changes.apply(network)?);
        }
        if self.quick {
            recipe.steps = QUICK_STEPS;
            recipe.batch.people = recipe.batch.people.min(QUICK_PEOPLE);
            recipe.batch.faces = recipe.batch.faces.min(QUICK_FACES);
        }
        recipe.steps = self.steps.unwrap_or(recipe.steps);
        Ok(recipe)
    }

    /// The output folder, created if missing.
    fn out(&self) -> Result<PathBuf> {
        let out = self.out.clone().unwrap_or_else(|| folders::runs().join(self.dataset().name()));
        match fs::create_dir_all(&out) {
            Ok(()) => Ok(out),
            Err(source) => {
                Err(facenet_data::Error::Write { path: out, source }).context("can't create the output folder")
            }
        }
    }

    /// Sets the number of threads of the process.
    pub fn set_threads(&self) -> Result<()> {
        set_threads(self.threads)
    }

    /// Adds to an error the checkpoint or the data set that was requested.
    pub fn explain(&self, error: Error) -> anyhow::Error {
        use Error::{MissingBuffer, OtherImages, WrongHistory};
        if let (OtherImages | WrongHistory | MissingBuffer { .. }, Some(path)) = (&error, &self.resume) {
            return anyhow::Error::new(error).context(format!("can't resume from {}", escape_path(path)));
        }
        let missing = matches!(error, Error::Data(facenet_data::Error::MissingFolder { .. }));
        match self.dataset() {
            DatasetSource::Synthetic(_) | DatasetSource::Folder(_) => error.into(),
            _ if !missing => error.into(),
            dataset => anyhow::Error::new(error).context(MissingDataset(dataset)),
        }
    }
}
