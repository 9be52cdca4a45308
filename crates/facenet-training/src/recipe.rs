//! How a network is trained: all that decides the result beside the pictures and the seed.

pub(crate) mod built_in;
mod network;

use std::f64::consts::PI;

use facenet_data::{Augmentation, Crop};
use facenet_network::{Description, Initializer, OptimizerConfig, Plan};
use facenet_triplet::{BatchShape, MinerKind, Reduction};
use serde::{Deserialize, Serialize};

use facenet_recognition::Embedder;

use crate::error::Error;

/// The most pictures among which triplets are mined: their squared distances take 1.6 GB.
const MOST_MINED: f64 = 20_000.0;

/// The most numbers between the layers of a network for all faces of a mini-batch, where the recipe was made for another
/// network: with their gradients, of 4 bytes each, they take 4 GiB.
const BATCH_ACTIVATIONS: usize = 1 << 29;

/// A network and how it is trained. Steps are the measure of everything: schedules count them, never seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Steps of descent, one mini-batch each.
    pub steps: u64,
    /// The margin of the triplet loss; the paper's is 0.2.
    pub margin: f32,
    /// What the losses of a batch's triplets are divided by.
    #[serde(default)]
    pub reduction: Reduction,
    /// The largest norm of a gradient; longer ones are scaled down to it.
    #[serde(default)]
    pub clip_norm: Option<f64>,
    /// How the weights start.
    #[serde(default)]
    pub initializer: Initializer,
    /// The part of a picture that is the face, where the face is not aligned by its landmarks onto the network's template.
    #[serde(default)]
    pub crop: Crop,
    /// What a mini-batch is made of. Of a data set with fewer people than that all are in each batch.
    pub batch: BatchShape,
    /// Where triplets come from.
    pub triplets: TripletSource,
    /// The rate of descent over the steps.
    pub learning_rate: LearningRate,
    /// The rule of descent.
    #[serde(default)]
    pub optimizer: OptimizerConfig,
    /// How much faces vary from step to step.
    #[serde(default)]
    pub augmentation: Augmentation,
    /// The network. In TOML the name of a built-in one, or a description.
    #[serde(deserialize_with = "network::deserialize")]
    pub network: Description,
}

/// Where triplets come from (paper, section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case", deny_unknown_fields)]
pub enum TripletSource {
    /// Out of each mini-batch, by the embeddings of this very step.
    Online {
        /// Which triplets of the batch.
        miner: MinerKind,
    },
    /// Out of a subset of the pictures, every so many steps, by the embeddings that the network then gives. A mini-batch
    /// is as large as the recipe's batch shape says, and made of those triplets.
    Offline {
        /// Which triplets of the subset.
        miner: MinerKind,
        /// Steps from one choice to the next.
        every: u64,
        /// Pictures in the subset.
        pictures: usize,
        /// The most triplets that are kept.
        triplets: usize,
    },
}

impl TripletSource {
    /// Which triplets are taken.
    #[must_use]
    pub fn miner(&self) -> MinerKind {
        match *self {
            Self::Online { miner } | Self::Offline { miner, .. } => miner,
        }
    }
}

/// The rate of descent: up in a straight line, then down along half a cosine.
///
/// ```text
/// rate(step) = base * (step + 1) / warmup                                                     step < warmup
/// rate(step) = base * (last + (1 - last) * (1 + cos(pi (step - warmup) / (steps - warmup))) / 2)     otherwise
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LearningRate {
    /// The highest rate.
    pub base: f64,
    /// Steps on the way up.
    #[serde(default)]
    pub warmup: u64,
    /// The share of the highest rate that is left at the end; 1 keeps it.
    #[serde(default)]
    pub last: f64,
}

impl LearningRate {
    /// The rate of a step out of `steps`.
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
    /// Reads a recipe in TOML.
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
        toml::to_string(self).expect("a recipe holds nothing that TOML can't express")
    }

    /// Checks that every number is one that training can use, and that the network can be built.
    ///
    /// # Errors
    ///
    /// If one is not: the error names it.
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
            ("batch.people", people, if negatives > 0.0 { 1.0 } else { 2.0 }, MOST_MINED),
            ("batch.faces", faces, 2.0, MOST_MINED),
            ("batch.negatives", negatives, 0.0, MOST_MINED),
            ("batch", people * faces + negatives, 3.0, MOST_MINED),
        ];
        if let TripletSource::Offline { every, pictures, triplets, .. } = self.triplets {
            ranges.extend([
                ("triplets.every", every as f64, 1.0, 1e7),
                ("triplets.pictures", pictures as f64, 3.0, MOST_MINED),
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

    /// The same for another network. Mini-batches have fewer people where they would take too much memory, but at least
    /// two:
    ///
    /// ```text
    /// 8 bytes * activations per face * (people * faces + negatives) <= 4 GiB
    /// ```
    ///
    /// What [`Recipe::validate`] says about the network is not looked at.
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
