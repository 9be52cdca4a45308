//! The tests of the crate, as one program: it is linked once.

mod align;
mod atomic_file;
mod augmentation;
mod decode;
mod face_set;
mod file_system;
mod formats;
mod landmarks;
mod lfw;
mod load;
mod real_data;
mod synthetic;
