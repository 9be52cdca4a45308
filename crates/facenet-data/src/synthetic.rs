//! Synthetic faces: portraits of people who do not exist, rendered procedurally from a seed.

mod canvas;
mod capture;
mod features;
mod hair;
mod head;
mod identity;
mod random_stream;
mod scene;
mod shape;
pub(crate) mod synthetic_faces;
