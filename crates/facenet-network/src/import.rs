//! Networks with the numbers of other programs' files.

mod foreign_tensors;
mod name_map;
mod openvino;
mod pytorch;
mod safetensors;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use ndarray::{ArrayView3, Axis, Slice, concatenate};

pub use foreign_tensors::{ForeignTensor, ForeignTensors};
pub use name_map::{NameMap, Source};

use crate::parameters::{Entry, ParameterTable, Parameters};
use crate::plan::Operation;
use crate::{Description, Error, Network, Plan};

/// A network with the tensors of another program's file, which a name map finds and arranges.
///
/// ```text
/// ours                                   theirs, one of
/// convolution       [kh, kw, in, out]    [out, in, kh, kw]
/// depthwise         [kh, kw, c]          [c, 1, kh, kw]   [c, 1, 1, kh, kw]
/// fully connected   [in, out]            [out, in]        [out, in, 1, 1]       in: ours [h, w, c], theirs [c, h, w]
/// per channel       [c]                  [c]   [1, c]   [1, c, 1, 1]   [c, 1, 1]
/// ```
///
/// Nothing is left over: each parameter and statistic is in the map, and each tensor of the file is used or ignored.
///
/// # Errors
///
/// If the description can't become a plan, or the map is for another network; if the map has nothing for a parameter or
/// statistic, or something for none; if a tensor is missing, left over, of another shape or not of a float type, holds a
/// number that is not finite, or a variance that is negative.
pub fn import(description: Description, tensors: &ForeignTensors, map: &NameMap) -> Result<Network<f32>, Error> {
    let plan = Plan::new(&description)?;
    if map.network != description.name {
        return Err(Error::OtherNetwork { map: map.network.clone(), network: description.name });
    }
    let entries = || plan.parameters().entries().iter().chain(plan.statistics().entries());
    let known: HashSet<&str> = entries().map(|entry| &*entry.name).collect();
    if let Some(name) = map.tensors.keys().find(|name| !known.contains(&***name)) {
        return Err(Error::MapEntry { name: name.clone(), reason: "the network has nothing of that name".to_owned() });
    }
    let maps = plan.operations.iter().filter_map(|operation| match operation {
        Operation::Linear { x, weight, .. } => Some((*weight, plan.shape(x))),
        _ => None,
    });
    let maps = maps.map(|(weight, shape)| (&*plan.parameters().entries()[weight].name, shape)).collect();
    let importer = Importer { tensors, map, epsilon: plan.epsilon, maps };
    let parameters = importer.parameters(plan.parameters())?;
    let statistics = importer.parameters(plan.statistics())?;
    let sources = map.tensors.values().flat_map(|source| [Some(&source.tensor), source.minus.as_ref()]);
    let named: HashSet<&String> = sources.flatten().chain(&map.ignored).collect();
    if let Some(name) = tensors.tensors.keys().find(|name| !named.contains(name)) {
        return Err(Error::UnusedTensor { name: name.clone() });
    }
    Network::with_parameters(description, parameters, statistics)
}

/// The same up to one of the network's layers, of which the result puts out the activations: what belongs to later layers
/// may be missing.
///
/// # Errors
///
/// [`Error::NoLayer`], and as [`import`].
pub fn import_until(
    description: Description,
    layer: &str,
    tensors: &ForeignTensors,
    map: &NameMap,
) -> Result<Network<f32>, Error> {
    let network = description.name.clone();
    let part = description.until(layer).ok_or_else(|| Error::NoLayer { network, layer: layer.to_owned() })?;
    let plan = Plan::new(&part)?;
    let entries = plan.parameters().entries().iter().chain(plan.statistics().entries());
    let known: HashSet<&str> = entries.map(|entry| &*entry.name).collect();
    let (needed, later): (BTreeMap<_, _>, BTreeMap<_, _>) =
        map.tensors.clone().into_iter().partition(|(name, _)| known.contains(&**name));
    let later = later.into_values().flat_map(|source| [Some(source.tensor), source.minus]).flatten();
    let ignored = map.ignored.iter().cloned().chain(later).collect();
    import(part, tensors, &NameMap { ignored, tensors: needed, ..map.clone() })
}

struct Importer<'a> {
    tensors: &'a ForeignTensors,
    map: &'a NameMap,
    epsilon: f64,
    /// Height, width and channels of what each fully connected layer reads, by the name of its weights.
    maps: HashMap<&'a str, [usize; 3]>,
}

impl<'a> Importer<'a> {
    /// Grows with the tensors that fit, so that a file of little costs little.
    fn parameters(&self, table: &Arc<ParameterTable>) -> Result<Parameters<f32>, Error> {
        let mut values = Vec::new();
        for entry in table.entries() {
            values.append(&mut self.entry(entry)?);
        }
        let mut parameters = Parameters::zeros(table);
        parameters.values = values;
        Ok(parameters)
    }

