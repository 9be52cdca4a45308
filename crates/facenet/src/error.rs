//! Everything that can go wrong between a data set and a result.

use std::io;
use std::path::PathBuf;

/// What is wrong with a data set, a file, a network or a request, and which one it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
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

    /// A file could not be written; nothing changed under its name.
    #[error("can't write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// An embedding holds NaN or infinity.
    #[error("the embedding of face {row} is not finite")]
    NotFiniteEmbedding {
        /// The first such face.
        row: usize,
    },

    /// A data set has another number of people than the one it should be.
    #[error("{} holds {found} people, not {expected}", path.display())]
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
        "{dataset} needs at least 4 people, two to train on and two who stay unseen: it has {training} and {unseen}"
    )]
    TooFewPeople {
        /// The folder, or the name of the data set.
        dataset: String,
        /// People to train on.
        training: usize,
        /// People who stay unseen.
        unseen: usize,
    },
    /// Nobody among the people of one side has two pictures, so that nobody can be recognised there.
    #[error("{dataset} needs {side} person with at least two pictures: {first} to {last} have one each")]
    NoSecondPicture {
        /// The folder, or the name of the data set.
        dataset: String,
        /// "a training" or "an unseen".
        side: &'static str,
        /// The first person of this side.
        first: String,
        /// The last person of this side.
        last: String,
    },
    /// A list of pairs names a picture that is not one of the people's beside it.
    #[error("{}:{line}: picture {number} of {person} is not among those of {}", list.display(), people.display())]
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
}
