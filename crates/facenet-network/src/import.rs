//! Import of weights that other frameworks have trained.

pub(crate) mod foreign_file;
pub(crate) mod foreign_tensors;
pub(crate) mod name_map;
mod openvino;
mod pytorch;
mod safetensors;
pub(crate) mod tensor_place;
mod tensor_tree;
pub(crate) mod unsupported_format;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use ndarray::{ArrayView3, Axis, Slice, concatenate};

use self::foreign_tensors::{ForeignTensor, ForeignTensors};
use self::name_map::{NameMap, TensorSource};
use crate::description::Description;
use crate::error::Error;
use crate::network::Network;
use crate::parameters::{ParameterEntry, ParameterTable, Parameters};
use crate::plan::Plan;
use crate::plan::operation::Operation;

/// Builds a network from the tensors of another framework's file, located and transposed according
/// to a name map.
///
/// ```text
/// ours                                   theirs, one of
/// convolution       [kh, kw, in, out]    [out, in, kh, kw]
/// depthwise         [kh, kw, c]          [c, 1, kh, kw]   [c, 1, 1, kh, kw]
/// fully connected   [in, out]            [out, in]        [out, in, 1, 1]       in: ours [h, w, c], theirs [c, h, w]
/// per channel       [c]                  [c]   [1, c]   [1, c, 1, 1]   [c, 1, 1]
/// ```
///
/// The map must have an entry for each parameter and statistic, and must use or ignore each tensor
/// of the file.
///
/// # Errors
///
/// If the description cannot be resolved, or the map is for another network; if the map lacks an
/// entry, or has an entry that matches no parameter or statistic; if a tensor is missing, left
/// over, of the wrong shape, not of a floating-point type or not finite, or a variance is negative.
pub fn import(description: Description, tensors: &ForeignTensors, map: &NameMap) -> Result<Network<f32>, Error> {
    let plan = Plan::new(&description)?;
    if map.network != description.name {
        return Err(Error::NetworkMismatch { map: map.network.clone(), network: description.name });
    }
    let entries = || plan.parameters().entries().iter().chain(plan.statistics().entries());
    let known: HashSet<&str> = entries().map(|entry| &*entry.name).collect();
    if let Some(name) = map.tensors.keys().find(|name| !known.contains(&***name)) {
        return Err(Error::NameMapEntry {
            name: name.clone(),
            reason: "the network has no parameter or statistic of that name".to_owned(),
        });
    }
    let linear_inputs = plan.operations.iter().filter_map(|operation| match operation {
        Operation::Linear { x, weight, .. } => Some((*weight, plan.shape(x))),
        _ => None,
    });
    let linear_inputs =
        linear_inputs.map(|(weight, shape)| (&*plan.parameters().entries()[weight].name, shape)).collect();
    let importer = Importer { tensors, map, epsilon: plan.epsilon, linear_inputs };
    let parameters = importer.parameters(plan.parameters())?;
    let statistics = importer.parameters(plan.statistics())?;
    let named: HashSet<&String> = map.tensors.values().flat_map(TensorSource::names).chain(&map.ignored).collect();
    if let Some(name) = tensors.tensors.keys().find(|name| !named.contains(name)) {
        return Err(Error::UnusedTensor { name: name.clone() });
    }
    Network::with_parameters(description, parameters, statistics)
}

