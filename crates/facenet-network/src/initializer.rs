//! Parameter initialization.

use std::sync::Arc;

use facenet_tensor::Scalar;
use ndarray_rand::rand::SeedableRng;
use ndarray_rand::rand::distributions::{Distribution, Uniform};
use ndarray_rand::rand_distr::StandardNormal;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::parameters::{ParameterTable, Parameters, Role};

/// Distribution of initial weights, which keeps the scale of activations and gradients constant
/// across layers. All have mean 0; `inputs` (fan-in) and `outputs` (fan-out) are those of
/// [`Role::Weight`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Initializer {
    /// Normal distribution for layers with ReLU.
    ///
    /// ```text
    /// variance = 2 / inputs
    /// ```
    ///
    /// Source: He et al., "Delving Deep into Rectifiers", 2015, equation 10.
    #[default]
    HeNormal,
    /// Uniform distribution of the same variance.
    ///
    /// ```text
    /// between -limit and limit = sqrt(6 / inputs)
    /// ```
    HeUniform,
    /// Normal distribution, a compromise between the scale of activations and that of gradients.
    ///
    /// ```text
    /// variance = 2 / (inputs + outputs)
    /// ```
    ///
    /// Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
    /// networks", 2010, equation 12.
    GlorotNormal,
    /// Uniform distribution of the same variance.
    ///
    /// ```text
    /// between -limit and limit = sqrt(6 / (inputs + outputs))
    /// ```
    ///
    /// Source: Glorot and Bengio 2010, equation 16.
    GlorotUniform,
}

impl Initializer {
    /// Initial values for every entry of a table: weights from this distribution, all others as
    /// their [`Role`] says. Running statistics have no weights, so they do not depend on the
    /// initializer.
    ///
    /// An entry's values depend only on the seed, the entry's index in the table and its role. They
    /// are drawn in `f64`, so `f32` values are the `f64` values rounded.
    #[must_use]
    pub fn initialize<T: Scalar>(self, table: &Arc<ParameterTable>, seed: u64) -> Parameters<T> {
        let mut parameters = Parameters::zeros(table);
        for (index, entry) in table.entries().iter().enumerate() {
            let values = parameters.entry_mut(index);
            match entry.role {
                Role::Weight { inputs, outputs } => self.draw(inputs, outputs, &mut generator(seed, index), values),
                Role::Bias => {}
                Role::Scale => values.fill(T::one()),
                Role::Slope => values.fill(T::from_f64(0.25)),
            }
        }
        parameters
    }

    fn draw<T: Scalar>(self, inputs: usize, outputs: usize, generator: &mut ChaCha8Rng, values: &mut [T]) {
        let variance = match self {
            Self::HeNormal | Self::HeUniform => 2.0 / inputs as f64,
            Self::GlorotNormal | Self::GlorotUniform => 2.0 / (inputs as f64 + outputs as f64),
        };
        match self {
            Self::HeNormal | Self::GlorotNormal => fill(values, variance.sqrt(), StandardNormal, generator),
            Self::HeUniform | Self::GlorotUniform => {
                fill(values, (3.0 * variance).sqrt(), Uniform::new_inclusive(-1.0, 1.0), generator);
            }
        }
    }
}

fn fill<T: Scalar>(values: &mut [T], scale: f64, unit: impl Distribution<f64>, generator: &mut ChaCha8Rng) {
    for (value, drawn) in values.iter_mut().zip(unit.sample_iter(generator)) {
        *value = T::from_f64(scale * drawn);
    }
}

/// Random number generator of an entry: seed and purpose form the key, the entry's index selects
/// the stream.
fn generator(seed: u64, entry: usize) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(b"initial\0");
    let mut generator = ChaCha8Rng::from_seed(key);
    generator.set_stream(entry as u64);
    generator
}
