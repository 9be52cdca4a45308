//! AdaGrad.

use std::sync::Arc;

use facenet_tensor::Scalar;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::optimizer::hyperparameter::{ACCUMULATOR, EPSILON, WEIGHT_DECAY, check_hyperparameter};
use crate::optimizer::update::{Chunk, Optimizer, update_chunks};
use crate::parameters::{ParameterTable, Parameters};

/// AdaGrad, the optimizer of the FaceNet paper (section 3.3, with a learning rate of 0.05).
///
/// ```text
/// g = gradient + weight_decay * parameter      (weights only)
/// a = a + g * g                                (a = initial_accumulator at the start)
/// parameter = parameter - learning_rate * g / (sqrt(a) + epsilon)
/// ```
///
/// The FaceNet paper states neither the initial accumulator nor epsilon. The defaults are the
/// initial accumulator of TensorFlow and an epsilon that is negligible beside it. With an
/// [`AdaGrad::initial_accumulator`] of 0, as in the original, the first step changes every
/// parameter by about the learning rate, however small its gradient.
///
/// Source: Duchi, Hazan and Singer, "Adaptive Subgradient Methods for Online Learning and
/// Stochastic Optimization", 2011, with diagonal matrices; epsilon is its delta.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdaGrad {
    /// Initial value of the sum of squares.
    pub initial_accumulator: f64,
    /// Added to the square root of the sum.
    pub epsilon: f64,
    /// L2 regularization of weights, added to the gradient.
    pub weight_decay: f64,
}

impl Default for AdaGrad {
    fn default() -> Self {
        Self { initial_accumulator: 0.1, epsilon: 1e-10, weight_decay: 0.0 }
    }
}

impl AdaGrad {
    pub(super) fn validate(&self) -> Result<(), Error> {
        check_hyperparameter("initial_accumulator", self.initial_accumulator, ACCUMULATOR)?;
        check_hyperparameter("epsilon", self.epsilon, EPSILON)?;
        check_hyperparameter("weight_decay", self.weight_decay, WEIGHT_DECAY)
    }
}

pub(super) struct AdaGradState<T> {
    config: AdaGrad,
    accumulator: Parameters<T>,
}

impl<T: Scalar> AdaGradState<T> {
    pub(super) fn new(config: AdaGrad, table: &Arc<ParameterTable>) -> Self {
        let mut accumulator = Parameters::zeros(table);
        accumulator.values.fill(T::from_f64(config.initial_accumulator));
        Self { config, accumulator }
    }
}

impl<T: Scalar> Optimizer<T> for AdaGradState<T> {
    fn update(&mut self, parameters: &mut Parameters<T>, gradients: &Parameters<T>, learning_rate: f64, _step: u64) {
        let learning_rate = T::from_f64(learning_rate);
        let epsilon = T::from_f64(self.config.epsilon);
        let buffers = [&mut self.accumulator];
        update_chunks(parameters, gradients, buffers, self.config.weight_decay, |weight_decay, chunk| {
            let Chunk { parameters, gradients, buffers: [accumulator] } = chunk;
            for ((parameter, &gradient), accumulator) in parameters.iter_mut().zip(gradients).zip(accumulator) {
                let gradient = gradient + weight_decay * *parameter;
                *accumulator += gradient * gradient;
                *parameter -= learning_rate * gradient / (accumulator.sqrt() + epsilon);
            }
        });
    }

    fn state(&self) -> Vec<(&'static str, &Parameters<T>)> {
        vec![("accumulator", &self.accumulator)]
    }

    fn state_mut(&mut self) -> Vec<(&'static str, &mut Parameters<T>)> {
        vec![("accumulator", &mut self.accumulator)]
    }
}
