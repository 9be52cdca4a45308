//! Arguments that several commands take.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use facenet_cli::arguments::network_choice::{NetworkChanges, NetworkChoice};
use facenet_cli::arguments::threads::set_threads;
use facenet_cli::arguments::toml_file::read_toml;
use facenet_cli::folders;
use facenet_data::escape_path;
use facenet_network::Checkpoint;
use facenet_recognition::read_checkpoint;
use facenet_training::{DatasetSource, Error, Recipe, RunOptions, SyntheticSize, Trainer};

/// Which people, where they lie, and how a network is trained on them.
#[derive(Args)]
pub struct TrainingArguments {
    /// The people: synthetic, orl, olivetti, lfw, lfw-funneled, or a folder with a folder of pictures for each person
    #[arg(long, value_name = "synthetic|orl|olivetti|lfw|lfw-funneled|DIR", default_value = "synthetic")]
    dataset: OsString,
    /// Where data sets lie [default: $FACENET_DATA, else data/]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How to train: a built-in recipe (synthetic, orl, lfw) or a file [default: the built-in one for the data set]
    #[arg(long, value_name = "NAME|FILE.toml")]
    recipe: Option<PathBuf>,
    /// Train this network, a built-in one or a description: `cargo xtask networks` shows them [default: that of the recipe]
    #[arg(long, value_name = "NAME|FILE.toml", value_parser = NetworkChoice::parser())]
    network: Option<NetworkChoice>,
    #[command(flatten)]
    changes: NetworkChanges,
    /// Train so many steps [default: those of the recipe]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000_000))]
    steps: Option<u64>,
    /// Stop training after so many minutes, if it has steps left then
    #[arg(long, value_name = "M", value_parser = minutes)]
    minutes: Option<f64>,
    /// Decides every random draw
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Go on where this checkpoint was written, with its recipe and its seed, on the same --dataset
    #[arg(long, value_name = "FILE", conflicts_with_all = RECIPE_AND_SEED)]
    resume: Option<PathBuf>,
    /// Threads to work on [default: all]
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Where the outputs go [default: runs/ and the name of the data set]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Few people, few steps, small mini-batches: shows that everything works, not how well
    #[arg(long)]
    quick: bool,
    /// Print the result as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// The options that say what a checkpoint says already.
const RECIPE_AND_SEED: [&str; 6] = ["recipe", "network", "normalization", "dimension", "steps", "seed"];

/// Steps of a quick run, and the most people and faces of each in its mini-batches.
const QUICK_STEPS: u64 = 20;
const QUICK_PEOPLE: usize = 8;
const QUICK_FACES: usize = 2;

fn minutes(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(minutes) if minutes > 0.0 && minutes <= 1e6 => Ok(minutes),
        _ => Err("expected a number of minutes above 0".to_owned()),
    }
}

impl TrainingArguments {
    /// The people.
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

    /// The folder that data sets lie in.
    fn data(&self) -> Result<PathBuf> {
        folders::data(self.data.as_deref())
    }

    /// All that decides a run; the folder for outputs is created.
    pub fn options(&self) -> Result<RunOptions> {
        let (recipe, seed, resume) = self.recipe_and_seed()?;
        let (dataset, data, minutes) = (self.dataset(), self.data()?, self.minutes);
        Ok(RunOptions { dataset, data, recipe, seed, minutes, out: self.out()?, resume })
    }

    /// How the network is trained, with which seed, and the checkpoint to go on from.
    fn recipe_and_seed(&self) -> Result<(Recipe, u64, Option<Checkpoint>)> {
        let Some(path) = &self.resume else { return Ok((self.recipe()?, self.seed, None)) };
        let checkpoint = read_checkpoint(path)?;
        let (recipe, seed) =
            Trainer::recipe_and_seed(&checkpoint).with_context(|| format!("in {}", escape_path(path)))?;
        Ok((recipe, seed, Some(checkpoint)))
    }

    fn recipe(&self) -> Result<Recipe> {
        let mut recipe = match &self.recipe {
            None => Recipe::for_dataset(&self.dataset()),
            Some(path) => match path.to_str().and_then(Recipe::built_in) {
                Some(recipe) => recipe,
                None => Recipe::from_toml(&read_toml(path)?).with_context(|| format!("in {}", escape_path(path)))?,
            },
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

    /// The folder for outputs, made if it isn't there.
    fn out(&self) -> Result<PathBuf> {
        let out = self.out.clone().unwrap_or_else(|| folders::runs().join(self.dataset().name()));
        match fs::create_dir_all(&out) {
            Ok(()) => Ok(out),
            Err(source) => {
                Err(facenet_data::Error::Write { path: out, source }).context("can't make the folder for outputs")
            }
        }
    }

    /// Sets the number of threads of everything that follows.
    pub fn set_threads(&self) -> Result<()> {
        set_threads(self.threads)
    }

    /// Adds to an error what was asked for: which checkpoint to go on from, or where data sets are looked for.
    pub fn explain(&self, error: Error) -> anyhow::Error {
        use Error::{MissingBuffer, OtherPictures, WrongHistory};
        if let (OtherPictures | WrongHistory | MissingBuffer { .. }, Some(path)) = (&error, &self.resume) {
            return anyhow::Error::new(error).context(format!("can't go on from {}", escape_path(path)));
        }
        let missing = matches!(error, Error::Data(facenet_data::Error::MissingFolder { .. }));
        let rest = match (missing, self.dataset()) {
            (true, DatasetSource::Orl) => {
                "; `cargo xtask download olivetti` fetches the same people for --dataset olivetti"
            }
            (true, DatasetSource::Olivetti) => "; `cargo xtask download olivetti` fetches this one",
            (true, DatasetSource::Lfw) => "; `cargo xtask download lfw` fetches this one",
            (true, DatasetSource::LfwFunneled) => "; `cargo xtask download lfw-funneled` fetches this one",
            _ => return error.into(),
        };
        anyhow::Error::new(error).context(format!(
            "data sets are looked for in --data DIR, else $FACENET_DATA, else data/{rest}; without any, try --dataset synthetic"
        ))
    }
}
