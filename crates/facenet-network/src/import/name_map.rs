//! Which tensor of a file is which of a network.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::ForeignTensors;
use crate::Error;
use crate::checkpoint::short;

/// Where the numbers of a network are in another program's file: a TOML file.
///
/// ```text
/// network = "mobilefacenet_y1"
/// folded = true
/// ignored = ["preprocessing/scale"]
///
/// [tensors]
/// "conv_1.weight" = "conv1/kernel"
/// "conv_1.batch_norm.mean" = { tensor = "bn1/mean", minus = "conv1/bias" }
/// "conv_2.weight" = { tensor = "conv2/kernel", inputs = [[64, 32], [0, 64]] }
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NameMap {
    /// The name of the network that it is for.
    pub network: String,
    /// Whether batch normalisation is folded into weights and shifts: scales, means and variances that the map has nothing
    /// for are 1, 0 and 1 - epsilon, which changes nothing.
    #[serde(default)]
    pub folded: bool,
    /// Tensors that the file may have and the network has not: preprocessing, a classifier.
    #[serde(default)]
    pub ignored: Vec<String>,
    /// What each parameter and statistic of the network is made of, by name.
    pub tensors: BTreeMap<String, Source>,
}

/// What a parameter or statistic is made of. In TOML a name alone is that of the tensor.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "NameOrTable")]
pub struct Source {
    /// The name of their tensor.
    pub tensor: String,
    /// Another one that is subtracted: the bias of a product, from the mean of the batch normalisation behind it.
    pub minus: Option<String>,
    /// Where our inputs, in order, are among theirs: ranges `[first, count]`. `None` if they are in the same order.
    pub inputs: Option<Vec<[usize; 2]>>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected the name of a tensor, or a table of tensor, minus and inputs")]
enum NameOrTable {
    Name(String),
    Table(Table),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    tensor: String,
    minus: Option<String>,
    inputs: Option<Vec<[usize; 2]>>,
}

impl From<NameOrTable> for Source {
    fn from(source: NameOrTable) -> Self {
        match source {
            NameOrTable::Name(tensor) => Self { tensor, minus: None, inputs: None },
            NameOrTable::Table(Table { tensor, minus, inputs }) => Self { tensor, minus, inputs },
        }
    }
}

impl NameMap {
    /// The maps from the published weights of a built-in network, one for each way in which their tensors are called.
    ///
    /// None for names that are no network's, as for networks whose weights nobody has published.
    #[must_use]
    pub fn built_in(network: &str) -> Vec<Self> {
        let texts: &[&str] = match network {
            "openface_nn4_small2_v1" => &[
                include_str!("maps/openface_nn4_small2_v1.toml"),
                include_str!("maps/openface_nn4_small2_v1_pytorch.toml"),
            ],
            "inception_resnet_v1" => &[include_str!("maps/inception_resnet_v1.toml")],
            "mobilefacenet_y1" => &[include_str!("maps/mobilefacenet_y1.toml")],
            "face_reidentification_retail_0095" => &[include_str!("maps/face_reidentification_retail_0095.toml")],
            "landmarks_regression_retail_0009" => &[include_str!("maps/landmarks_regression_retail_0009.toml")],
            _ => &[],
        };
        texts.iter().map(|text| Self::from_toml(text).expect("the built-in maps are valid")).collect()
    }

    /// The share of the tensors that the map names which a file has: 1 if it has all of them.
    #[must_use]
    pub fn share_in(&self, file: &ForeignTensors) -> f64 {
        let named = self.tensors.values().flat_map(|source| [Some(&source.tensor), source.minus.as_ref()]);
        let (found, all) = named.flatten().fold((0_usize, 0_usize), |(found, all), name| {
            (found + usize::from(file.tensors.contains_key(name)), all + 1)
        });
        found as f64 / all.max(1) as f64
    }

    /// Reads a map in TOML.
    ///
    /// # Errors
    ///
    /// If the text is too long, or not such a map.
    pub fn from_toml(text: &str) -> Result<Self, Error> {
        toml::from_str(short("bytes of name map", text)?)
            .map_err(|error| Error::NameMapSyntax { reason: error.to_string() })
    }
}