/// As [`import`], truncated after `layer` (see [`Description::truncated_after`]). Tensors of later
/// layers may be missing.
///
/// # Errors
///
/// [`Error::NoLayer`], and as [`import`].
pub fn import_truncated(
    description: Description,
    layer: &str,
    tensors: &ForeignTensors,
    map: &NameMap,
) -> Result<Network<f32>, Error> {
    let network = description.name.clone();
    let part = description.truncated_after(layer).ok_or_else(|| Error::NoLayer { network, layer: layer.to_owned() })?;
    let plan = Plan::new(&part)?;
    let entries = plan.parameters().entries().iter().chain(plan.statistics().entries());
    let known: HashSet<&str> = entries.map(|entry| &*entry.name).collect();
    let (needed, later): (BTreeMap<_, _>, BTreeMap<_, _>) =
        map.tensors.clone().into_iter().partition(|(name, _)| known.contains(&**name));
    let later = later.values().flat_map(TensorSource::names);
    let ignored = map.ignored.iter().chain(later).cloned().collect();
    import(part, tensors, &NameMap { ignored, tensors: needed, ..map.clone() })
}

struct Importer<'a> {
    tensors: &'a ForeignTensors,
    map: &'a NameMap,
    epsilon: f64,
    /// Height, width and channels of the input of each fully connected layer, by the name of its
    /// weights.
    linear_inputs: HashMap<&'a str, [usize; 3]>,
}

impl<'a> Importer<'a> {
    /// Collects values tensor by tensor, so that a small file allocates little memory.
    fn parameters(&self, table: &Arc<ParameterTable>) -> Result<Parameters<f32>, Error> {
        let mut values = Vec::new();
        for entry in table.entries() {
            values.append(&mut self.entry(entry)?);
        }
        let mut parameters = Parameters::zeros(table);
        parameters.values = values;
        Ok(parameters)
    }

    fn entry(&self, entry: &ParameterEntry) -> Result<Vec<f32>, Error> {
        let name = &entry.name;
        let Some(source) = self.map.tensors.get(name) else {
            let folded = self.folded(name).ok_or_else(|| map_error(name, "missing"))?;
            return Ok(vec![folded; entry.range.len()]);
        };
        let mut values = self.arranged(entry, &source.tensors, source)?;
        if let Some(minus) = &source.minus {
            for (value, less) in values.iter_mut().zip(self.arranged(entry, std::slice::from_ref(minus), source)?) {
                *value -= less;
            }
            if !values.iter().all(|value| value.is_finite()) {
                return Err(Error::NotFinite { name: name.clone() });
            }
        }
        if name.ends_with("batch_norm.variance") && values.iter().any(|&value| value < 0.0) {
            return Err(Error::NegativeVariance { name: source.tensors.join(", ") });
        }
        Ok(values)
    }

    /// The value of a scale, mean or variance of a batch normalization that is folded into weights
    /// and shifts: an identity.
    fn folded(&self, name: &str) -> Option<f32> {
        let (_, field) = name.rsplit_once("batch_norm.").filter(|_| self.map.folded)?;
        match field {
            "scale" => Some(1.0),
            "mean" => Some(0.0),
            "variance" => Some((1.0 - self.epsilon) as f32),
            _ => None,
        }
    }