    fn entry(&self, entry: &Entry) -> Result<Vec<f32>, Error> {
        let name = &entry.name;
        let Some(source) = self.map.tensors.get(name) else {
            let folded = self.folded(name).ok_or_else(|| map_entry(name, "there is none"))?;
            return Ok(vec![folded; entry.range.len()]);
        };
        let mut values = self.arranged(entry, &source.tensor, source)?;
        if let Some(minus) = &source.minus {
            for (value, less) in values.iter_mut().zip(self.arranged(entry, minus, source)?) {
                *value -= less;
            }
            if !values.iter().all(|value| value.is_finite()) {
                return Err(Error::NotFinite { name: name.clone() });
            }
        }
        if name.ends_with("batch_norm.variance") && values.iter().any(|&value| value < 0.0) {
            return Err(Error::NegativeVariance { name: source.tensor.clone() });
        }
        Ok(values)
    }

    /// The number of a batch normalisation that is folded into weights and shifts: it changes nothing.
    fn folded(&self, name: &str) -> Option<f32> {
        let (_, field) = name.rsplit_once("batch_norm.").filter(|_| self.map.folded)?;
        match field {
            "scale" => Some(1.0),
            "mean" => Some(0.0),
            "variance" => Some((1.0 - self.epsilon) as f32),
            _ => None,
        }
    }

    /// The numbers of one of their tensors in the order of ours.
    fn arranged(&self, entry: &Entry, name: &str, source: &Source) -> Result<Vec<f32>, Error> {
        let tensor = self.tensor(entry, name)?;
        if !tensor.values.iter().all(|value| value.is_finite()) {
            return Err(Error::NotFinite { name: name.to_owned() });
        }
        // Outputs, inputs and taps of their product.
        let shape = match (&*entry.shape, &*tensor.shape) {
            (&[rows, columns, inputs, outputs], theirs) if *theirs == [outputs, inputs, rows, columns] => {
                Some((outputs, inputs, rows * columns))
            }
            (&[rows, columns, channels], &[c, 1, kh, kw] | &[c, 1, 1, kh, kw])
                if [c, kh, kw] == [channels, rows, columns] =>
            {
                Some((channels, 1, rows * columns))
            }
            // A factor per channel.
            (&[1, 1, channels], &[1, c, 1, 1]) if c == channels => Some((channels, 1, 1)),
            (&[inputs, outputs], &[rows, columns] | &[rows, columns, 1, 1]) if [columns, rows] == [inputs, outputs] => {
                // Ours are flattened by pixels, theirs by channels.
                let [height, width, channels] = self.maps.get(&*entry.name).copied().unwrap_or([1, 1, inputs]);
                Some((outputs, channels, height * width))
            }
            (&[channels], &[c] | &[1, c] | &[1, c, 1, 1] | &[c, 1, 1]) if c == channels => Some((channels, 1, 1)),
            _ => None,
        };
        let Some(shape) = shape else {
            let (found, expected) =
                (format!("{:?}", tensor.shape), format!("a layout of {} {:?}", entry.name, entry.shape));
            return Err(Error::TensorShape { name: name.to_owned(), found, expected });
        };
        let (outputs, inputs, taps) = shape;
        let theirs = ArrayView3::from_shape(shape, &tensor.values).ok();
        // The view alone would take a part of too many.
        let Some(theirs) = theirs.filter(|_| tensor.values.len() == outputs * inputs * taps) else {
            let reason = format!("it holds {} numbers, not {:?}", tensor.values.len(), tensor.shape);
            return Err(Error::MalformedTensor { name: name.to_owned(), reason });
        };
        let ranges = match &source.inputs {
            Some(ranges) => permutation(ranges, theirs.dim().1).map_err(|reason| map_entry(&entry.name, reason))?,
            None => vec![Slice::from(..)],
        };
        let parts: Vec<_> = ranges.into_iter().map(|range| theirs.slice_axis(Axis(1), range)).collect();
        let ours = concatenate(Axis(1), &parts).expect("parts of one array");
        Ok(ours.permuted_axes([2, 1, 0]).iter().copied().collect())
    }

    fn tensor(&self, entry: &Entry, name: &str) -> Result<&'a ForeignTensor, Error> {
        if let Some(element) = self.tensors.others.get(name) {
            return Err(Error::NotFloat { name: name.to_owned(), element: element.clone() });
        }
        self.tensors
            .tensors
            .get(name)
            .ok_or_else(|| map_entry(&entry.name, format_args!("the file has no tensor {name}")))
    }
}

/// The ranges `[first, count]`, which together are all inputs, each of them once.
fn permutation(ranges: &[[usize; 2]], inputs: usize) -> Result<Vec<Slice>, String> {
    let mut seen = vec![false; inputs];
    let mut slices = Vec::with_capacity(ranges.len());
    for &[first, count] in ranges {
        let range = first..first.saturating_add(count);
        let part =
            seen.get_mut(range.clone()).ok_or_else(|| format!("[{first}, {count}] is not within {inputs} inputs"))?;
        if part.is_empty() || part.iter().any(|seen| *seen) {
            return Err(format!("[{first}, {count}] is empty, or has inputs of another range"));
        }
        part.fill(true);
        slices.push(Slice::from(range));
    }
    match seen.iter().position(|seen| !seen) {
        Some(input) => Err(format!("input {input} of {inputs} is in no range")),
        None => Ok(slices),
    }
}

fn map_entry(name: &str, reason: impl ToString) -> Error {
    Error::MapEntry { name: name.to_owned(), reason: reason.to_string() }
}
