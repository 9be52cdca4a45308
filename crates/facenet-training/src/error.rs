//! Errors of data sets, recipes, checkpoints and training.

use std::path::PathBuf;

use facenet_data::escape_path;

/// An error of a data set, a recipe, a checkpoint or training. The message names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A network has no embedding, or a weights file can't be read.
    #[error(transparent)]
    Recognition(#[from] facenet_recognition::Error),
    /// An image, a list or a folder can't be read.
    #[error(transparent)]
    Data(#[from] facenet_data::Error),
    /// A score is undefined for its input.
    #[error(transparent)]
    Metrics(#[from] facenet_metrics::Error),
    /// Embeddings can't be clustered as requested.
    #[error(transparent)]
    Cluster(#[from] facenet_cluster::Error),
    /// A description or a checkpoint does not give a valid network.
    #[error(transparent)]
    Network(#[from] facenet_network::Error),
    /// The images give no triplets.
    #[error(transparent)]
    Triplet(#[from] facenet_triplet::Error),
    /// A list of marked faces marks none that count.
    #[error("{} marks no faces", escape_path(path))]
    NoMarkedFaces {
        /// The list.
        path: PathBuf,
    },
    /// A data set has the wrong number of people.
    #[error("{} holds {found} people, expected {expected}", escape_path(path))]
    PeopleCount {
        /// The folder.
        path: PathBuf,
        /// Number of people found.
        found: usize,
        /// Number of people expected.
        expected: usize,
    },
    /// A data set has too few people to split into three groups.
    #[error(
        "{dataset} has {people} people, too few in one group: expected at least 6 (2 for training, 2 for validation, 2 unseen)"
    )]
    TooFewPeople {
        /// The folder, or the name of the data set.
        dataset: String,
        /// Number of people.
        people: usize,
    },
    /// A list of training people is too short to split off a validation group.
    #[error(
        "{} has {people} people, too few in one group: expected at least 4 (2 for training, 2 for validation)",
        escape_path(list)
    )]
    TooFewListed {
        /// The list.
        list: PathBuf,
        /// Number of people listed.
        people: usize,
    },
    /// Nobody in a group has two images, so the group has no genuine pair.
    #[error("{dataset}: none of the {group} people, {first} to {last}, has two images")]
    NoSecondImage {
        /// The folder, the list of people, or the name of the data set.
        dataset: String,
        /// `training`, `validation` or `unseen`.
        group: &'static str,
        /// The first person of the group.
        first: String,
        /// The last person of the group.
        last: String,
    },
    /// A pair list names an image outside the list of people it belongs to.
    #[error("{}:{line}: image {number} of {person} is not in {}", escape_path(list), escape_path(people))]
    PairOutside {
        /// The pair list.
        list: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// The person named.
        person: String,
        /// Number of the person's image, from 1.
        number: usize,
        /// The list of people.
        people: PathBuf,
    },
    /// LFW's image folder resolves to funneled images.
    #[error(
        "{} resolves to {}: funneled images are warped, so landmarks of the originals do not fit them",
        escape_path(images),
        escape_path(target)
    )]
    FunneledAsOriginals {
        /// The image folder.
        images: PathBuf,
        /// The folder it resolves to.
        target: PathBuf,
    },
    /// A list of landmarks lies next to LFW's funneled images.
    #[error(
        "{} can't be used: funneled images are warped, so landmarks of the originals do not fit them",
        escape_path(list)
    )]
    FunneledLandmarks {
        /// The list.
        list: PathBuf,
    },
    /// A checkpoint holds a network but no training state.
    #[error("the checkpoint holds no training state")]
    NothingToResume,
    /// A checkpoint lacks one of the optimizer's buffers.
    #[error("the checkpoint lacks the optimizer's buffer {name}")]
    MissingBuffer {
        /// Name of the buffer.
        name: &'static str,
    },
    /// The text is not a recipe in TOML.
    #[error("not a recipe: {reason}")]
    RecipeSyntax {
        /// Position and cause, from the TOML parser.
        reason: String,
    },
    /// A value of a recipe is out of range.
    #[error("{field} is {value}, which is not between {least} and {most}")]
    RecipeRange {
        /// The field.
        field: &'static str,
        /// Its value.
        value: f64,
        /// Smallest value allowed.
        least: f64,
        /// Largest value allowed.
        most: f64,
    },
    /// The loss or its gradient is not finite.
    #[error("training diverged at step {step}: the loss or its gradient is not finite")]
    Diverged {
        /// The step.
        step: u64,
    },
    /// A checkpoint's training history is malformed or does not match its step count. The network
    /// can still be used; training can't be resumed.
    #[error("the checkpoint's training history does not match its number of steps")]
    WrongHistory,
    /// A checkpoint was trained on other images.
    #[error("the checkpoint was trained on other images")]
    OtherImages,
    /// Training was interrupted; a checkpoint was written.
    #[error("interrupted after {steps} steps; {} is written", escape_path(checkpoint))]
    Interrupted {
        /// Steps done.
        steps: u64,
        /// The checkpoint.
        checkpoint: PathBuf,
    },
    /// Training was interrupted before the first step; no file was touched.
    #[error("interrupted before the first step; nothing was written")]
    InterruptedEarly,
    /// A person is listed both for training and as unseen.
    #[error("{person} is listed in both {} and {}", escape_path(training), escape_path(unseen))]
    SeenAndUnseen {
        /// The person.
        person: String,
        /// The list of training people.
        training: PathBuf,
        /// The list of unseen people.
        unseen: PathBuf,
    },
    /// The unseen people have too many images or pairs to score.
    #[error("{dataset}: the unseen people have {found} {what}, more than the limit of {limit}")]
    TooManyUnseen {
        /// The folder, or the name of the data set.
        dataset: String,
        /// What exceeds its limit.
        what: &'static str,
        /// Number found.
        found: usize,
        /// The limit.
        limit: usize,
    },
}
