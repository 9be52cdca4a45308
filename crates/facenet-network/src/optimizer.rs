//! Optimizers: SGD, AdaGrad and Adam.

pub(crate) mod ada_grad;
pub(crate) mod adam;
mod hyperparameter;
pub(crate) mod sgd;
pub(crate) mod update;

use std::sync::Arc;

use facenet_tensor::Scalar;
use serde::{Deserialize, Serialize};

use self::ada_grad::{AdaGrad, AdaGradState};
use self::adam::{Adam, AdamState};
use self::sgd::{Sgd, SgdState};
use self::update::Optimizer;
use crate::error::Error;
use crate::parameters::ParameterTable;

/// An optimizer and its hyperparameters, for configuration files: a table with the field `kind` and
/// the hyperparameters that differ from their defaults.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum OptimizerConfig {
    /// `sgd`.
    Sgd(Sgd),
    /// `ada_grad` or `adagrad`.
    #[serde(alias = "adagrad")]
    AdaGrad(AdaGrad),
    /// `adam`.
    Adam(Adam),
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self::Adam(Adam::default())
    }
}

impl OptimizerConfig {
    /// Checks that all hyperparameters are in range.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`].
    pub fn validate(&self) -> Result<(), Error> {
        match self {
            Self::Sgd(config) => config.validate(),
            Self::AdaGrad(config) => config.validate(),
            Self::Adam(config) => config.validate(),
        }
    }

    /// Builds the optimizer in its initial state for parameters of this table.
    #[must_use]
    pub fn build<T: Scalar>(&self, table: &Arc<ParameterTable>) -> Box<dyn Optimizer<T>> {
        match *self {
            Self::Sgd(config) => Box::new(SgdState::new(config, table)),
            Self::AdaGrad(config) => Box::new(AdaGradState::new(config, table)),
            Self::Adam(config) => Box::new(AdamState::new(config, table)),
        }
    }
}
