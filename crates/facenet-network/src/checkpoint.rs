//! Checkpoints: networks as safetensors files.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};
use std::sync::Arc;

use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use serde::{Deserialize, Serialize};

use crate::bounds::{check_limit, check_text};
use crate::description::Description;
use crate::error::Error;
use crate::network::Network;
use crate::parameters::{ParameterEntry, ParameterTable, Parameters};
use crate::plan::Plan;
use crate::safetensors_header::{MAX_HEADER, split_header, syntax_error};

const FORMAT: &str = "facenet-checkpoint";
const VERSION: &str = "1";
const PREFIX: &str = "optimizer.";

/// A network with its parameters and, while it is being trained, the state of training: a
/// safetensors file.
///
/// ```text
/// metadata: format = facenet-checkpoint, version = 1, description (TOML), calibration (optional);
///           in training: seed, step, recipe, pictures, history
/// tensors:  conv1.weight ...                             parameters and statistics, F32
///           optimizer.first_moment/conv1.weight ...      state of the optimizer
/// ```
///
/// Parameters and statistics have the names of their tables. Equal checkpoints give equal bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Description of the network.
    pub description: Description,
    /// Learned parameters.
    pub parameters: Parameters<f32>,
    /// Running means and variances.
    pub statistics: Parameters<f32>,
    /// Calibration of embedding distances as text, if known. This crate does not interpret it.
    pub calibration: Option<String>,
    /// State of training, if it is to be resumed.
    pub training: Option<TrainingState>,
}

/// What is needed to resume training.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingState {
    /// Seed of the run.
    pub seed: u64,
    /// Number of steps done.
    pub step: u64,
    /// Recipe as text.
    pub recipe: String,
    /// Fingerprint of the training data as text, to be compared when training is resumed.
    pub dataset: String,
    /// History of training as text; empty if the file has none.
    pub history: String,
    /// State of the optimizer by name, as of [`Optimizer::state`](crate::Optimizer::state).
    pub optimizer_state: Vec<(String, Parameters<f32>)>,
}

