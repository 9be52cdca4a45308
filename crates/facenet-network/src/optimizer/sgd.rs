//! Stochastic gradient descent with momentum.

use std::sync::Arc;

use facenet_tensor::Scalar;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::optimizer::hyperparameter::{DECAY_RATE, WEIGHT_DECAY, check_hyperparameter};
use crate::optimizer::update::{Chunk, Optimizer, update_chunks};
use crate::parameters::{ParameterTable, Parameters};

/// Stochastic gradient descent with momentum.
///
/// ```text
/// g = gradient + weight_decay * parameter      (weights only)
/// v = momentum * v + g                         (v = 0 at the start)
/// parameter = parameter - learning_rate * v
/// ```
///
/// The learning rate is not part of `v`, so a change of it takes effect immediately.
///
/// Source: Polyak, "Some methods of speeding up the convergence of iteration methods", 1964.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sgd {
    /// Fraction of `v` kept from step to step. With 0 the optimizer has no state.
    pub momentum: f64,
    /// L2 regularization of weights, added to the gradient.
    pub weight_decay: f64,
}

impl Default for Sgd {
    fn default() -> Self {
        Self { momentum: 0.9, weight_decay: 0.0 }
    }
}

impl Sgd {
    pub(super) fn validate(&self) -> Result<(), Error> {
        check_hyperparameter("momentum", self.momentum, DECAY_RATE)?;
        check_hyperparameter("weight_decay", self.weight_decay, WEIGHT_DECAY)
    }
}

pub(super) struct SgdState<T> {
    config: Sgd,
    /// `v`; `None` if momentum is 0.
    velocity: Option<Parameters<T>>,
}

impl<T: Scalar> SgdState<T> {
    pub(super) fn new(config: Sgd, table: &Arc<ParameterTable>) -> Self {
        Self { config, velocity: (config.momentum != 0.0).then(|| Parameters::zeros(table)) }
    }
}

impl<T: Scalar> Optimizer<T> for SgdState<T> {
    fn update(&mut self, parameters: &mut Parameters<T>, gradients: &Parameters<T>, learning_rate: f64, _step: u64) {
        let learning_rate = T::from_f64(learning_rate);
        let momentum = T::from_f64(self.config.momentum);
        let weight_decay = self.config.weight_decay;
        match &mut self.velocity {
            None => update_chunks(parameters, gradients, [], weight_decay, |weight_decay, chunk| {
                let Chunk { parameters, gradients, buffers: [] } = chunk;
                for (parameter, &gradient) in parameters.iter_mut().zip(gradients) {
                    *parameter -= learning_rate * (gradient + weight_decay * *parameter);
                }
            }),
            Some(velocity) => update_chunks(parameters, gradients, [velocity], weight_decay, |weight_decay, chunk| {
                let Chunk { parameters, gradients, buffers: [velocity] } = chunk;
                for ((parameter, &gradient), velocity) in parameters.iter_mut().zip(gradients).zip(velocity) {
                    *velocity = momentum * *velocity + (gradient + weight_decay * *parameter);
                    *parameter -= learning_rate * *velocity;
                }
            }),
        }
    }

    fn state(&self) -> Vec<(&'static str, &Parameters<T>)> {
        self.velocity.iter().map(|velocity| ("momentum", velocity)).collect()
    }

    fn state_mut(&mut self) -> Vec<(&'static str, &mut Parameters<T>)> {
        self.velocity.iter_mut().map(|velocity| ("momentum", velocity)).collect()
    }
}
