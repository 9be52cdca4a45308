//! Networks as files.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};
use std::sync::Arc;

use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use serde::{Deserialize, Serialize};

use crate::parameters::{Entry, ParameterTable, Parameters};
use crate::plan::at_most;
use crate::{Description, Error, Network, Plan};

const FORMAT: &str = "facenet-checkpoint";
const VERSION: &str = "1";
const PREFIX: &str = "optimizer.";

/// Bytes that a file may spend before its tensors are known to be the network's, so that a hostile one stays below half a
/// gigabyte of memory: JSON takes some 20 times its length once read, TOML with dotted keys some 500 times.
mod limit {
    pub(super) const HEADER: usize = 16 << 20;
    pub(super) const TOML: usize = 1 << 18;
}

/// A network with its numbers and, where it is still in training, what that needs to go on: a safetensors file.
///
/// ```text
/// metadata: format = facenet-checkpoint, version = 1, description (in TOML); calibration, if there is one; in training:
///           seed, step, recipe, pictures, history
/// tensors:  conv1.weight ...                             parameters and statistics, named as in their tables, F32
///           optimizer.first_moment/conv1.weight ...      the optimiser's buffers
/// ```
///
/// The same checkpoint gives the same bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// The network.
    pub description: Description,
    /// Its learned numbers.
    pub parameters: Parameters<f32>,
    /// Its running means and variances.
    pub statistics: Parameters<f32>,
    /// What distances of its embeddings mean, as text, if that is known.
    pub calibration: Option<String>,
    /// Where training stands, if it is to go on.
    pub training: Option<TrainingState>,
}

/// What training needs to go on.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingState {
    /// The seed of the run.
    pub seed: u64,
    /// Steps done.
    pub step: u64,
    /// The recipe as text, for whoever resumes.
    pub recipe: String,
    /// What it learns from, as text: whoever resumes compares it with what is there.
    pub pictures: String,
    /// How training went, as text, for whoever resumes; empty if the file does not say.
    pub history: String,
    /// The optimiser's buffers by name, each over the network's parameters.
    pub buffers: Vec<(String, Parameters<f32>)>,
}