impl Checkpoint {
    /// Writes the file. A checkpoint that [`Checkpoint::from_bytes`] would refuse is refused before
    /// the first byte is written, so a diverged run does not replace its last good checkpoint.
    ///
    /// # Errors
    ///
    /// Those of `out`. An error of kind [`io::ErrorKind::InvalidData`] that wraps an [`Error`] if
    /// the description cannot be resolved, a text is too long, a value is not finite, a variance is
    /// negative, or two tensors have the same name.
    ///
    /// # Panics
    ///
    /// If the tables of parameters, statistics or optimizer state are not those of the description,
    /// or a name of the optimizer state contains a `/`.
    #[track_caller]
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let invalid = |error: Error| io::Error::new(io::ErrorKind::InvalidData, error);
        let plan = Plan::new(&self.description).map_err(invalid)?;
        self.assert_tables(&plan);
        self.check_values().map_err(invalid)?;
        out.write_all(&self.header().map_err(invalid)?)?;
        let mut bytes = Vec::new();
        for (_, buffer) in self.groups() {
            for values in buffer.values.chunks(1 << 14) {
                bytes.clear();
                bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
                out.write_all(&bytes)?;
            }
        }
        Ok(())
    }

    /// Whether the header of a file identifies it as a checkpoint. The checkpoint may be damaged.
    #[must_use]
    pub fn is_checkpoint(bytes: &[u8]) -> bool {
        #[derive(Deserialize)]
        struct Header {
            #[serde(rename = "__metadata__")]
            metadata: Format,
        }
        #[derive(Deserialize)]
        struct Format {
            format: String,
        }

        let header = split_header(bytes).ok().and_then(|(header, _)| serde_json::from_slice::<Header>(header).ok());
        header.is_some_and(|header| header.metadata.format == FORMAT)
    }

    /// Reads a file. No memory is allocated for tensors until their names and shapes are known to
    /// be those of the description.
    ///
    /// # Errors
    ///
    /// If the bytes are not a safetensors file or not a checkpoint, the description cannot be
    /// parsed or resolved, a tensor is missing, unknown or of the wrong shape or type, a value is
    /// not finite, or a variance is negative.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let file = File::open(bytes)?;
        for (field, expected) in [("format", FORMAT), ("version", VERSION)] {
            if file.field(field)? != expected {
                return Err(Error::CheckpointMetadata { field });
            }
        }
        let description = Description::from_toml(check_text("bytes of description", file.field("description")?)?)?;
        let plan = Plan::new(&description)?;
        let parameters = file.tensors("", plan.parameters())?;
        let statistics = file.tensors("", plan.statistics())?;
        let optimizer_state = file.optimizer_state(&plan)?.into_iter().map(|name| {
            let tensors = file.tensors(&prefix(&name), plan.parameters())?;
            Ok((name, tensors))
        });
        let optimizer_state = optimizer_state.collect::<Result<Vec<_>, Error>>()?;
        let calibration =
            file.field("calibration").ok().map(|text| check_text("bytes of calibration", text)).transpose()?;
        let calibration = calibration.map(str::to_owned);
        let training = if file.in_training() {
            let number = |field| file.field(field)?.parse().map_err(|_| Error::CheckpointMetadata { field });
            let (seed, step) = (number("seed")?, number("step")?);
            let recipe = check_text("bytes of recipe", file.field("recipe")?)?.to_owned();
            let dataset = check_text("bytes of dataset", file.field("pictures")?)?.to_owned();
            // Files of older versions have no history.
            let history = check_text("bytes of history", file.field("history").unwrap_or_default())?.to_owned();
            let optimizer_state =
                optimizer_state.into_iter().map(|(name, tensors)| (name, decode(&tensors, plan.parameters())));
            Some(TrainingState { seed, step, recipe, dataset, history, optimizer_state: optimizer_state.collect() })
        } else {
            None
        };
        let parameters = decode(&parameters, plan.parameters());
        let statistics = decode(&statistics, plan.statistics());
        let checkpoint = Self { description, parameters, statistics, calibration, training };
        checkpoint.check_values()?;
        Ok(checkpoint)
    }

    /// All tensors in file order, grouped by the prefix of their names.
    fn groups(&self) -> Vec<(String, &Parameters<f32>)> {
        let optimizer_state = self.training.iter().flat_map(|training| &training.optimizer_state);
        let optimizer_state = optimizer_state.map(|(name, buffer)| (prefix(name), buffer));
        let network = [(String::new(), &self.parameters), (String::new(), &self.statistics)];
        network.into_iter().chain(optimizer_state).collect()
    }

    #[track_caller]
    fn assert_tables(&self, plan: &Plan) {
        let assert_table = |what: &str, buffer: &Parameters<f32>, table: &ParameterTable| {
            let matches = **buffer.table() == *table && buffer.values.len() == table.len();
            assert!(matches, "{what} of another network than {}", self.description.name);
        };
        assert_table("parameters", &self.parameters, plan.parameters());
        assert_table("statistics", &self.statistics, plan.statistics());
        for (name, buffer) in self.training.iter().flat_map(|training| &training.optimizer_state) {
            assert!(!name.contains('/'), "optimizer state {name} contains a slash");
            assert_table("optimizer state", buffer, plan.parameters());
        }
    }

    fn check_values(&self) -> Result<(), Error> {
        for (prefix, buffer) in self.groups() {
            for (index, entry) in buffer.table().entries().iter().enumerate() {
                if !buffer.entry(index).iter().all(|value| value.is_finite()) {
                    return Err(Error::NotFinite { name: format!("{prefix}{}", entry.name) });
                }
            }
        }
        for (index, entry) in self.statistics.table().entries().iter().enumerate() {
            let variance = entry.name.ends_with("batch_norm.variance");
            if variance && self.statistics.entry(index).iter().any(|&value| value < 0.0) {
                return Err(Error::NegativeVariance { name: entry.name.clone() });
            }
        }
        Ok(())
    }

    /// The bytes before the tensor data, a multiple of 8. Not written by the safetensors crate,
    /// whose writer orders metadata by a hash that differs between runs and copies all tensors.
    fn header(&self) -> Result<Vec<u8>, Error> {
        #[derive(Serialize)]
        struct Header<'a> {
            #[serde(rename = "__metadata__")]
            metadata: BTreeMap<&'a str, String>,
            #[serde(flatten)]
            tensors: BTreeMap<String, TensorInfo>,
        }

        let description = self.description.to_toml();
        check_text("bytes of description", &description)?;
        let mut metadata = BTreeMap::from([
            ("format", FORMAT.to_owned()),
            ("version", VERSION.to_owned()),
            ("description", description),
        ]);
        if let Some(calibration) = &self.calibration {
            metadata.insert("calibration", check_text("bytes of calibration", calibration)?.to_owned());
        }
        if let Some(training) = &self.training {
            metadata.insert("seed", training.seed.to_string());
            metadata.insert("step", training.step.to_string());
            metadata.insert("recipe", check_text("bytes of recipe", &training.recipe)?.to_owned());
            metadata.insert("pictures", check_text("bytes of dataset", &training.dataset)?.to_owned());
            metadata.insert("history", check_text("bytes of history", &training.history)?.to_owned());
        }
        let mut tensors = BTreeMap::new();
        let mut start = 0;
        for (prefix, buffer) in self.groups() {
            for entry in buffer.table().entries() {
                let end = start + entry.range.len() * size_of::<f32>();
                let info = TensorInfo { dtype: Dtype::F32, shape: entry.shape.clone(), data_offsets: (start, end) };
                let name = format!("{prefix}{}", entry.name);
                if tensors.insert(name.clone(), info).is_some() {
                    return Err(Error::DuplicateName { name });
                }
                start = end;
            }
        }
        let mut json = serde_json::to_vec(&Header { metadata, tensors }).map_err(syntax_error)?;
        json.resize(json.len().next_multiple_of(8), b' ');
        check_limit("bytes of checkpoint header", json.len(), MAX_HEADER)?;
        let mut header = (json.len() as u64).to_le_bytes().to_vec();
        header.append(&mut json);
        Ok(header)
    }
}

