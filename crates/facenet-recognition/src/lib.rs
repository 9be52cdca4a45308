#![doc = include_str!("../README.md")]

mod calibration;
mod decision;
mod embedding;
mod error;
mod face_source;
mod folder_agreement;
mod gallery;
mod grouping;
mod hash;
mod landmark_network;
mod portraits;
mod weights;

pub use calibration::{ValidationPairs, calibrate, calibration, calibration_text};
pub use decision::{DecisionRule, IdentityDecision, Verdict};
pub use embedding::embed::{Embed, check_finite};
pub use embedding::embedder::Embedder;
pub use embedding::flip_average::FlipAverage;
pub use embedding::raw_pixels::RawPixels;
pub use error::Error;
pub use face_source::{FaceSource, FaceSourceCounts};
pub use facenet_cluster::{Cut, Dbscan, Linkage};
pub use facenet_metrics::Calibration;
pub use folder_agreement::{AnsweredProbe, IdentificationAgreement, grouping_agreement, identification_agreement};
pub use gallery::{Gallery, Identification, Posterior};
pub use grouping::{CUT_ODDS, Grouping, MAX_IMAGES_WITH_RESTARTS};
pub use hash::{network_sha256, weights_sha256};
pub use landmark_network::{FoundFaces, LandmarkNetwork};
pub use portraits::embedder::{EmbeddedPortraits, PortraitEmbedder, PortraitOptions, UnreadImage};
pub use portraits::files::write_embeddings;
pub use portraits::portrait::{FaceCountWarning, Portrait};
pub use portraits::reader::{PortraitLandmarks, PortraitReader};
pub use weights::checkpoint_file::{read_checkpoint, training_crop, write_checkpoint};
pub use weights::default_networks::{DEFAULT_EMBEDDER, DEFAULT_LANDMARK_NETWORK, published_weights};
pub use weights::weights_file::{ForeignNetwork, read_weights};
