//! Data sets, divided into people to train on and people who stay unseen.

mod division;
mod folder;
pub(crate) mod images;
pub(crate) mod labelled_faces;
pub(crate) mod lfw;
pub(crate) mod loader;
pub(crate) mod source;
pub(crate) mod synthetic;
