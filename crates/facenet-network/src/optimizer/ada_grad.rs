//! Steps that shrink with the gradients seen so far.

use std::sync::Arc;

use facenet_tensor::Scalar;
use serde::{Deserialize, Serialize};

use super::{Optimizer, Part, for_each_part, in_range, limit};
use crate::Error;
use crate::parameters::{ParameterTable, Parameters};

/// AdaGrad, the optimiser of the FaceNet paper (section 3.3), there with a learning rate of 0.05.
///
/// ```text
/// g = gradient + weight_decay * parameter      (decay of weights only)
/// a = a + g * g                                (a = initial_accumulator at the start)
/// parameter = parameter - learning_rate * g / (sqrt(a) + epsilon)
/// ```
///
/// The FaceNet paper states neither the initial accumulator nor epsilon. The defaults are TensorFlow's accumulator and an
/// epsilon that vanishes beside it; [`AdaGrad::initial_accumulator`] = 0 gives the source's own, whose first steps have the
/// learning rate's length however small the gradient.
///
/// Source: Duchi, Hazan and Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization", 2011,
/// with diagonal matrices; epsilon is its delta.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdaGrad {
    /// The sum of squares that every number starts with.
    pub initial_accumulator: f64,
    /// Added to the root of the sum.
    pub epsilon: f64,
    /// L2 regularisation of weights, as a part of the gradient.
    pub weight_decay: f64,
}

impl Default for AdaGrad {
    fn default() -> Self {
        Self { initial_accumulator: 0.1, epsilon: 1e-10, weight_decay: 0.0 }
    }
}

impl AdaGrad {
    pub(super) fn validate(&self) -> Result<(), Error> {
        in_range("initial_accumulator", self.initial_accumulator, limit::ACCUMULATOR)?;
        in_range("epsilon", self.epsilon, limit::EPSILON)?;
        in_range("weight_decay", self.weight_decay, limit::WEIGHT_DECAY)
    }
}

pub(super) struct Descent<T> {
    numbers: AdaGrad,
    accumulator: Parameters<T>,
}

impl<T: Scalar> Descent<T> {
    pub(super) fn new(numbers: AdaGrad, table: &Arc<ParameterTable>) -> Self {
        let mut accumulator = Parameters::zeros(table);
        accumulator.values.fill(T::from_f64(numbers.initial_accumulator));
        Self { numbers, accumulator }
    }
}

impl<T: Scalar> Optimizer<T> for Descent<T> {
    fn update(&mut self, parameters: &mut Parameters<T>, gradients: &Parameters<T>, learning_rate: f64, _step: u64) {
        let rate = T::from_f64(learning_rate);
        let epsilon = T::from_f64(self.numbers.epsilon);
        let buffers = [&mut self.accumulator];
        for_each_part(parameters, gradients, buffers, self.numbers.weight_decay, |decay, part| {
            let Part { parameters, gradients, buffers: [accumulator] } = part;
            for ((parameter, &gradient), accumulator) in parameters.iter_mut().zip(gradients).zip(accumulator) {
                let gradient = gradient + decay * *parameter;
                *accumulator += gradient * gradient;
                *parameter -= rate * gradient / (accumulator.sqrt() + epsilon);
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
