//! Data sets, split into training, validation and unseen people.

mod folder;
pub(crate) mod image_folder;
pub(crate) mod labeled_faces;
pub(crate) mod lfw;
pub(crate) mod loader;
pub(crate) mod source;
mod split;
pub(crate) mod synthetic;
