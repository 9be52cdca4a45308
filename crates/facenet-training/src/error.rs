//! What can go wrong between a data set and a result.

use std::path::PathBuf;

use facenet_data::escape_path;

/// What is wrong with a data set, a recipe or a checkpoint, and which one it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A network can't embed, or a file of weights can't be read.
    #[error(transparent)]
    Recognition(#[from] facenet_recognition::Error),
    /// A picture, a list or a folder can't be read as it stands.
    #[error(transparent)]
    Data(#[from] facenet_data::Error),
    /// A score is not defined for what it is asked of.
    #[error(transparent)]
    Metrics(#[from] facenet_metrics::Error),
    /// Embeddings can't be grouped as asked.
    #[error(transparent)]
    Cluster(#[from] facenet_cluster::Error),
    /// A description or a checkpoint can't become a network.
    #[error(transparent)]
    Network(#[from] facenet_network::Error),
    /// Pictures can't give triplets.
    #[error(transparent)]
    Triplet(#[from] facenet_triplet::Error),
    /// A data set has another number of people than the one it should be.
    #[error("{} holds {found} people, not {expected}", escape_path(path))]
    PeopleCount {
        /// The folder.
        path: PathBuf,
        /// Its number of people.
        found: usize,
        /// The number there should be.
        expected: usize,
    },
    /// A data set has too few people to set some apart.
    #[error(
        "{dataset} has {people} people, too few in one group: at least 6 are needed, 2 to train on, 2 to validate on, 2 who stay unseen"
    )]
    TooFewPeople {
        /// The folder, or the name of the data set.
        dataset: String,
        /// How many people it has.
        people: usize,
    },
    /// A list of people to learn from names too few to set some apart.
    #[error(
        "{} has {people} people, too few in one group: at least 4 are needed, 2 to train on, 2 to validate on",
        escape_path(list)
    )]
    TooFewListed {
        /// The list.
        list: PathBuf,
        /// How many people it names.
        people: usize,
    },
    /// Nobody in a group of people has two pictures, so that nobody can be recognised there.
    #[error("{dataset}: nobody among the {group} people, {first} to {last}, has two pictures")]
    NoSecondPicture {
        /// The folder, the list of people, or the name of the data set.
        dataset: String,
        /// Which group: training, validation, unseen.
        group: &'static str,
        /// The first person of the group.
        first: String,
        /// The last person of the group.
        last: String,
    },
    /// A list of pairs names a picture that is not one of the people's beside it.
    #[error("{}:{line}: picture {number} of {person} is not among those of {}", escape_path(list), escape_path(people))]
    PairOutside {
        /// The list of pairs.
        list: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// Who is named.
        person: String,
        /// Which of the person's pictures, from 1.
        number: usize,
        /// The list of people.
        people: PathBuf,
    },
    /// The folder of LFW's originals leads to funneled pictures.
    #[error(
        "{} leads to {}: funneled pictures were warped, so that landmarks of the originals do not fit them; put them into the folder lfw-funneled and take --dataset lfw-funneled",
        escape_path(images),
        escape_path(target)
    )]
    FunneledAsOriginals {
        /// The folder of pictures.
        images: PathBuf,
        /// Where it leads to.
        target: PathBuf,
    },
    /// A list of landmarks lies beside LFW's funneled pictures.
    #[error(
        "{} can't be used: funneled pictures were warped, so that landmarks of the originals do not fit them; take it away, or the originals and --dataset lfw",
        escape_path(list)
    )]
    FunneledLandmarks {
        /// The list.
        list: PathBuf,
    },
    /// A checkpoint holds a network, but nothing to go on training with.
    #[error("the checkpoint holds no training state to go on from")]
    NothingToResume,
    /// A checkpoint lacks a buffer of its recipe's optimiser.
    #[error("the checkpoint lacks the optimiser's buffer {name}")]
    MissingBuffer {
        /// The buffer.
        name: &'static str,
    },
    /// The text is not a recipe in TOML.
    #[error("not a recipe: {reason}")]
    RecipeSyntax {
        /// Where and what, as the TOML reader says it.
        reason: String,
    },
    /// A number of a recipe is outside its range.
    #[error("{field} is {value}, which is not between {least} and {most}")]
    RecipeRange {
        /// The field.
        field: &'static str,
        /// Its value.
        value: f64,
        /// The least that is allowed.
        least: f64,
        /// The most that is allowed.
        most: f64,
    },
    /// The loss or its gradient is no longer a number.
    #[error("training diverged at step {step}: the loss is not a number any more; a lower learning rate may help")]
    Diverged {
        /// The step.
        step: u64,
    },
    /// The history in a checkpoint is not one, or not of as many steps as the checkpoint's.
    #[error("the checkpoint's history is not that of its steps: it can be used, but training can't go on from it")]
    WrongHistory,
    /// A checkpoint was trained on other pictures.
    #[error("the checkpoint was trained on other pictures: give the same --dataset")]
    OtherPictures,
    /// Someone asked to stop before all was done; the checkpoint is written.
    #[error(
        "interrupted after {steps} steps; {} is written, and --resume with the same --dataset goes on from it",
        escape_path(checkpoint)
    )]
    Interrupted {
        /// Steps done.
        steps: u64,
        /// The checkpoint.
        checkpoint: PathBuf,
    },
    /// Someone asked to stop before the first step; no file was touched.
    #[error("interrupted before the first step; nothing is written")]
    InterruptedEarly,
    /// A person is among those to learn from and among those who stay unseen.
    #[error("{person} stands in {} and in {}: nobody may be in both", escape_path(training), escape_path(unseen))]
    SeenAndUnseen {
        /// Who.
        person: String,
        /// The list of people to learn from.
        training: PathBuf,
        /// The list of people who stay unseen.
        unseen: PathBuf,
    },
    /// The unseen people have too many pictures to be scored.
    #[error("{dataset}: the unseen people have {found} {what}, more than the {limit} that are scored")]
    TooManyUnseen {
        /// The folder, or the name of the data set.
        dataset: String,
        /// What there is too much of.
        what: &'static str,
        /// How many.
        found: usize,
        /// The limit.
        limit: usize,
    },
}
