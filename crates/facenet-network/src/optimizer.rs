//! From gradients to better parameters.

use std::sync::Arc;

use facenet_tensor::Scalar;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::parameters::{ParameterTable, Parameters, Role};
use crate::plan::real_in_range;

mod ada_grad;
mod adam;
mod sgd;

pub use ada_grad::AdaGrad;
pub use adam::Adam;
pub use sgd::Sgd;

/// Moves parameters against their gradients.
pub trait Optimizer<T: Scalar>: Send {
    /// One step of descent; `step` counts from 0.
    ///
    /// # Panics
    ///
    /// If the tables of the parameters, the gradients and this optimiser differ.
    fn update(&mut self, parameters: &mut Parameters<T>, gradients: &Parameters<T>, learning_rate: f64, step: u64);

    /// What has to be kept to go on later, by name. The names are part of the checkpoint format.
    fn state(&self) -> Vec<(&'static str, &Parameters<T>)>;

    /// The same, to be overwritten with what was kept.
    fn state_mut(&mut self) -> Vec<(&'static str, &mut Parameters<T>)>;
}

/// The optimisers with their numbers, for configurations: a table with the field `kind` and, where they differ from the
/// defaults, the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum OptimizerKind {
    /// `sgd`.
    Sgd(Sgd),
    /// `ada_grad`, or in one word.
    #[serde(alias = "adagrad")]
    AdaGrad(AdaGrad),
    /// `adam`.
    Adam(Adam),
}

impl Default for OptimizerKind {
    fn default() -> Self {
        Self::Adam(Adam::default())
    }
}

impl OptimizerKind {
    /// Whether every number is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`].
    pub fn validate(&self) -> Result<(), Error> {
        match self {
            Self::Sgd(numbers) => numbers.validate(),
            Self::AdaGrad(numbers) => numbers.validate(),
            Self::Adam(numbers) => numbers.validate(),
        }
    }

    /// An optimiser at its start, for parameters of this table.
    #[must_use]
    pub fn optimizer<T: Scalar>(&self, table: &Arc<ParameterTable>) -> Box<dyn Optimizer<T>> {
        match *self {
            Self::Sgd(numbers) => Box::new(sgd::Descent::new(numbers, table)),
            Self::AdaGrad(numbers) => Box::new(ada_grad::Descent::new(numbers, table)),
            Self::Adam(numbers) => Box::new(adam::Descent::new(numbers, table)),
        }
    }
}

/// The least and the most of every number below; a least epsilon keeps 0 / 0 away in `f32` too.
mod limit {
    pub(super) const DECAY_RATE: [f64; 2] = [0.0, 0.999_999];
    pub(super) const EPSILON: [f64; 2] = [1e-12, 1.0];
    pub(super) const ACCUMULATOR: [f64; 2] = [0.0, 1e6];
    pub(super) const WEIGHT_DECAY: [f64; 2] = [0.0, 1.0];
}

fn in_range(field: &'static str, value: f64, [least, most]: [f64; 2]) -> Result<(), Error> {
    real_in_range("optimizer", field, value, least, most)
}

/// Numbers that one call of a rule sees at most.
const CHUNK: usize = 1 << 14;

/// The numbers of one entry, or a part of them, with the same part of an optimiser's buffers.
struct Part<'a, T, const BUFFERS: usize> {
    parameters: &'a mut [T],
    gradients: &'a [T],
    buffers: [&'a mut [T]; BUFFERS],
}

/// Calls `rule` with every part of every entry, in parallel, and the weight decay that applies there: that of the weights
/// of products, 0 elsewhere.
///
/// Rules work number by number, so how entries are split can't be seen in the result.
#[track_caller]
fn for_each_part<T: Scalar, const BUFFERS: usize>(
    parameters: &mut Parameters<T>,
    gradients: &Parameters<T>,
    mut buffers: [&mut Parameters<T>; BUFFERS],
    weight_decay: f64,
    rule: impl Fn(T, Part<'_, T, BUFFERS>) + Sync,
) {
    let table = parameters.table().clone();
    assert!(table == *gradients.table(), "parameters and gradients of different tables");
    assert!(buffers.iter().all(|buffer| table == *buffer.table()), "parameters of another table than the optimiser's");
    for (index, entry) in table.entries().iter().enumerate() {
        let decay = match entry.role {
            Role::Weight { .. } => weight_decay,
            Role::Zero | Role::One | Role::Slope => 0.0,
        };
        let part = Part {
            parameters: parameters.entry_mut(index),
            gradients: gradients.entry(index),
            buffers: buffers.each_mut().map(|buffer| buffer.entry_mut(index)),
        };
        halve(part, &|part| rule(T::from_f64(decay), part));
    }
}

/// Halves a part until it fits a chunk; entries that fit at once, most of them, never visit the thread pool.
fn halve<T: Scalar, const BUFFERS: usize>(part: Part<'_, T, BUFFERS>, rule: &(impl Fn(Part<'_, T, BUFFERS>) + Sync)) {
    if part.parameters.len() <= CHUNK {
        rule(part);
        return;
    }
    let middle = part.parameters.len() / 2;
    let (parameters, more_parameters) = part.parameters.split_at_mut(middle);
    let (gradients, more_gradients) = part.gradients.split_at(middle);
    let mut halves = part.buffers.map(|buffer| buffer.split_at_mut(middle));
    let more_buffers = halves.each_mut().map(|(_, second)| std::mem::take(second));
    let buffers = halves.map(|(first, _)| first);
    rayon::join(
        || halve(Part { parameters, gradients, buffers }, rule),
        || halve(Part { parameters: more_parameters, gradients: more_gradients, buffers: more_buffers }, rule),
    );
}
