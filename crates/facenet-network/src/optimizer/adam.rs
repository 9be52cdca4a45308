//! Steps scaled by moving averages of the gradients and their squares.

use std::sync::Arc;

use facenet_tensor::Scalar;
use serde::{Deserialize, Serialize};

use super::{Optimizer, Part, for_each_part, in_range, limit};
use crate::Error;
use crate::parameters::{ParameterTable, Parameters};

/// Adam, its weight decay decoupled from the gradient (AdamW).
///
/// ```text
/// m = beta1 * m + (1 - beta1) * gradient              (m = 0 at the start)
/// v = beta2 * v + (1 - beta2) * gradient * gradient   (v = 0 at the start)
/// t = step + 1
/// direction = (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)
/// parameter = parameter - learning_rate * (direction + weight_decay * parameter)      (decay of weights only)
/// ```
///
/// Sources: Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015, algorithm 1; Loshchilov and Hutter, "Decoupled
/// Weight Decay Regularization", 2019, algorithm 2.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Adam {
    /// How much of the gradients' average one step keeps.
    pub beta1: f64,
    /// How much of the squares' average one step keeps.
    pub beta2: f64,
    /// Added to the root of the squares' average.
    pub epsilon: f64,
    /// The share of each weight, times the learning rate, that a step takes away.
    pub weight_decay: f64,
}

impl Default for Adam {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 }
    }
}

impl Adam {
    pub(super) fn validate(&self) -> Result<(), Error> {
        in_range("beta1", self.beta1, limit::DECAY_RATE)?;
        in_range("beta2", self.beta2, limit::DECAY_RATE)?;
        in_range("epsilon", self.epsilon, limit::EPSILON)?;
        in_range("weight_decay", self.weight_decay, limit::WEIGHT_DECAY)
    }
}

pub(super) struct Descent<T> {
    numbers: Adam,
    first_moment: Parameters<T>,
    second_moment: Parameters<T>,
}

impl<T: Scalar> Descent<T> {
    pub(super) fn new(numbers: Adam, table: &Arc<ParameterTable>) -> Self {
        Self { numbers, first_moment: Parameters::zeros(table), second_moment: Parameters::zeros(table) }
    }
}

impl<T: Scalar> Optimizer<T> for Descent<T> {
    fn update(&mut self, parameters: &mut Parameters<T>, gradients: &Parameters<T>, learning_rate: f64, step: u64) {
        let Adam { beta1, beta2, epsilon, weight_decay } = self.numbers;
        let count = step as f64 + 1.0;
        // The corrections of both averages are the same for every number, and taken in f64: 1 - beta2 has few digits in f32.
        let rate = T::from_f64(learning_rate / (1.0 - beta1.powf(count)));
        let root = T::from_f64((1.0 - beta2.powf(count)).sqrt().recip());
        let keep_first = T::from_f64(beta1);
        let take_first = T::from_f64(1.0 - beta1);
        let keep_second = T::from_f64(beta2);
        let take_second = T::from_f64(1.0 - beta2);
        let epsilon = T::from_f64(epsilon);
        let decay_rate = T::from_f64(learning_rate);
        let buffers = [&mut self.first_moment, &mut self.second_moment];
        for_each_part(parameters, gradients, buffers, weight_decay, |decay, part| {
            let Part { parameters, gradients, buffers: [first_moment, second_moment] } = part;
            let decay = decay_rate * decay;
            let moments = first_moment.iter_mut().zip(second_moment);
            for ((parameter, &gradient), (first, second)) in parameters.iter_mut().zip(gradients).zip(moments) {
                *first = keep_first * *first + take_first * gradient;
                *second = keep_second * *second + take_second * gradient * gradient;
                *parameter -= rate * *first / (second.sqrt() * root + epsilon) + decay * *parameter;
            }
        });
    }

    fn state(&self) -> Vec<(&'static str, &Parameters<T>)> {
        vec![("first_moment", &self.first_moment), ("second_moment", &self.second_moment)]
    }

    fn state_mut(&mut self) -> Vec<(&'static str, &mut Parameters<T>)> {
        vec![("first_moment", &mut self.first_moment), ("second_moment", &mut self.second_moment)]
    }
}
