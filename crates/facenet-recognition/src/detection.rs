//! Finding faces in photos.

pub(crate) mod candidates;
pub(crate) mod detect;
pub(crate) mod face_detector;
pub(crate) mod geometry;
pub(crate) mod options;
pub(crate) mod quality;
pub(crate) mod tiles;
pub(crate) mod turn;
