//! Choosing a network: a built-in one by name or a description in a file, with changes.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, ValueEnum};
use facenet_data::escape_path;
use facenet_network::{Description, NETWORKS, NormalizationScheme, Plan, built_in};

use crate::arguments::toml_file::read_toml;

/// A network by name or file.
#[derive(Clone, Debug)]
pub enum NetworkChoice {
    /// The name of a built-in network.
    BuiltIn(&'static str),
    /// A file with a description in TOML.
    File(PathBuf),
}

impl NetworkChoice {
    /// Parses the name of a built-in network, or the path of a file.
    pub fn parser() -> impl TypedValueParser<Value = Self> {
        OsStringValueParser::new().try_map(Self::new)
    }

    fn new(argument: OsString) -> Result<Self, String> {
        if let Some(name) = NETWORKS.into_iter().find(|name| argument == *name) {
            return Ok(Self::BuiltIn(name));
        }
        let looks_like_a_path = argument.as_encoded_bytes().iter().any(|byte| b"/.".contains(byte));
        if looks_like_a_path || Path::new(&argument).is_file() {
            return Ok(Self::File(argument.into()));
        }
        Err(format!("expected a file or one of {}", NETWORKS.join(", ")))
    }

    /// The description; a plan can be built from it.
    pub fn description(&self) -> Result<Description> {
        match self {
            Self::BuiltIn(name) => built_in(name).context("a built-in network"),
            Self::File(path) => {
                let text = read_toml(path)?;
                let description = Description::from_toml(&text).with_context(|| format!("in {}", escape_path(path)))?;
                Plan::new(&description).with_context(|| format!("in {}", escape_path(path)))?;
                Ok(description)
            }
        }
    }
}

/// Changes of a network.
#[derive(Args, Debug)]
pub struct NetworkChanges {
    /// The normalization of activations [default: that of the network]
    #[arg(long, value_name = "none|local_response|batch", hide_possible_values = true)]
    normalization: Option<Scheme>,
    /// The dimension of embeddings [default: that of the network]
    #[arg(long, value_name = "D", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    dimension: Option<u32>,
}

/// [`NormalizationScheme`] as an argument.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Scheme {
    /// Biases only
    None,
    /// Local response normalization where the network has it, as in the paper, and biases
    LocalResponse,
    /// Batch normalization after every convolution and fully connected layer
    Batch,
}

impl From<Scheme> for NormalizationScheme {
    fn from(scheme: Scheme) -> Self {
        match scheme {
            Scheme::None => Self::None,
            Scheme::LocalResponse => Self::LocalResponse,
            Scheme::Batch => Self::Batch,
        }
    }
}

impl NetworkChanges {
    /// Whether there are no changes.
    pub fn is_empty(&self) -> bool {
        self.normalization.is_none() && self.dimension.is_none()
    }

    /// Applies the changes to a network.
    pub fn apply(&self, mut network: Description) -> Result<Description> {
        if let Some(scheme) = self.normalization {
            network = network.with_normalization(scheme.into())?;
        }
        if let Some(dimension) = self.dimension {
            network.embedding = Some(dimension as usize);
        }
        Ok(network)
    }
}
