//! Which network: a built-in one by its name, or a description in a file, and what is changed of it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, ValueEnum};
use facenet_data::escape_path;
use facenet_network::{Description, NETWORKS, NormalizationScheme, Plan, built_in};

use crate::arguments::common::read_toml;

/// A network by its name or its file.
#[derive(Clone, Debug)]
pub enum NetworkChoice {
    /// One of the built-in ones.
    BuiltIn(&'static str),
    /// A description in TOML.
    File(PathBuf),
}

impl NetworkChoice {
    /// Reads what was typed: the name of a built-in network, else a file.
    pub fn parser() -> impl TypedValueParser<Value = Self> {
        OsStringValueParser::new().try_map(Self::new)
    }

    fn new(typed: OsString) -> Result<Self, String> {
        if let Some(name) = NETWORKS.into_iter().find(|name| typed == *name) {
            return Ok(Self::BuiltIn(name));
        }
        let looks_like_a_path = typed.as_encoded_bytes().iter().any(|byte| b"/.".contains(byte));
        if looks_like_a_path || Path::new(&typed).is_file() {
            return Ok(Self::File(typed.into()));
        }
        Err(format!("expected a file or one of {}", NETWORKS.join(", ")))
    }

    /// The description, which a network can be built from.
    pub fn description(&self) -> Result<Description> {
        match self {
            Self::BuiltIn(name) => built_in(name).context("one of the built-in networks"),
            Self::File(path) => {
                let text = read_toml(path)?;
                let description = Description::from_toml(&text).with_context(|| format!("in {}", escape_path(path)))?;
                Plan::new(&description).with_context(|| format!("in {}", escape_path(path)))?;
                Ok(description)
            }
        }
    }
}

/// What is changed of a network.
#[derive(Args, Debug)]
pub struct NetworkChanges {
    /// What keeps the numbers between the layers in range [default: as the network says]
    #[arg(long, value_name = "none|local_response|batch", hide_possible_values = true)]
    normalization: Option<Scheme>,
    /// Numbers per embedding [default: as the network says]
    #[arg(long, value_name = "D", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    dimension: Option<u32>,
}

/// [`NormalizationScheme`] on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Scheme {
    /// Biases alone
    None,
    /// Over neighbouring channels where the network has it, as in the paper, and biases
    LocalResponse,
    /// Batch normalisation after every product
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
    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.normalization.is_none() && self.dimension.is_none()
    }

    /// The network with these changes.
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
