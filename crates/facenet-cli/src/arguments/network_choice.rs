//! Choosing a network: a built-in one by name or a description in a file, with changes.

use anyhow::{Context, Result};
use clap::builder::TypedValueParser;
use clap::{Args, ValueEnum};
use facenet_data::escape_path;
use facenet_network::{Description, NETWORKS, NormalizationScheme, Plan, built_in};

use crate::arguments::name_or_file::NameOrFile;
use crate::arguments::toml_file::read_toml;

/// A network by name or file.
#[derive(Clone, Debug)]
pub struct NetworkChoice(NameOrFile);

impl NetworkChoice {
    /// Parses the name of a built-in network, or the path of a file.
    pub fn parser() -> impl TypedValueParser<Value = Self> {
        NameOrFile::parser(&NETWORKS).map(Self)
    }

    /// A built-in network by its name, one of [`NETWORKS`].
    #[must_use]
    pub fn built_in(name: &'static str) -> Self {
        Self(NameOrFile::Name(name))
    }

    /// The name of a built-in network; `None` for a file.
    #[must_use]
    pub fn name(&self) -> Option<&'static str> {
        match self.0 {
            NameOrFile::Name(name) => Some(name),
            NameOrFile::File(_) => None,
        }
    }

    /// The description; a plan can be built from it.
    pub fn description(&self) -> Result<Description> {
        match &self.0 {
            NameOrFile::Name(name) => built_in(name).context("a built-in network"),
            NameOrFile::File(path) => {
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
