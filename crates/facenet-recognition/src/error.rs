//! What can go wrong between an image and a verdict.

use std::io;
use std::path::PathBuf;

use facenet_data::escape_path;

/// What is wrong with a file, a network or a request, and which one it is.
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
    /// A network has no `embedding` in its description.
    #[error("{network} makes no embeddings of faces")]
    NoEmbeddings {
        /// The network.
        network: String,
    },
    /// A network puts no landmarks on faces.
    #[error("{network} does not find the five points of a face")]
    NoLandmarks {
        /// The network.
        network: String,
    },
    /// More people were asked for than there are images.
    #[error("{images} images can't show {people} people, one in each")]
    MorePeopleThanImages {
        /// The number of people.
        people: usize,
        /// The number of images.
        images: usize,
    },
    /// Average linkage builds a tree over a limited number of images.
    #[error("{images} images are more than the {limit} that average linkage groups")]
    TooManyImages {
        /// The number of images.
        images: usize,
        /// The limit.
        limit: usize,
    },
    /// The recipe in a checkpoint has no readable crop.
    #[error("not a recipe: {reason}")]
    RecipeSyntax {
        /// Where and what, as the TOML reader says it.
        reason: String,
    },
    /// An embedding holds NaN or infinity.
    #[error("the embedding of face {row} is not finite")]
    NotFiniteEmbedding {
        /// The first such face.
        row: usize,
    },
    /// The embedding of a picture holds NaN or infinity.
    #[error("the embedding of {} is not finite", escape_path(path))]
    NotFinitePicture {
        /// The picture.
        path: PathBuf,
    },
    /// A file of a cache of embeddings is not as it was written.
    #[error("{} is damaged: remove it, and what was in it is made again", escape_path(path))]
    DamagedCache {
        /// The file.
        path: PathBuf,
    },
    /// A file could not be read.
    #[error("can't read {}: {source}", escape_path(path))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A file of a checkpoint or of weights is too long to be one.
    #[error("{} is longer than the limit of {limit} bytes", escape_path(path))]
    CheckpointTooLong {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// A file is no checkpoint, or a damaged one.
    #[error("{}: {source}", escape_path(path))]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: facenet_network::Error,
    },
    /// The calibration in a checkpoint is no text in TOML, or lacks a number.
    #[error("{}: not a calibration: {reason}", escape_path(path))]
    CalibrationSyntax {
        /// The file.
        path: PathBuf,
        /// Where and what, as the TOML reader says it.
        reason: String,
    },
    /// The calibration in a checkpoint is none that distances can have.
    #[error("{}: {source}", escape_path(path))]
    Calibration {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: facenet_metrics::Error,
    },
    /// A file of weights is damaged, or does not fit its network.
    #[error("{}: {source}", escape_path(path))]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: facenet_network::Error,
    },
    /// A checkpoint was given together with what only another program's file leaves open.
    #[error("{} is a checkpoint, which says itself what its network is", escape_path(path))]
    NotForeign {
        /// The file.
        path: PathBuf,
    },
    /// There is no built-in name map for a network.
    #[error("{}: there is no built-in map of names for {network}", escape_path(path))]
    NoNameMap {
        /// The file of weights.
        path: PathBuf,
        /// The network.
        network: String,
    },
    /// A name map is for a network that is not built in.
    #[error("{}: the map of names is for {network}, which is no built-in network", escape_path(path))]
    MapOfUnknownNetwork {
        /// The file of weights.
        path: PathBuf,
        /// The network.
        network: String,
    },
    /// A file of another program holds the tensors of no network that is known here.
    #[error("{} has no tensors of a network known here", escape_path(path))]
    UnknownWeights {
        /// The file.
        path: PathBuf,
    },
}
