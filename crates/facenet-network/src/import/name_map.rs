//! Name maps: which foreign tensor holds which parameter.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::bounds::check_text;
use crate::error::Error;

/// Locates the parameters and statistics of a network in another framework's file. Written in TOML:
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
/// "heads.weight" = ["score/kernel", "box/kernel"]
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NameMap {
    /// Name of the network.
    pub network: String,
    /// Whether batch normalization is folded into weights and shifts. Scales, means and variances
    /// without an entry are then 1, 0 and 1 - epsilon, an identity.
    #[serde(default)]
    pub folded: bool,
    /// Tensors of the file that the network does not use, such as preprocessing or a classifier.
    #[serde(default)]
    pub ignored: Vec<String>,
    /// Source of each parameter and statistic of the network, by name.
    pub tensors: BTreeMap<String, TensorSource>,
}

/// Source of a parameter or statistic. In TOML, a string or a list of strings is short for a table with
/// `tensor` only.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "NamesOrTable")]
pub struct TensorSource {
    /// Names of the foreign tensors: usually one, else several whose output channels follow each other.
    pub tensors: Vec<String>,
    /// A tensor to subtract: the bias of a convolution, from the mean of the batch normalization
    /// that follows it.
    pub minus: Option<String>,
    /// Permutation of input channels: ranges `[first, count]` of theirs, in our order. `None` if
    /// the order is the same.
    pub inputs: Option<Vec<[usize; 2]>>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected the names of one or more tensors, or a table of tensor, minus and inputs")]
enum NamesOrTable {
    Names(Names),
    Table(Table),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Names {
    One(String),
    Several(Vec<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    tensor: Names,
    minus: Option<String>,
    inputs: Option<Vec<[usize; 2]>>,
}

impl From<NamesOrTable> for TensorSource {
    fn from(source: NamesOrTable) -> Self {
        let (names, minus, inputs) = match source {
            NamesOrTable::Names(names) => (names, None, None),
            NamesOrTable::Table(Table { tensor, minus, inputs }) => (tensor, minus, inputs),
        };
        let tensors = match names {
            Names::One(name) => vec![name],
            Names::Several(names) => names,
        };
        Self { tensors, minus, inputs }
    }
}

impl TensorSource {
    /// All tensors that are read.
    pub(crate) fn names(&self) -> impl Iterator<Item = &String> {
        self.tensors.iter().chain(&self.minus)
    }
}

impl NameMap {
    /// Name maps of the published weights of a built-in network, one for each naming of their
    /// tensors.
    ///
    /// Empty for unknown names and for networks without published weights.
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
            "yunet_n" => &[include_str!("maps/yunet_n.toml")],
            _ => &[],
        };
        texts.iter().map(|text| Self::from_toml(text).expect("built-in maps are valid")).collect()
    }

    /// All tensors that are read.
    pub(crate) fn names(&self) -> impl Iterator<Item = &String> {
        self.tensors.values().flat_map(TensorSource::names)
    }

    /// Parses a map from TOML.
    ///
    /// # Errors
    ///
    /// If the text is too long or not a name map.
    pub fn from_toml(text: &str) -> Result<Self, Error> {
        toml::from_str(check_text("bytes of name map", text)?)
            .map_err(|error| Error::NameMapSyntax { reason: error.to_string() })
    }
}