impl From<Network<f32>> for Checkpoint {
    /// A checkpoint without calibration and state of training.
    fn from(network: Network<f32>) -> Self {
        let description = network.description().clone();
        let Network { parameters, statistics, .. } = network;
        Self { description, parameters, statistics, calibration: None, training: None }
    }
}

impl Network<f32> {
    /// The network of a checkpoint.
    ///
    /// # Errors
    ///
    /// If the description cannot be resolved: see [`Plan::new`].
    ///
    /// # Panics
    ///
    /// If the tables of parameters or statistics are not those of the description.
    #[track_caller]
    pub fn from_checkpoint(checkpoint: Checkpoint) -> Result<Self, Error> {
        Self::with_parameters(checkpoint.description, checkpoint.parameters, checkpoint.statistics)
    }
}

/// A safetensors file with a consistent header.
struct File<'a> {
    metadata: Metadata,
    data: &'a [u8],
}

impl<'a> File<'a> {
    /// Reads the header. The function of the safetensors crate adds up offsets before it compares
    /// them with the file's length, which overflows for hostile files.
    fn open(bytes: &'a [u8]) -> Result<Self, Error> {
        let (header, data) = split_header(bytes)?;
        let metadata: Metadata = serde_json::from_slice(header).map_err(syntax_error)?;
        if metadata.data_len() != data.len() {
            let expected = metadata.data_len();
            return Err(syntax_error(format_args!(
                "the file has {} bytes of tensor data, its header describes {expected}",
                data.len()
            )));
        }
        Ok(Self { metadata, data })
    }

    fn field(&self, field: &'static str) -> Result<&str, Error> {
        let value = self.metadata.metadata().as_ref().and_then(|fields| fields.get(field));
        value.map(String::as_str).ok_or(Error::CheckpointMetadata { field })
    }

    fn in_training(&self) -> bool {
        ["seed", "step", "recipe", "pictures", "history"].into_iter().any(|field| self.field(field).is_ok())
    }

    /// The bytes of each entry's tensor, after checks of type and shape.
    fn tensors(&self, prefix: &str, table: &ParameterTable) -> Result<Vec<&'a [u8]>, Error> {
        let tensor = |entry: &ParameterEntry| {
            let name = format!("{prefix}{}", entry.name);
            let Some(info) = self.metadata.info(&name) else {
                return Err(Error::MissingTensor { name });
            };
            if info.dtype != Dtype::F32 || info.shape != entry.shape {
                let found = format!("{} {:?}", info.dtype, info.shape);
                return Err(Error::TensorShape { name, found, expected: format!("F32 {:?}", entry.shape) });
            }
            let (start, end) = info.data_offsets;
            self.data.get(start..end).ok_or(Error::MissingTensor { name })
        };
        table.entries().iter().map(tensor).collect()
    }

    /// Names of the optimizer's buffers in file order. All tensors beside those of the network
    /// belong to one of them.
    fn optimizer_state(&self, plan: &Plan) -> Result<Vec<String>, Error> {
        fn names(table: &ParameterTable) -> HashSet<&str> {
            table.entries().iter().map(|entry| &*entry.name).collect()
        }
        let (parameters, statistics) = (names(plan.parameters()), names(plan.statistics()));
        let (mut buffers, mut seen) = (Vec::new(), HashSet::new());
        for name in self.metadata.offset_keys() {
            if parameters.contains(&*name) || statistics.contains(&*name) {
                continue;
            }
            match name.strip_prefix(PREFIX).and_then(|rest| rest.split_once('/')) {
                Some((buffer, parameter)) if self.in_training() && parameters.contains(parameter) => {
                    if seen.insert(buffer.to_owned()) {
                        buffers.push(buffer.to_owned());
                    }
                }
                _ => return Err(Error::UnknownTensor { name }),
            }
        }
        Ok(buffers)
    }
}

/// Prefix of the names of an optimizer buffer's tensors.
fn prefix(buffer: &str) -> String {
    format!("{PREFIX}{buffer}/")
}

/// Decodes the bytes of every entry, which need not be aligned.
fn decode(tensors: &[&[u8]], table: &Arc<ParameterTable>) -> Parameters<f32> {
    let mut parameters = Parameters::zeros(table);
    for (index, tensor) in tensors.iter().enumerate() {
        for (value, bytes) in parameters.entry_mut(index).iter_mut().zip(tensor.as_chunks().0) {
            *value = f32::from_le_bytes(*bytes);
        }
    }
    parameters
}
