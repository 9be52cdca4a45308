//! Finding faces in photos.

pub(crate) mod candidates;
pub(crate) mod detect;
pub(crate) mod face_detector;