impl Checkpoint {
    /// Writes the file. What [`Checkpoint::from_bytes`] would refuse is refused before the first byte, so a run gone astray
    /// can't replace its last good checkpoint.
    ///
    /// # Errors
    ///
    /// Those of `out`; and, as an [`Error`] inside one of kind [`io::ErrorKind::InvalidData`], if the description can't be
    /// resolved, a text is too long, a number is not finite, a variance is negative, or two tensors have one name.
    ///
    /// # Panics
    ///
    /// If parameters, statistics or buffers aren't over the description's tables, or a buffer has a `/` in its name.
    #[track_caller]
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let invalid = |error: Error| io::Error::new(io::ErrorKind::InvalidData, error);
        let plan = Plan::new(&self.description).map_err(invalid)?;
        self.assert_tables(&plan);
        self.check_values().map_err(invalid)?;
        out.write_all(&self.header().map_err(invalid)?)?;
        let mut bytes = Vec::new();
        for (_, numbers) in self.groups() {
            for values in numbers.values.chunks(1 << 14) {
                bytes.clear();
                bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
                out.write_all(&bytes)?;
            }
        }
        Ok(())
    }

    /// Whether a file says in its header that it is a checkpoint. It may be a damaged one.
    #[must_use]
    pub fn recognizes(bytes: &[u8]) -> bool {
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

    /// Reads a file. Nothing is allocated for its numbers until its tensors are known to be those of its description.
    ///
    /// # Errors
    ///
    /// If the bytes are no safetensors file or no checkpoint, if the description can't be read or resolved, if a tensor is
    /// missing, unknown or of another shape or type, or if a number is not finite or a variance negative.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let file = File::open(bytes)?;
        for (field, expected) in [("format", FORMAT), ("version", VERSION)] {
            if file.field(field)? != expected {
                return Err(Error::CheckpointMetadata { field });
            }
        }
        let description = Description::from_toml(short("bytes of description", file.field("description")?)?)?;
        let plan = Plan::new(&description)?;
        let parameters = file.tensors("", plan.parameters())?;
        let statistics = file.tensors("", plan.statistics())?;
        let buffers = file.buffers(&plan)?.into_iter().map(|name| {
            let tensors = file.tensors(&prefix(&name), plan.parameters())?;
            Ok((name, tensors))
        });
        let buffers = buffers.collect::<Result<Vec<_>, Error>>()?;
        let calibration = file.field("calibration").ok().map(|text| short("bytes of calibration", text)).transpose()?;
        let calibration = calibration.map(str::to_owned);
        let training = if file.in_training() {
            let number = |field| file.field(field)?.parse().map_err(|_| Error::CheckpointMetadata { field });
            let (seed, step) = (number("seed")?, number("step")?);
            let recipe = short("bytes of recipe", file.field("recipe")?)?.to_owned();
            let pictures = short("bytes about pictures", file.field("pictures")?)?.to_owned();
            // Files written before there was one are read all the same.
            let history = short("bytes of history", file.field("history").unwrap_or_default())?.to_owned();
            let buffers = buffers.into_iter().map(|(name, tensors)| (name, decode(&tensors, plan.parameters())));
            Some(TrainingState { seed, step, recipe, pictures, history, buffers: buffers.collect() })
        } else {
            None
        };
        let parameters = decode(&parameters, plan.parameters());
        let statistics = decode(&statistics, plan.statistics());
        let checkpoint = Self { description, parameters, statistics, calibration, training };
        checkpoint.check_values()?;
        Ok(checkpoint)
    }

    /// All numbers in the order of the file, with what stands before their names.
    fn groups(&self) -> Vec<(String, &Parameters<f32>)> {
        let buffers = self.training.iter().flat_map(|training| &training.buffers);
        let buffers = buffers.map(|(name, numbers)| (prefix(name), numbers));
        [(String::new(), &self.parameters), (String::new(), &self.statistics)].into_iter().chain(buffers).collect()
    }

    #[track_caller]
    fn assert_tables(&self, plan: &Plan) {
        let assert_table = |what: &str, numbers: &Parameters<f32>, table: &ParameterTable| {
            let fits = **numbers.table() == *table && numbers.values.len() == table.len();
            assert!(fits, "{what} are not those of network {}", self.description.name);
        };
        assert_table("parameters", &self.parameters, plan.parameters());
        assert_table("statistics", &self.statistics, plan.statistics());
        for (name, numbers) in self.training.iter().flat_map(|training| &training.buffers) {
            assert!(!name.contains('/'), "the buffer {name} has a / in its name");
            assert_table("buffers", numbers, plan.parameters());
        }
    }

    fn check_values(&self) -> Result<(), Error> {
        for (prefix, numbers) in self.groups() {
            for (index, entry) in numbers.table().entries().iter().enumerate() {
                if !numbers.entry(index).iter().all(|value| value.is_finite()) {
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

    /// The bytes before the numbers, a multiple of 8. Written here since the library's own writer orders metadata by a hash
    /// that differs from run to run, and gathers all numbers in memory once more.
    fn header(&self) -> Result<Vec<u8>, Error> {
        #[derive(Serialize)]
        struct Header<'a> {
            #[serde(rename = "__metadata__")]
            metadata: BTreeMap<&'a str, String>,
            #[serde(flatten)]
            tensors: BTreeMap<String, TensorInfo>,
        }

        let description = self.description.to_toml();
        short("bytes of description", &description)?;
        let mut metadata = BTreeMap::from([
            ("format", FORMAT.to_owned()),
            ("version", VERSION.to_owned()),
            ("description", description),
        ]);
        if let Some(calibration) = &self.calibration {
            metadata.insert("calibration", short("bytes of calibration", calibration)?.to_owned());
        }
        if let Some(training) = &self.training {
            metadata.insert("seed", training.seed.to_string());
            metadata.insert("step", training.step.to_string());
            metadata.insert("recipe", short("bytes of recipe", &training.recipe)?.to_owned());
            metadata.insert("pictures", short("bytes about pictures", &training.pictures)?.to_owned());
            metadata.insert("history", short("bytes of history", &training.history)?.to_owned());
        }
        let mut tensors = BTreeMap::new();
        let mut start = 0;
        for (prefix, numbers) in self.groups() {
            for entry in numbers.table().entries() {
                let end = start + entry.range.len() * size_of::<f32>();
                let info = TensorInfo { dtype: Dtype::F32, shape: entry.shape.clone(), data_offsets: (start, end) };
                let name = format!("{prefix}{}", entry.name);
                if tensors.insert(name.clone(), info).is_some() {
                    return Err(Error::DuplicateName { name });
                }
                start = end;
            }
        }
        let mut json = serde_json::to_vec(&Header { metadata, tensors }).map_err(syntax)?;
        json.resize(json.len().next_multiple_of(8), b' ');
        at_most("bytes of checkpoint header", json.len(), limit::HEADER)?;
        let mut header = (json.len() as u64).to_le_bytes().to_vec();
        header.append(&mut json);
        Ok(header)
    }
}

impl From<Network<f32>> for Checkpoint {
    /// A network that is not in training, of which it is not known what distances mean.
    fn from(network: Network<f32>) -> Self {
        let description = network.description().clone();
        let Network { parameters, statistics, .. } = network;
        Self { description, parameters, statistics, calibration: None, training: None }
    }
}

/// A safetensors file whose header is valid in itself.
struct File<'a> {
    metadata: Metadata,
    data: &'a [u8],
}

impl<'a> File<'a> {
    /// Reads the header. The library's own function adds up offsets before it compares them with the file's length, which
    /// overflows on hostile ones.
    fn open(bytes: &'a [u8]) -> Result<Self, Error> {
        let (header, data) = split_header(bytes)?;
        let metadata: Metadata = serde_json::from_slice(header).map_err(syntax)?;
        if metadata.data_len() != data.len() {
            let expected = metadata.data_len();
            return Err(syntax(format_args!("it has {} bytes of numbers, not {expected}", data.len())));
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

    /// The bytes of every entry's tensor, each of the right type and shape.
    fn tensors(&self, prefix: &str, table: &ParameterTable) -> Result<Vec<&'a [u8]>, Error> {
        let tensor = |entry: &Entry| {
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

    /// The optimiser's buffers, in the order of the file: what all tensors beside the network's own belong to.
    fn buffers(&self, plan: &Plan) -> Result<Vec<String>, Error> {
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

/// The header and the numbers of a safetensors file.
pub(crate) fn split_header(bytes: &[u8]) -> Result<(&[u8], &[u8]), Error> {
    let (length, rest) = bytes.split_first_chunk().ok_or_else(|| syntax("it ends before its header"))?;
    let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
    if length > limit::HEADER {
        return Err(syntax(format_args!("a header of {length} bytes, more than the {} allowed", limit::HEADER)));
    }
    rest.split_at_checked(length).ok_or_else(|| syntax("it ends within its header"))
}

/// What stands before the names of a buffer's tensors.
fn prefix(buffer: &str) -> String {
    format!("{PREFIX}{buffer}/")
}

/// Numbers from the bytes of every entry, which needn't be aligned.
fn decode(tensors: &[&[u8]], table: &Arc<ParameterTable>) -> Parameters<f32> {
    let mut numbers = Parameters::zeros(table);
    for (index, tensor) in tensors.iter().enumerate() {
        for (value, bytes) in numbers.entry_mut(index).iter_mut().zip(tensor.as_chunks().0) {
            *value = f32::from_le_bytes(*bytes);
        }
    }
    numbers
}

/// A text that is not too long to be read.
pub(crate) fn short<'a>(what: &'static str, text: &'a str) -> Result<&'a str, Error> {
    at_most(what, text.len(), limit::TOML)?;
    Ok(text)
}

pub(crate) fn syntax(reason: impl ToString) -> Error {
    Error::CheckpointSyntax { reason: reason.to_string() }
}
