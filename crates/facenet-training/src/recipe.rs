//! Recipes: the hyperparameters of training. Together with the images and the seed a recipe decides
//! the result.

pub(crate) mod built_in;
mod network;

use std::f64::consts::PI;

use facenet_data::{Augmentation, Crop};
use facenet_network::{Description, Initializer, OptimizerConfig, Plan};
use facenet_triplet::{BatchShape, MinerKind, Reduction};
use serde::{Deserialize, Serialize};

use facenet_recognition::Embedder;

use crate::error::Error;

/// Maximum number of images to mine triplets from; their squared distances take 1.6 GB.
const MAX_MINED_IMAGES: f64 = 20_000.0;

/// Maximum number of activations of a mini-batch when a recipe is applied to another network: with
/// their gradients, of 4 bytes each, they take 4 GiB.
const BATCH_ACTIVATIONS: usize = 1 << 29;

/// A network and the hyperparameters of its training. Schedules count steps, never seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Training steps, one mini-batch each.
    pub steps: u64,
    /// Margin of the triplet loss; 0.2 in the paper.
    pub margin: f32,
    /// How the losses of a batch's triplets are reduced.
    #[serde(default)]
    pub reduction: Reduction,
    /// Gradients of a larger norm are scaled down to this norm.
    #[serde(default)]
    pub clip_norm: Option<f64>,
    /// Initializer of the weights.
    #[serde(default)]
    pub initializer: Initializer,
    /// The region of an image that is the face, for images that are not aligned by landmarks to the
    /// network's template.
    #[serde(default)]
    pub crop: Crop,
    /// Composition of a mini-batch. If the data set has fewer people, each batch has all of them.
    pub batch: BatchShape,
    /// Source of triplets.
    pub triplets: TripletSource,
    /// Learning rate schedule.
    pub learning_rate: LearningRate,
    /// Optimizer.
    #[serde(default)]
    pub optimizer: OptimizerConfig,
    /// Data augmentation.
    #[serde(default)]
    pub augmentation: Augmentation,
    /// Network; in TOML a built-in name or a description.
    #[serde(deserialize_with = "network::deserialize")]
    pub network: Description,
}

/// Source of triplets (paper, section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case", deny_unknown_fields)]
pub enum TripletSource {
    /// Triplets of each mini-batch, mined from the embeddings of the current step.
    Online {
        /// Miner.
        miner: MinerKind,
    },
    /// Triplets of a subset of the images, mined every `every` steps from the network's embeddings
    /// at that point. A mini-batch has the size of the recipe's batch shape and is filled with
    /// these triplets.
    Offline {
        /// Miner.
        miner: MinerKind,
        /// Steps per round of mining.
        every: u64,
        /// Images in the subset.
        pictures: usize,
        /// Maximum number of triplets kept.
        triplets: usize,
    },
}

impl TripletSource {
    /// The miner.
    #[must_use]
    pub fn miner(&self) -> MinerKind {
        match *self {
            Self::Online { miner } | Self::Offline { miner, .. } => miner,
        }
    }
}

/// Learning rate schedule: linear warmup, then cosine decay.
///
/// ```text
/// rate(step) = base * (step + 1) / warmup                                  for step < warmup
/// rate(step) = base * (last + (1 - last) * (1 + cos(pi * decayed)) / 2)    otherwise
///
/// decayed = (step - warmup) / (steps - warmup)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LearningRate {
    /// Peak learning rate.
    pub base: f64,
    /// Warmup steps.
    #[serde(default)]
    pub warmup: u64,
    /// Final learning rate as a fraction of `base`; 1 keeps it constant.
    #[serde(default)]
    pub last: f64,
}

impl LearningRate {
    /// The learning rate at `step` of `steps`.
    #[must_use]
    pub fn at(&self, step: u64, steps: u64) -> f64 {
        if step < self.warmup {
            return self.base * (step + 1) as f64 / self.warmup as f64;
        }
        let done = (step - self.warmup) as f64 / steps.saturating_sub(self.warmup).max(1) as f64;
        self.base * (self.last + (1.0 - self.last) * (1.0 + (PI * done.min(1.0)).cos()) / 2.0)
    }
}

impl Recipe {
    /// Parses a recipe in TOML.
    ///
    /// # Errors
    ///
    /// [`Error::RecipeSyntax`], and as [`Recipe::validate`].
    pub fn from_toml(text: &str) -> Result<Self, Error> {
        let recipe: Self = toml::from_str(text).map_err(|error| Error::RecipeSyntax { reason: error.to_string() })?;
        recipe.validate()?;
        Ok(recipe)
    }

    /// Writes the recipe in TOML.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a recipe can be written as TOML")
    }

    /// Checks that every hyperparameter is in range and that the network can be built.
    ///
    /// # Errors
    ///
    /// If not; the error names the field.
    pub fn validate(&self) -> Result<(), Error> {
        let BatchShape { people, faces, negatives } = self.batch;
        let [people, faces, negatives] = [people, faces, negatives].map(|count| count as f64);
        let mut ranges = vec![
            ("steps", self.steps as f64, 1.0, 1e12),
            ("margin", f64::from(self.margin), 0.0, 4.0),
            ("clip_norm", self.clip_norm.unwrap_or(1.0), f64::MIN_POSITIVE, 1e12),
            ("learning_rate.warmup", self.learning_rate.warmup as f64, 0.0, 1e12),
            ("learning_rate.base", self.learning_rate.base, 0.0, 1e6),
            ("learning_rate.last", self.learning_rate.last, 0.0, 1.0),
            ("batch.people", people, if negatives > 0.0 { 1.0 } else { 2.0 }, MAX_MINED_IMAGES),
            ("batch.faces", faces, 2.0, MAX_MINED_IMAGES),
            ("batch.negatives", negatives, 0.0, MAX_MINED_IMAGES),
            ("batch", people * faces + negatives, 3.0, MAX_MINED_IMAGES),
        ];
        if let TripletSource::Offline { every, pictures, triplets, .. } = self.triplets {
            ranges.extend([
                ("triplets.every", every as f64, 1.0, 1e7),
                ("triplets.pictures", pictures as f64, 3.0, MAX_MINED_IMAGES),
                ("triplets.triplets", triplets as f64, 1.0, 1e7),
            ]);
        }
        for (field, value, least, most) in ranges {
            if !(least..=most).contains(&value) {
                return Err(Error::RecipeRange { field, value, least, most });
            }
        }
        self.augmentation.validate()?;
        self.optimizer.validate()?;
        Plan::new(&self.network)?;
        Embedder::dimension_of(&self.network)?;
        Ok(())
    }

    /// The same recipe for another network. Mini-batches get fewer people, but at least two, where
    /// they would take too much memory:
    ///
    /// ```text
    /// 8 bytes * activations per face * (people * faces + negatives) <= 4 GiB
    /// ```
    ///
    /// The network is not validated; see [`Recipe::validate`].
    #[must_use]
    pub fn with_network(mut self, network: Description) -> Self {
        if let Ok(plan) = Plan::new(&network) {
            let BatchShape { people, faces, negatives } = self.batch;
            let fit = (BATCH_ACTIVATIONS / plan.activation_count()).saturating_sub(negatives) / faces.max(1);
            self.batch.people = people.min(fit.max(2));
        }
        Self { network, ..self }
    }
}
