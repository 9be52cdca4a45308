//! Gradient descent, with momentum where asked for.

use std::sync::Arc;

use facenet_tensor::Scalar;
use serde::{Deserialize, Serialize};

use super::{Optimizer, Part, for_each_part, in_range, limit};
use crate::Error;
use crate::parameters::{ParameterTable, Parameters};

/// Stochastic gradient descent with momentum.
///
/// ```text
/// g = gradient + weight_decay * parameter      (decay of weights only)
/// v = momentum * v + g                         (v = 0 at the start)
/// parameter = parameter - learning_rate * v
/// ```
///
/// The learning rate stands outside `v`, so a change of it acts at once.
///
/// Source: Polyak, "Some methods of speeding up the convergence of iteration methods", 1964.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sgd {
    /// How much of the last step goes into the next. With 0 nothing is kept between steps.
    pub momentum: f64,
    /// L2 regularisation of weights, as a part of the gradient.
    pub weight_decay: f64,
}

impl Default for Sgd {
    fn default() -> Self {
        Self { momentum: 0.9, weight_decay: 0.0 }
    }
}

impl Sgd {
    pub(super) fn validate(&self) -> Result<(), Error> {
        in_range("momentum", self.momentum, limit::DECAY_RATE)?;
        in_range("weight_decay", self.weight_decay, limit::WEIGHT_DECAY)
    }
}

pub(super) struct Descent<T> {
    numbers: Sgd,
    /// Absent where momentum is 0.
    momentum: Option<Parameters<T>>,
}

impl<T: Scalar> Descent<T> {
    pub(super) fn new(numbers: Sgd, table: &Arc<ParameterTable>) -> Self {
        Self { numbers, momentum: (numbers.momentum != 0.0).then(|| Parameters::zeros(table)) }
    }
}

impl<T: Scalar> Optimizer<T> for Descent<T> {
    fn update(&mut self, parameters: &mut Parameters<T>, gradients: &Parameters<T>, learning_rate: f64, _step: u64) {
        let rate = T::from_f64(learning_rate);
        let keep = T::from_f64(self.numbers.momentum);
        let decay = self.numbers.weight_decay;
        match &mut self.momentum {
            None => for_each_part(parameters, gradients, [], decay, |decay, part| {
                let Part { parameters, gradients, buffers: [] } = part;
                for (parameter, &gradient) in parameters.iter_mut().zip(gradients) {
                    *parameter -= rate * (gradient + decay * *parameter);
                }
            }),
            Some(momentum) => for_each_part(parameters, gradients, [momentum], decay, |decay, part| {
                let Part { parameters, gradients, buffers: [momentum] } = part;
                for ((parameter, &gradient), momentum) in parameters.iter_mut().zip(gradients).zip(momentum) {
                    *momentum = keep * *momentum + (gradient + decay * *parameter);
                    *parameter -= rate * *momentum;
                }
            }),
        }
    }

    fn state(&self) -> Vec<(&'static str, &Parameters<T>)> {
        self.momentum.iter().map(|momentum| ("momentum", momentum)).collect()
    }

    fn state_mut(&mut self) -> Vec<(&'static str, &mut Parameters<T>)> {
        self.momentum.iter_mut().map(|momentum| ("momentum", momentum)).collect()
    }
}
