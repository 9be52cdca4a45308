//! Adam with decoupled weight decay (AdamW).

use std::sync::Arc;

use facenet_tensor::Scalar;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::optimizer::hyperparameter::{DECAY_RATE, EPSILON, WEIGHT_DECAY, check_hyperparameter};
use crate::optimizer::update::{Chunk, Optimizer, update_chunks};
use crate::parameters::{ParameterTable, Parameters};

/// Adam with decoupled weight decay (AdamW).
///
/// ```text
/// m = beta1 * m + (1 - beta1) * gradient              (m = 0 at the start)
/// v = beta2 * v + (1 - beta2) * gradient * gradient   (v = 0 at the start)
/// t = step + 1
/// direction = (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)
/// parameter = parameter - learning_rate * (direction + weight_decay * parameter)   (weights only)
/// ```
///
/// Sources: Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015, algorithm 1;
/// Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019, algorithm 2.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Adam {
    /// Decay rate of the first moment, the moving average of gradients.
    pub beta1: f64,
    /// Decay rate of the second moment, the moving average of squared gradients.
    pub beta2: f64,
    /// Added to the square root of the second moment.
    pub epsilon: f64,
    /// Weight decay per step, relative to the learning rate.
    pub weight_decay: f64,
}

impl Default for Adam {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 }
    }
}

impl Adam {
    pub(super) fn validate(&self) -> Result<(), Error> {
        check_hyperparameter("beta1", self.beta1, DECAY_RATE)?;
        check_hyperparameter("beta2", self.beta2, DECAY_RATE)?;
        check_hyperparameter("epsilon", self.epsilon, EPSILON)?;
        check_hyperparameter("weight_decay", self.weight_decay, WEIGHT_DECAY)
    }
}

pub(super) struct AdamState<T> {
    config: Adam,
    first_moment: Parameters<T>,
    second_moment: Parameters<T>,
}

impl<T: Scalar> AdamState<T> {
    pub(super) fn new(config: Adam, table: &Arc<ParameterTable>) -> Self {
        Self { config, first_moment: Parameters::zeros(table), second_moment: Parameters::zeros(table) }
    }
}

impl<T: Scalar> Optimizer<T> for AdamState<T> {
    fn update(&mut self, parameters: &mut Parameters<T>, gradients: &Parameters<T>, learning_rate: f64, step: u64) {
        let Adam { beta1, beta2, epsilon, weight_decay } = self.config;
        let count = step as f64 + 1.0;
        // The bias corrections are the same for all elements. They are computed in f64, since
        // 1 - beta2 has few significant digits in f32.
        let corrected_rate = T::from_f64(learning_rate / (1.0 - beta1.powf(count)));
        let root_correction = T::from_f64((1.0 - beta2.powf(count)).sqrt().recip());
        let one_minus_beta1 = T::from_f64(1.0 - beta1);
        let beta1 = T::from_f64(beta1);
        let one_minus_beta2 = T::from_f64(1.0 - beta2);
        let beta2 = T::from_f64(beta2);
        let epsilon = T::from_f64(epsilon);
        let learning_rate = T::from_f64(learning_rate);
        let buffers = [&mut self.first_moment, &mut self.second_moment];
        update_chunks(parameters, gradients, buffers, weight_decay, |weight_decay, chunk| {
            let Chunk { parameters, gradients, buffers: [first_moment, second_moment] } = chunk;
            let decay = learning_rate * weight_decay;
            let moments = first_moment.iter_mut().zip(second_moment);
            for ((parameter, &gradient), (first, second)) in parameters.iter_mut().zip(gradients).zip(moments) {
                *first = beta1 * *first + one_minus_beta1 * gradient;
                *second = beta2 * *second + one_minus_beta2 * gradient * gradient;
                *parameter -=
                    corrected_rate * *first / (second.sqrt() * root_correction + epsilon) + decay * *parameter;
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