    /// The values of one or more tensors, transposed to the layout of an entry.
    fn arranged(&self, entry: &ParameterEntry, names: &[String], source: &TensorSource) -> Result<Vec<f32>, Error> {
        let tensor = self.concatenated(entry, names)?;
        let name = &*names.join(", ");
        if !tensor.values.iter().all(|value| value.is_finite()) {
            return Err(Error::NotFinite { name: name.to_owned() });
        }
        // Outputs, inputs and taps of the foreign layer.
        let shape = match (&*entry.shape, &*tensor.shape) {
            (&[rows, columns, inputs, outputs], theirs) if *theirs == [outputs, inputs, rows, columns] => {
                Some((outputs, inputs, rows * columns))
            }
            (&[rows, columns, channels], &[c, 1, kh, kw] | &[c, 1, 1, kh, kw])
                if [c, kh, kw] == [channels, rows, columns] =>
            {
                Some((channels, 1, rows * columns))
            }
            // A scale per channel.
            (&[1, 1, channels], &[1, c, 1, 1]) if c == channels => Some((channels, 1, 1)),
            (&[inputs, outputs], &[rows, columns] | &[rows, columns, 1, 1]) if [columns, rows] == [inputs, outputs] => {
                // Our inputs are flattened as [h, w, c], theirs as [c, h, w].
                let [height, width, channels] = self.linear_inputs.get(&*entry.name).copied().unwrap_or([1, 1, inputs]);
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
        // from_shape accepts slices longer than the shape.
        let Some(theirs) = theirs.filter(|_| tensor.values.len() == outputs * inputs * taps) else {
            let reason = format!("it has {} values for shape {:?}", tensor.values.len(), tensor.shape);
            return Err(Error::MalformedTensor { name: name.to_owned(), reason });
        };
        let ranges = match &source.inputs {
            Some(ranges) => permutation(ranges, theirs.dim().1).map_err(|reason| map_error(&entry.name, reason))?,
            None => vec![Slice::from(..)],
        };
        let parts: Vec<_> = ranges.into_iter().map(|range| theirs.slice_axis(Axis(1), range)).collect();
        let ours = concatenate(Axis(1), &parts).expect("parts of one array");
        Ok(ours.permuted_axes([2, 1, 0]).iter().copied().collect())
    }

    /// Tensors one after the other along their first axis, the output channels.
    fn concatenated(&self, entry: &ParameterEntry, names: &[String]) -> Result<Cow<'a, ForeignTensor>, Error> {
        let tensors = names.iter().map(|name| self.tensor(entry, name)).collect::<Result<Vec<_>, _>>()?;
        let Some((first, others)) = tensors.split_first() else { return Err(map_error(&entry.name, "no tensors")) };
        let mut all = Cow::Borrowed(*first);
        for (tensor, name) in others.iter().zip(&names[1..]) {
            let [ours, theirs] = [&all.shape, &tensor.shape].map(|shape| shape.split_first());
            let (Some((_, ours)), Some((outputs, theirs))) = (ours, theirs) else {
                return Err(map_error(&entry.name, format_args!("{name} has no axes")));
            };
            if ours != theirs {
                let (found, expected) = (format!("{:?}", tensor.shape), format!("[.., {ours:?}] as {}", names[0]));
                return Err(Error::TensorShape { name: name.clone(), found, expected });
            }
            let outputs = *outputs;
            let all = all.to_mut();
            all.shape[0] = all.shape[0].saturating_add(outputs);
            all.values.extend_from_slice(&tensor.values);
        }
        Ok(all)
    }

    fn tensor(&self, entry: &ParameterEntry, name: &str) -> Result<&'a ForeignTensor, Error> {
        if let Some(element) = self.tensors.non_float.get(name) {
            return Err(Error::NotFloat { name: name.to_owned(), element: element.clone() });
        }
        self.tensors
            .tensors
            .get(name)
            .ok_or_else(|| map_error(&entry.name, format_args!("the file has no tensor {name}")))
    }
}

/// Checks that the ranges `[first, count]` cover all inputs exactly once.
fn permutation(ranges: &[[usize; 2]], inputs: usize) -> Result<Vec<Slice>, String> {
    let mut seen = vec![false; inputs];
    let mut slices = Vec::with_capacity(ranges.len());
    for &[first, count] in ranges {
        let range = first..first.saturating_add(count);
        let part =
            seen.get_mut(range.clone()).ok_or_else(|| format!("[{first}, {count}] is not within {inputs} inputs"))?;
        if part.is_empty() || part.iter().any(|seen| *seen) {
            return Err(format!("[{first}, {count}] is empty or overlaps another range"));
        }
        part.fill(true);
        slices.push(Slice::from(range));
    }
    match seen.iter().position(|seen| !seen) {
        Some(input) => Err(format!("input {input} of {inputs} is in no range")),
        None => Ok(slices),
    }
}

fn map_error(name: &str, reason: impl ToString) -> Error {
    Error::NameMapEntry { name: name.to_owned(), reason: reason.to_string() }
}
