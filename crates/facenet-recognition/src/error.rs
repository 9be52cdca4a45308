//! Errors of recognition.

use std::io;
use std::path::PathBuf;

use facenet_data::escape_path;

/// An error of recognition. It names the file, the network or the argument.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An image, a list or a folder can't be read.
    #[error(transparent)]
    Data(#[from] facenet_data::Error),
    /// A score is not defined for its inputs.
    #[error(transparent)]
    Metrics(#[from] facenet_metrics::Error),
    /// Embeddings can't be clustered.
    #[error(transparent)]
    Cluster(#[from] facenet_cluster::Error),
    /// A description or a checkpoint is invalid.
    #[error(transparent)]
    Network(#[from] facenet_network::Error),
    /// A network has no `embedding` in its description.
    #[error("{network} does not compute embeddings")]
    NoEmbeddings {
        /// The name of the network.
        network: String,
    },
    /// A network does not detect faces.
    #[error("{network} does not detect faces")]
    NoFaces {
        /// The name of the network.
        network: String,
    },
    /// An embedding does not have unit length.
    #[error("an embedding has length {length} instead of 1")]
    NotUnitLength {
        /// The length.
        length: f64,
    },
    /// The embeddings of different people are equal up to rounding.
    #[error("the embeddings of different faces are equal")]
    EqualEmbeddings,
    /// More people were asked for than there are faces.
    #[error("{faces} faces can't be {people} people")]
    MorePeopleThanFaces {
        /// Number of people.
        people: usize,
        /// Number of faces.
        faces: usize,
    },
    /// There are more faces than agglomerative clustering can group.
    #[error("{faces} faces exceed the limit of {limit} for agglomerative clustering")]
    TooManyFaces {
        /// Number of faces.
        faces: usize,
        /// The limit.
        limit: usize,
    },
    /// The recipe in a checkpoint is malformed.
    #[error("not a recipe: {reason}")]
    RecipeSyntax {
        /// The message of the TOML parser.
        reason: String,
    },
    /// An embedding contains NaN or infinity.
    #[error("the embedding of face {row} is not finite")]
    NotFiniteEmbedding {
        /// The first such face.
        row: usize,
    },
    /// The embedding of an image contains NaN or infinity.
    #[error("the embedding of {} is not finite", escape_path(path))]
    NotFiniteImage {
        /// The image.
        path: PathBuf,
    },
    /// A file of the embedding cache is damaged.
    #[error("the cache file {} is damaged", escape_path(path))]
    DamagedCache {
        /// The file.
        path: PathBuf,
    },
    /// The embedding cache can't be written.
    #[error("can't write the embedding cache: {source}")]
    UnwritableCache {
        /// The cause, which names the file or folder.
        source: facenet_data::Error,
    },
    /// A file can't be read.
    #[error("can't read {}: {source}", escape_path(path))]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file exceeds the limit on its length.
    #[error("{} is larger than the limit of {limit} bytes", escape_path(path))]
    FileTooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// A file is not a checkpoint or is damaged.
    #[error("{}: {source}", escape_path(path))]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: facenet_network::Error,
    },
    /// The calibration in a checkpoint is malformed.
    #[error("{}: malformed calibration: {reason}", escape_path(path))]
    CalibrationSyntax {
        /// The file.
        path: PathBuf,
        /// The message of the TOML parser.
        reason: String,
    },
    /// The calibration in a checkpoint has values out of range.
    #[error("{}: {source}", escape_path(path))]
    Calibration {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: facenet_metrics::Error,
    },
    /// A weights file is damaged or does not match its network.
    #[error("{}: {source}", escape_path(path))]
    Weights {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: facenet_network::Error,
    },
    /// A network or a name map was given for a checkpoint, which contains its own.
    #[error("{} is a checkpoint and describes its own network", escape_path(path))]
    NotForeign {
        /// The file.
        path: PathBuf,
    },
    /// There is no built-in name map for a network.
    #[error("{}: no name map is built in for {network}", escape_path(path))]
    NoNameMap {
        /// The weights file.
        path: PathBuf,
        /// The name of the network.
        network: String,
    },
    /// A name map is for a network that is not built in.
    #[error("{}: the name map is for {network}, which is not a built-in network", escape_path(path))]
    MapOfUnknownNetwork {
        /// The weights file.
        path: PathBuf,
        /// The name of the network.
        network: String,
    },
    /// The tensors of a file match no built-in network.
    #[error("the tensors of {} match no built-in network", escape_path(path))]
    UnknownWeights {
        /// The file.
        path: PathBuf,
    },
}

impl From<facenet_neighbors::NotFinite> for Error {
    fn from(facenet_neighbors::NotFinite { row }: facenet_neighbors::NotFinite) -> Self {
        Self::NotFiniteEmbedding { row }
    }
}
